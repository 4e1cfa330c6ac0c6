"""`python -m steelyard.api.crd FOLDER...` writes the CRDs into each folder. Imports the api only."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from steelyard.api.crd_rules import RULES
from steelyard.api.crd_schema import structural_schema
from steelyard.api.schema import Node
from steelyard.api.status import TrainingJobStatus
from steelyard.api.training_job import API_VERSION, Metadata, TrainingJob, TrainingJobSpec

GROUP, VERSION = API_VERSION.split("/")

LIMIT_BYTES = 262_144
"""What `kubectl apply` can keep of an object in its annotation."""

_HEADER = "# Made by `make generate` from operator/steelyard/api; a test checks that it is up to date.\n"

# Heading, type, where it lies; what follows the age is shown by `-o wide` only.
_COLUMNS = [
    ("Phase", "string", ".status.phase"),
    ("Progress", "string", ".status.progress"),
    ("Metric", "string", ".status.metric"),
    ("Size", "string", ".status.size"),
    ("Age", "date", ".metadata.creationTimestamp"),
]
_WIDE_COLUMNS = [
    ("Workers", "integer", ".spec.training.workers"),
    ("Chosen", "string", ".status.model.chosen"),
    ("Published", "string", ".status.model.published[0]"),
    ("Reason", "string", '.status.conditions[?(@.type=="Failed")].reason'),
]


def training_job_crd() -> Node:
    """The CustomResourceDefinition of TrainingJob."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"trainingjobs.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": "TrainingJob",
                "listKind": "TrainingJobList",
                "plural": "trainingjobs",
                "singular": "trainingjob",
                "shortNames": ["tj"],
                "categories": ["steelyard", "ml"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [*map(_column, _COLUMNS), *map(_wide_column, _WIDE_COLUMNS)],
                    "schema": {"openAPIV3Schema": _root()},
                }
            ],
        },
    }


def _root() -> Node:
    """The schema of the whole object; Kubernetes itself has that of metadata, the name aside."""
    name = {"type": "string", "maxLength": 253, "description": Metadata.model_fields["name"].description}
    return {
        "type": "object",
        "description": TrainingJob.__doc__,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"The version of the schema: {API_VERSION}."},
            "kind": {"type": "string", "description": "The kind of the object: TrainingJob."},
            "metadata": {"type": "object", "properties": {"name": name}},
            "spec": structural_schema(TrainingJobSpec, "spec", RULES),
            "status": structural_schema(TrainingJobStatus, "status", RULES, says_bounds=False),
        },
        "x-kubernetes-validations": [rule.to_json() for rule in RULES["TrainingJob"]],
    }


def _column(column: tuple[str, str, str]) -> Node:
    heading, kind, path = column
    return {"name": heading, "type": kind, "jsonPath": path}


def _wide_column(column: tuple[str, str, str]) -> Node:
    return {**_column(column), "priority": 1}


def files() -> dict[str, str]:
    """The text of each file, by its name."""
    texts = {}
    for crd in (training_job_crd(),):
        name = f"{crd['metadata']['name']}.yaml"
        texts[name] = _HEADER + yaml.dump(crd, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
        if (size := len(texts[name].encode())) >= LIMIT_BYTES:
            raise ValueError(f"{name} has {size:,} bytes, but kubectl apply takes less than {LIMIT_BYTES:,}")
    return texts


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
