"""The students of a model: narrower and shallower models of the same kind."""

import pytest

from steelyard.api.models import KINDS, Model
from steelyard.api.models.networks import Mlp


def model(**kind: object) -> Model:
    return Model.model_validate(kind)


@pytest.mark.parametrize(
    ("units", "factor", "narrowed"),
    [([256, 128], 1 / 8, [32, 16]), ([3, 2, 5], 1 / 2, [2, 1, 3]), ([4, 1], 1 / 16, [1, 1]), ([10], 0.999, None)],
)
def test_an_mlp_is_narrowed_by_a_factor_halves_up_and_never_below_one_unit(
    units: list[int], factor: float, narrowed: list[int] | None
) -> None:
    student = model(mlp={"hiddenUnits": units, "dropout": 0.25}).narrowed(factor)
    assert student == (None if narrowed is None else model(mlp={"hiddenUnits": narrowed, "dropout": 0.25}))


def test_an_mlp_loses_its_last_layer_but_never_all() -> None:
    assert model(mlp={"hiddenUnits": [8, 4]}).shallower() == model(mlp={"hiddenUnits": [8]})
    assert model(mlp={"hiddenUnits": [8]}).shallower() is None


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "mlp"])
def test_a_model_without_widths_has_no_student(kind: str) -> None:
    assert model(**{kind: {}}).narrowed(1 / 2) is None
    assert model(**{kind: {}}).shallower() is None


@pytest.mark.parametrize("factor", [0.0, -0.5, 1.5, float("nan")])
def test_a_student_is_never_wider_than_its_teacher(factor: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        Mlp().narrowed(factor)
