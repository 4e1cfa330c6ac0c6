"""The students of a model: narrower and shallower models of the same kind."""

from dataclasses import replace

import pytest

from steelyard.api.models import KINDS, Model
from steelyard.api.models.convolutional import Cnn, Convolutional, DsCnn, ResNet8
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


WITH_WIDTHS = ("mlp", "cnn", "resNet8", "dsCnn", "wideAndDeep")
SHAPE = [32, 32, 3]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in WITH_WIDTHS])
def test_a_model_without_widths_has_no_student(kind: str) -> None:
    needed: dict[str, dict[str, object]] = {
        "container": {"command": ["a"], "model": {"format": "Keras"}},
        "entrypoint": {"function": "net:build", "framework": "Keras"},
    }
    assert model(**{kind: needed.get(kind, {})}).narrowed(1 / 2) is None
    assert model(**{kind: needed.get(kind, {})}).shallower() is None


@pytest.mark.parametrize("factor", [1 / 2, 1 / 3, 1 / 8, 1 / 16, 1e-6])
@pytest.mark.parametrize(
    "teacher",
    [
        Cnn(inputShape=SHAPE, filters=[3, 64, 1], hiddenUnits=[7], width=1.3, residual=True),
        ResNet8(inputShape=SHAPE),
        DsCnn(inputShape=SHAPE, width=0.3),
    ],
    ids=["cnn", "resNet8", "dsCnn"],
)
def test_the_filters_of_a_student_are_those_of_its_teacher_times_the_factor(
    teacher: Convolutional, factor: float
) -> None:
    student = teacher.narrowed(factor)
    assert student is not None
    before, after = teacher.convolutions, student.convolutions
    assert all(narrow <= wide for narrow, wide in zip(after.widths, before.widths, strict=True))
    assert sum(after.widths) == pytest.approx(sum(before.widths) * factor, abs=len(after.widths))
    assert replace(after, stem=before.stem, stages=before.stages, hidden_units=before.hidden_units) == before


def test_a_convolutional_network_has_shallower_students_down_to_one_block() -> None:
    made_of = {"inputShape": SHAPE, "filters": [8, 16], "residual": True}
    cnn = model(cnn={**made_of, "blocks": 2})
    assert cnn.shallower() == model(cnn={**made_of, "blocks": 1})
    last = model(cnn={**made_of, "blocks": 1}).shallower()
    assert last == model(cnn={**made_of, "filters": [8], "blocks": 1}) and last.shallower() is None
    assert model(dsCnn={"inputShape": SHAPE}).shallower() == model(dsCnn={"inputShape": SHAPE, "blocks": 3})
    assert model(resNet8={"inputShape": SHAPE}).shallower() is None


def test_the_crosses_and_embeddings_of_a_wide_and_deep_network_are_narrowed_with_its_layers() -> None:
    wide = {"hiddenUnits": [64, 3], "embeddingUnits": 8, "crossBuckets": 100, "dropout": 0.5}
    crossed = {**wide, "crosses": [["a", "b"]]}
    narrowed = {"hiddenUnits": [16, 1], "embeddingUnits": 2, "dropout": 0.5}
    assert model(wideAndDeep=crossed).narrowed(1 / 4) == model(
        wideAndDeep={**narrowed, "crosses": [["a", "b"]], "crossBuckets": 25}
    )
    assert model(wideAndDeep=wide).narrowed(1 / 4) == model(wideAndDeep={**narrowed, "crossBuckets": 100})
    assert model(wideAndDeep=wide).shallower() == model(wideAndDeep={**wide, "hiddenUnits": [64]})


@pytest.mark.parametrize("factor", [0.0, -0.5, 1.5, float("nan")])
def test_a_student_is_never_wider_than_its_teacher(factor: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        Mlp().narrowed(factor)
