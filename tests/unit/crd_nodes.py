"""The CRDs as they are generated, node by node."""

from collections.abc import Iterator
from typing import Any

import pytest

from steelyard.schema.crd import training_job_crd, tuning_job_crd

Node = dict[str, Any]

VERSIONS = {
    "TrainingJob": training_job_crd()["spec"]["versions"][0],
    "TuningJob": tuning_job_crd()["spec"]["versions"][0],
}
EACH_KIND = pytest.mark.parametrize("kind", VERSIONS)


def nodes(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every part of a schema with its path; `[]` stands for the values of a list or map."""
    yield path, node
    for name, field in node.get("properties", {}).items():
        yield from nodes(field, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if inner in node:
            yield from nodes(node[inner], f"{path}[]")


NODES = {kind: dict(nodes(version["schema"]["openAPIV3Schema"])) for kind, version in VERSIONS.items()}
OURS = {
    kind: {path: node for path, node in found.items() if path.startswith((".spec", ".status"))}
    for kind, found in NODES.items()
}
