"""What a network asks of a table, and of its own settings."""

import pytest
from pydantic_core import PydanticCustomError
from training_manifests import manifest, problems

from steelyard.api.loading import parse_training_job
from steelyard.api.models import Model
from steelyard.api.models.capabilities import Features

PIXELS = Features({f"pixel_{number}": 1 for number in range(63)}, ())
SALES = Features({"price": 1, "city": 300, "weekday": 7, "product": 400}, ("city", "weekday", "product"))


@pytest.mark.parametrize(
    ("model", "features", "field", "message"),
    [
        (
            {"cnn": {"inputShape": [8, 4, 2]}},
            PIXELS,
            "inputShape",
            "8 x 4 x 2 are 64 values, but a row of the table has 63 features; the product is to be their number",
        ),
        (
            {"dsCnn": {"inputShape": [30, 20, 2]}},
            SALES,
            "inputShape",
            "30 x 20 x 2 are 1,200 values, but a row of the table has 708 features; the product is to be their number",
        ),
        (
            {"wideAndDeep": {"crosses": [["city", "weekday"], ["city", "town"]]}},
            SALES,
            "crosses[1]",
            "there is no feature 'town'; the features are 'price', 'city', 'weekday', 'product'",
        ),
        (
            {"wideAndDeep": {"crosses": [["city", "price"]]}},
            SALES,
            "crosses[0]",
            "'price' is no category (dataset.categorical makes one of a column of numbers); allowed: 'city', "
            "'product', 'weekday'",
        ),
        (
            {"wideAndDeep": {"crosses": [["pixel_0", "pixel_1"]]}},
            PIXELS,
            "crosses[0]",
            "'pixel_0' is no category (dataset.categorical makes one of a column of numbers); allowed: none, the table "
            "has no categories",
        ),
        (
            {"wideAndDeep": {"crosses": [["city", "product"]]}},
            SALES,
            "crosses[0]",
            "'city' has 300 words and 'product' 400, which are 120,000 pairs; allowed: at most 65,536; "
            "dataset.categories.max keeps the most frequent words only",
        ),
    ],
)
def test_a_table_that_a_network_can_not_take_is_refused(
    model: dict[str, object], features: Features, field: str, message: str
) -> None:
    assert Model.model_validate(model).given.misfit(features) == (field, message)


def test_a_table_that_a_student_can_not_take_is_refused() -> None:
    student = {"technique": "Distill", "model": {"cnn": {"inputShape": [8, 8, 1]}}}
    document = manifest()
    document["spec"]["compression"] = {"candidates": ["Int8", {"name": "small", "steps": [student]}]}
    job = parse_training_job(document)
    with pytest.raises(PydanticCustomError) as refused:
        job.spec.check_features(PIXELS)
    assert (refused.value.context or {})["field"] == "compression.candidates[1].steps[0].model.cnn.inputShape"
    assert refused.value.message().startswith("8 x 8 x 1 are 64 values, but a row of the table has 63 features")


@pytest.mark.parametrize(
    ("model", "features"),
    [
        ({"cnn": {"inputShape": [9, 7, 1]}}, PIXELS),
        ({"resNet8": {"inputShape": [7, 3, 3]}}, PIXELS),
        ({"wideAndDeep": {"crosses": [["product", "weekday"]]}}, SALES),
        ({"mlp": {}}, SALES),
        ({"ridge": {}}, PIXELS),
    ],
)
def test_a_table_that_a_model_can_take_is_not(model: dict[str, object], features: Features) -> None:
    assert Model.model_validate(model).given.misfit(features) is None


@pytest.mark.parametrize(
    ("given", "field", "message"),
    [
        (
            "model={cnn: {}}",
            "spec.model.cnn.inputShape",
            "this field is needed, but it is missing; allowed: a list of 3",
        ),
        (
            "model={cnn: {inputShape: [8, 8]}}",
            "spec.model.cnn.inputShape",
            "[8, 8] is not allowed; allowed: a list of 3 items, each a whole number from 1 to 4096",
        ),
        (
            "model={cnn: {inputShape: [3, 1, 8], filters: [8, 8, 8]}}",
            "spec.model.cnn.inputShape",
            "3 x 1 is too small: the network halves it 2 times; allowed: at least 4 in height or width",
        ),
        (
            "model={resNet8: {inputShape: [3, 3, 8]}}",
            "spec.model.resNet8.inputShape",
            "3 x 3 is too small: the network halves it 2 times; allowed: at least 4 in height or width",
        ),
        (
            "model={dsCnn: {inputShape: [1, 1, 8]}}",
            "spec.model.dsCnn.inputShape",
            "1 x 1 is too small: the network halves it 1 times; allowed: at least 2 in height or width",
        ),
        (
            "model={wideAndDeep: {crosses: [[a, b], [c, c]]}}",
            "spec.model.wideAndDeep.crosses[1]",
            "'c' is crossed with itself; name two columns",
        ),
        (
            "model={wideAndDeep: {crosses: [[a, b], [b, a]]}}",
            "spec.model.wideAndDeep.crosses[1]",
            "'a' and 'b' are crossed twice; once will do",
        ),
    ],
)
def test_settings_that_make_no_network_are_refused(given: str, field: str, message: str) -> None:
    found = problems(given)
    assert list(found) == [field] and message in found[field]
