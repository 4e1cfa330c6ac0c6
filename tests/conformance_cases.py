"""Manifests, and what any runner must make of each: the table of the conformance tests. Standard library only.

tests/local runs them on this machine, tests/e2e on a cluster, where the outcomes of both are compared as well.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DATA_CLAIM = "data"
MODELS_CLAIM = "models"


def _table() -> str:
    """A table of weights by numbers and words, with gaps in both."""
    rows = ["length,colour,weight"]
    for number in range(150):
        length = "" if number % 11 == 3 else f"{(number * 37 % 100) / 10}"
        colour = "" if number % 13 == 5 else ("red", "green", "blue")[number % 3]
        rows.append(f"{length},{colour},{(number * 37 % 100) * 0.7 + number % 3:.2f}")
    return "\n".join(rows) + "\n"


CLAIM_FILES = {
    DATA_CLAIM: {
        "table.csv": _table(),
        "ragged.csv": _table() + "1.0,red,2.0,3.0\n",
        "folder.csv/table.csv": _table(),
    },
    MODELS_CLAIM: {"occupied/notes.txt": "mine\n"},
}
"""What lies on the claims before, by claim and path."""


@dataclass(frozen=True)
class Outcome:
    """How a job ended and what came out, whoever ran it."""

    conditions: Mapping[str, tuple[str, str]]
    """Status and reason by type, without those that only a cluster has."""
    message: str
    """That of Complete or Failed, with places as the manifest spells them."""
    model: Mapping[str, Any]
    """As a TrainingJob's status has it; empty where none came out."""
    report: Mapping[str, Any] | None
    """steelyard.json of the published folder; None where nothing was published."""
    model_digest: str | None = None
    """SHA-256 (hex) of the file that the runtime loads."""
    has_begun: bool = True
    """Whether a stage was begun. A local run sees some mistakes before that, and then remembers nothing."""


@dataclass(frozen=True)
class Case:
    """A manifest's spec and how its job must end."""

    name: str
    spec: Mapping[str, Any]
    conditions: Mapping[str, tuple[str, str]]
    message: str
    """A pattern that the last message must have."""
    candidates: tuple[str, ...] = ()
    """What was weighed, and then published; none where nothing is."""
    is_same_file: bool = False
    """Whether every runner publishes the same bytes: what is trained has so many threads everywhere, and is so small,
    that the last bits of its weights are the same."""

    @property
    def manifest(self) -> dict[str, Any]:
        """The whole manifest."""
        return {
            "apiVersion": "steelyard.dev/v1alpha1",
            "kind": "TrainingJob",
            "metadata": {"name": self.name},
            "spec": dict(self.spec),
        }

    def check(self, outcome: Outcome) -> None:
        """Raises AssertionError where a job ended otherwise."""
        expected = self.conditions if outcome.has_begun else {"Failed": self.conditions["Failed"]}
        assert outcome.conditions == expected, outcome.message
        assert re.search(self.message, outcome.message), outcome.message
        weighed = [candidate["name"] for candidate in outcome.model.get("candidates", ())]
        assert sorted(weighed) == sorted(self.candidates)
        places = [f"pvc://{MODELS_CLAIM}/{self.name}"] if self.candidates else []
        assert outcome.model.get("published", []) == places
        assert (outcome.report is not None) == bool(places)


def _spec(uri: str, target: str, *, epochs: int, **others: Any) -> dict[str, Any]:
    """A small network, published nowhere unless `others` say so."""
    return {
        "dataset": {"uri": uri, "target": target, **others.pop("dataset", {})},
        "model": others.pop("model", {"mlp": {"hiddenUnits": [16]}}),
        "training": {"epochs": epochs, **others.pop("training", {})},
        "publish": [],
        **others,
    }


def _publish(name: str) -> list[dict[str, str]]:
    return [{"uri": f"pvc://{MODELS_CLAIM}/{name}"}]


def _true(*types: str) -> dict[str, tuple[str, str]]:
    return dict.fromkeys(types, ("True", "Succeeded"))


def _failed(type: str, reason: str) -> dict[str, tuple[str, str]]:
    return {type: ("False", reason), "Failed": ("True", reason)}


DIGITS = ("sklearn:digits", "target")

_OF_FEW_ROWS = {"name": "of-few-rows", "steps": [{"technique": "Int8", "representativeRows": 50}]}
_STUDENT = {
    "name": "student",
    "steps": [{"technique": "Distill", "width": 0.5, "epochs": 20}, {"technique": "Int4"}],
}
_ONE_THREAD = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "4Gi"}}

CASES = [
    Case(
        "compressed",
        _spec(
            *DIGITS,
            epochs=3,
            training={"workers": 2, "optimizer": {"learningRate": 0.01}},
            evaluation={"require": [{"metric": "accuracy", "minimum": 0.5}]},
            # The two workers train the student, too.
            compression={"candidates": ["DynamicRange", "Float16", _OF_FEW_ROWS, _STUDENT], "maxMetricDrop": 0.2},
            publish=_publish("compressed"),
            runPolicy={"stallTimeoutSeconds": 600},
            template={"resources": {"train": _ONE_THREAD}},
        ),
        _true("Prepared", "Trained", "Evaluated", "Compressed", "Published", "Complete"),
        r"^student, [\d,]+ bytes, accuracy .* published to pvc://models/compressed$",
        ("Baseline", "DynamicRange", "Float16", "of-few-rows", "student"),
        is_same_file=True,
    ),
    Case(
        "regression",
        _spec(
            f"pvc://{DATA_CLAIM}/table.csv",
            "weight",
            epochs=2,
            model={"wideAndDeep": {"hiddenUnits": [16]}},
            dataset={"missingValues": {"strategy": "Constant", "value": 5, "text": "none"}},
            publish=_publish("regression"),
        ),
        _true("Prepared", "Trained", "Evaluated", "Published", "Complete"),
        r"^float32, [\d,]+ bytes, r2 .* published to pvc://models/regression$",
        ("Baseline",),
    ),
    Case(
        "unpublished",
        _spec("sklearn:wine", "target", epochs=2),
        _true("Prepared", "Trained", "Evaluated", "Complete"),
        r"^trained 2 epochs",
    ),
    Case(
        "no-target",
        _spec("sklearn:wine", "grower", epochs=2),
        _failed("Prepared", "InvalidData"),
        r"no column 'grower'.*alcohol",
    ),
    Case(
        "ragged",
        _spec(f"pvc://{DATA_CLAIM}/ragged.csv", "weight", epochs=2),
        _failed("Prepared", "InvalidData"),
        r"ragged\.csv, row 151 \(line 152\): 4 cells",
    ),
    Case(
        "no-source",
        _spec(f"pvc://{DATA_CLAIM}/none.csv", "weight", epochs=2),
        _failed("Prepared", "SourceNotFound"),
        r"pvc://data/none\.csv",
    ),
    Case(
        "folder",
        _spec(f"pvc://{DATA_CLAIM}/folder.csv", "weight", epochs=2),
        _failed("Prepared", "SourceNotFound"),
        r"spec\.dataset\.uri: pvc://data/folder\.csv is a folder",
    ),
    Case(
        # That the task is Regression is known only when the table was read.
        "impossible",
        _spec("sklearn:diabetes", "target", epochs=2, evaluation={"require": [{"metric": "accuracy", "minimum": 0.9}]}),
        _failed("Prepared", "InvalidConfiguration"),
        r"spec\.evaluation\.require\[0\]\.metric: accuracy is no metric of Regression",
    ),
    Case(
        "other-shape",
        _spec(*DIGITS, epochs=2, model={"cnn": {"inputShape": [8, 4, 1]}}),
        _failed("Prepared", "InvalidConfiguration"),
        r"spec\.model\.cnn\.inputShape: 8 x 4 x 1 are 32 values, but a row of the table has 64 features",
    ),
    Case(
        "occupied",
        _spec("sklearn:wine", "target", epochs=2, publish=_publish("occupied")),
        _failed("Prepared", "TargetOccupied"),
        r"pvc://models/occupied.* is not empty and holds no published model",
    ),
    Case(
        "diverges",
        _spec("sklearn:diabetes", "target", epochs=3, training={"optimizer": {"name": "SGD", "learningRate": 100}}),
        _true("Prepared") | _failed("Trained", "LossNotFinite"),
        r"loss",
    ),
    Case(
        "gate",
        _spec(
            "sklearn:wine",
            "target",
            epochs=1,
            evaluation={"require": [{"metric": "logLoss", "maximum": 1e-6}]},
            publish=_publish("gate"),
            runPolicy={"stallTimeoutSeconds": 600},
        ),
        _true("Prepared", "Trained") | _failed("Evaluated", "GateFailed"),
        r"logLoss .*1e-06",
    ),
]
