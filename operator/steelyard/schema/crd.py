"""`python -m steelyard.schema.crd FOLDER...` writes the CRDs into each folder. Imports the api and the schema only."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from pydantic import BaseModel

from steelyard.api.fields import Node
from steelyard.api.status import TrainingJobStatus
from steelyard.api.training_job import Metadata, TrainingJob, TrainingJobSpec
from steelyard.api.tuning_job import TuningJob, TuningJobSpec, TuningMetadata
from steelyard.api.tuning_status import TuningJobStatus
from steelyard.contract.version import API_VERSION
from steelyard.schema.rules.table import RULES
from steelyard.schema.structural import structural_schema

GROUP, VERSION = API_VERSION.split("/")

LIMIT_BYTES = 225_000
"""The largest CRD, as compact JSON: `kubectl apply` keeps one in an annotation, which has 262,144 bytes."""

_HEADER = "# Made by `make generate` from operator/steelyard/api; a test checks that it is up to date.\n"

# Heading, type, where it lies.
_Column: TypeAlias = tuple[str, str, str]

_AGE: _Column = ("Age", "date", ".metadata.creationTimestamp")
_REASON: _Column = ("Reason", "string", '.status.conditions[?(@.type=="Failed")].reason')


@dataclass(frozen=True)
class _Kind:
    """What a CRD says of its kind."""

    name: str
    short: str
    whole: type[BaseModel]
    metadata: type[Metadata]
    spec: type[BaseModel]
    status: type[BaseModel]
    columns: tuple[_Column, ...]
    wide: tuple[_Column, ...]
    """Shown by `-o wide` only."""


_TRAINING_JOB = _Kind(
    name="TrainingJob",
    short="tj",
    whole=TrainingJob,
    metadata=Metadata,
    spec=TrainingJobSpec,
    status=TrainingJobStatus,
    columns=(
        ("Phase", "string", ".status.phase"),
        ("Progress", "string", ".status.progress"),
        ("Metric", "string", ".status.metric"),
        ("Size", "string", ".status.size"),
        _AGE,
    ),
    wide=(
        ("Workers", "integer", ".spec.training.workers"),
        ("Chosen", "string", ".status.model.chosen"),
        ("Published", "string", ".status.model.published[0]"),
        _REASON,
    ),
)

_TUNING_JOB = _Kind(
    name="TuningJob",
    short="tuj",
    whole=TuningJob,
    metadata=TuningMetadata,
    spec=TuningJobSpec,
    status=TuningJobStatus,
    columns=(
        ("Phase", "string", ".status.phase"),
        ("Progress", "string", ".status.progress"),
        ("Best", "string", ".status.metric"),
        ("Size", "string", ".status.size"),
        _AGE,
    ),
    wide=(
        ("Algorithm", "string", ".spec.algorithm.name"),
        ("Parallel", "integer", ".spec.parallelTrials"),
        ("Best Trial", "integer", ".status.best.trial"),
        _REASON,
    ),
)


def training_job_crd() -> Node:
    """The CustomResourceDefinition of TrainingJob."""
    return _crd(_TRAINING_JOB)


def tuning_job_crd() -> Node:
    """The CustomResourceDefinition of TuningJob."""
    return _crd(_TUNING_JOB)


def _crd(kind: _Kind) -> Node:
    singular = kind.name.lower()
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{singular}s.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": f"{singular}s",
                "singular": singular,
                "shortNames": [kind.short],
                "categories": ["steelyard", "ml"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [*map(_column, kind.columns), *map(_wide_column, kind.wide)],
                    "schema": {"openAPIV3Schema": _root(kind)},
                }
            ],
        },
    }


def _root(kind: _Kind) -> Node:
    """The schema of the whole object; Kubernetes itself has that of metadata, the name aside."""
    name = {"type": "string", "maxLength": 253, "description": kind.metadata.model_fields["name"].description}
    return {
        "type": "object",
        "description": kind.whole.__doc__,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"The version of the schema: {API_VERSION}."},
            "kind": {"type": "string", "description": f"The kind of the object: {kind.name}."},
            "metadata": {"type": "object", "properties": {"name": name}},
            "spec": structural_schema(kind.spec, "spec", RULES),
            "status": structural_schema(kind.status, "status", RULES, says_bounds=False),
        },
        "x-kubernetes-validations": [rule.to_json() for rule in RULES[kind.name]],
    }


def _column(column: _Column) -> Node:
    heading, kind, path = column
    return {"name": heading, "type": kind, "jsonPath": path}


def _wide_column(column: _Column) -> Node:
    return {**_column(column), "priority": 1}


def files() -> dict[str, str]:
    """The text of each file, by its name."""
    texts = {}
    for crd in (training_job_crd(), tuning_job_crd()):
        name = f"{crd['metadata']['name']}.yaml"
        texts[name] = _HEADER + yaml.dump(crd, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
        if (size := stored_bytes(crd)) > LIMIT_BYTES:
            raise ValueError(
                f"{name} has {size:,} bytes; for the sake of kubectl apply at most {LIMIT_BYTES:,} are allowed"
            )
    return texts


def stored_bytes(crd: Mapping[str, Any]) -> int:
    """The size of what `kubectl apply` keeps of an object in its annotation, in bytes."""
    return len(json.dumps(crd, separators=(",", ":"), ensure_ascii=False).encode())


class _Dumper(yaml.SafeDumper):
    """YAML without anchors, which nobody wants to read in a schema."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def main(folders: Sequence[str]) -> None:
    """Writes the files into each folder, which is made where there is none."""
    for folder in map(Path, folders):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files().items():
            (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
