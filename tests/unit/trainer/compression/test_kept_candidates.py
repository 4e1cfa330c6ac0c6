"""What was made of a model, and when it is made again."""

from typing import Any

import pytest
from sklearn_specs import spec

from steelyard_trainer.compression.kept_candidates import key_of

FOREST: dict[str, Any] = {"randomForest": {"nEstimators": 5}}
VERSIONS = {"steelyard": "1", "scikit-learn": "1.9"}
KEPT = key_of("model", "data", spec(FOREST, training={"seed": 1}), VERSIONS)


@pytest.mark.parametrize(
    ("model", "data", "fields", "versions"),
    [
        ("another", "data", {}, VERSIONS),
        ("model", "another", {}, VERSIONS),
        ("model", "data", {"training": {"seed": 2}}, VERSIONS),
        ("model", "data", {"model": {"randomForest": {"nEstimators": 6}}}, VERSIONS),
        ("model", "data", {}, {**VERSIONS, "steelyard": "2"}),
        ("model", "data", {}, {**VERSIONS, "scikit-learn": "1.10"}),
    ],
    ids=["model", "data", "seed", "settings", "steelyard", "library"],
)
def test_what_was_made_of_anything_else_or_by_other_versions_is_not_taken(
    model: str, data: str, fields: dict[str, Any], versions: dict[str, str]
) -> None:
    asked = {"training": {"seed": 1}, **fields}
    assert key_of(model, data, spec(asked.pop("model", FOREST), **asked), versions) != KEPT


def test_what_changes_nothing_that_is_made_is_in_no_key() -> None:
    asked = {"seed": 1, "checkpoint": {"everySeconds": 7}}
    other = spec(FOREST, training={"seed": 1}, evaluation={"require": []}, publish=[{"uri": "elsewhere"}])
    assert key_of("model", "data", other, dict(reversed(VERSIONS.items()))) == KEPT
    network = {"mlp": {}}
    keys = {key_of("model", "data", spec(network, training=each), VERSIONS) for each in (asked, {"seed": 1})}
    assert len(keys) == 1
