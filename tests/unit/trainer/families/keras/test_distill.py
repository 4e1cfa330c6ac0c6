"""Which network a student is; and which are refused."""

import pytest

from steelyard.api.compression.techniques import Distill
from steelyard.api.models import Model
from steelyard_trainer.compression.techniques.base import CannotBeMadeError
from steelyard_trainer.families.keras.distill import student_of

TEACHER = {"hiddenUnits": [64, 32, 16], "dropout": 0.5}


def model(kind: str, **settings: object) -> Model:
    return Model.model_validate({kind: settings})


@pytest.mark.parametrize(
    ("asked", "units"),
    [({}, [16, 8, 4]), ({"width": 0.5}, [32, 16, 8]), ({"fewerLayers": 1, "width": 1}, [64, 32])],
)
def test_a_student_is_of_the_same_kind(asked: dict[str, object], units: list[int]) -> None:
    student = student_of(model("mlp", **TEACHER), Distill.model_validate(asked))
    assert student == model("mlp", **TEACHER | {"hiddenUnits": units})


@pytest.mark.parametrize("given", [model("mlp", hiddenUnits=[64]), model("linear")])
def test_a_student_of_its_own_is_any_smaller_network(given: Model) -> None:
    asked = Distill.model_validate({"model": given.model_dump(exclude_unset=True, by_alias=True)})
    assert student_of(model("mlp", **TEACHER), asked) == given


@pytest.mark.parametrize(
    ("kind", "teacher", "asked", "said"),
    [
        ("linear", {}, {"width": 0.5}, "linear has no network of 0.5 times the width"),
        ("mlp", {"hiddenUnits": [1]}, {"width": 0.5}, "mlp has no network of 0.5 times the width"),
        ("mlp", TEACHER, {"fewerLayers": 3}, "mlp has no network of 3 layers fewer"),
        (
            "mlp",
            TEACHER,
            {"model": {"mlp": {"hiddenUnits": [65]}}},
            "a student wider than its teacher: its widest layer would have 65 units, the trained network's has 64",
        ),
        (
            "resNet8",
            {"inputShape": [32, 32, 3], "width": 0.5},
            {"model": {"resNet8": {"inputShape": [32, 32, 3]}}},
            "a student wider than its teacher: its widest layer would have 64 units, the trained network's has 32",
        ),
    ],
)
def test_what_has_no_student_is_refused(
    kind: str, teacher: dict[str, object], asked: dict[str, object], said: str
) -> None:
    with pytest.raises(CannotBeMadeError, match=said):
        student_of(model(kind, **teacher), Distill.model_validate(asked))
