"""What is left of an API server where a test of the client or of its commands needs no more: objects by path."""

from collections.abc import Iterator, Mapping
from typing import Any

from steelyard.client import Client
from steelyard.kube import ApiError

SPEC = {
    "dataset": {"uri": "pvc://data/table.csv", "target": "label"},
    "model": {"linear": {}},
    "publish": [{"uri": "pvc://models/tiny"}],
}
SEARCH = {
    "objective": {"metric": "accuracy"},
    "parameters": [{"path": "training.batchSize", "type": "Int", "min": 8, "max": 64}],
    "maxTrials": 2,
    "template": SPEC,
}


def manifest(kind: str, name: str = "tiny") -> dict[str, Any]:
    spec = SPEC if kind == "TrainingJob" else SEARCH
    return {"apiVersion": "steelyard.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


class Server:
    """What is left of an API server: objects by path, all in one namespace."""

    namespace = "lab"

    def __init__(self, *, has_searches: bool = True) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.has_searches = has_searches

    def request(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        plural = next((part for part in path.split("/") if part.endswith("jobs")), "")
        self.asked.append(f"{method} {plural}")
        if plural == "tuningjobs" and not self.has_searches:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        if method == "POST":
            assert body is not None and query is not None
            name = f"{path}/{body['metadata']['name']}"
            if name in self.objects:
                raise ApiError(409, "AlreadyExists", "there is one")
            metadata = body["metadata"] | {"namespace": "lab", "uid": name}
            self.objects[name] = body | {"metadata": metadata}
            return self.objects[name]
        if path in self.objects:
            return self.objects.pop(path) if method == "DELETE" else self.objects[path]
        if path.endswith("jobs"):
            items = [self.objects[name] for name in sorted(self.objects) if name.startswith(f"{path}/")]
            return {"items": items, "metadata": {}}
        if path.endswith("/namespaces/lab"):
            return {}
        raise ApiError(404, "NotFound", f"{path} not found")

    def pages(self, path: str) -> Iterator[list[dict[str, Any]]]:
        yield self.request("GET", path)["items"]


def connected(server: Server) -> Client:
    return Client(server)  # type: ignore[arg-type]
