"""The pod that reads a claim for `fetch`: how it looks, when it runs, that it is removed. Imports kube, api."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from steelyard.api.errors import ConfigurationError, SteelyardError
from steelyard.client.connection import Connection
from steelyard.client.errors import explained
from steelyard.client.patience import patiently
from steelyard.client.waiting import waits_for
from steelyard.kube import ApiError, ConnectionFailedError, path_of
from steelyard.kube.errors import Object
from steelyard.kube.names import CONTAINER

CLAIM_FOLDER = "/steelyard/claim"
READER = "reader"
LIFETIME_SECONDS = 3600
"""After which the pod ends by itself, where nobody could remove it."""
_POLL_SECONDS = 0.5
# What the pods of a stage are given by the operator's settings and the job's template, and a reader needs as well.
_SHARED_FIELDS = (
    "imagePullSecrets",
    "nodeSelector",
    "runtimeClassName",
    "securityContext",
    "serviceAccountName",
    "tolerations",
)


def template_like_a_stages(given: Object, image: str) -> Object:
    """The `spec` of a stage's pods as far as the job itself says it; the image's own user where it names none.

    Args:
        given: `spec.template` of a TrainingJob.
        image: the trainer's.
    """
    shared = {field: given[field] for field in _SHARED_FIELDS if field in given}
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, **given.get("securityContext", {})}
    container = {
        "name": CONTAINER,
        "image": image,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    if "imagePullPolicy" in given:
        container["imagePullPolicy"] = given["imagePullPolicy"]
    return {**shared, "securityContext": security, "containers": [container]}


@dataclass(frozen=True)
class Reader:
    """What a reader pod is made of."""

    job: str
    namespace: str
    claim: str
    template: Object
    """The `spec` of the pods of the job's last stage, whose user wrote what is read."""
    affinity: Object | None
    """The user's own; that of the stages holds them together, where nothing runs any more."""
    image: str | None = None
    """Default: that of the stage's container."""

    def manifest(self) -> Object:
        """The pod, within the restricted Pod Security level."""
        container = next(each for each in self.template["containers"] if each["name"] == CONTAINER)
        spec: dict[str, Any] = {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "activeDeadlineSeconds": LIFETIME_SECONDS,
            # `sleep` does not listen to SIGTERM.
            "terminationGracePeriodSeconds": 1,
            **{field: self.template[field] for field in _SHARED_FIELDS if field in self.template},
            "containers": [
                {
                    "name": READER,
                    "image": self.image or container["image"],
                    "imagePullPolicy": container.get("imagePullPolicy", "IfNotPresent"),
                    "command": ["sleep", str(LIFETIME_SECONDS)],
                    "resources": {
                        "requests": {"cpu": "50m", "memory": "64Mi"},
                        "limits": {"cpu": "1", "memory": "256Mi"},
                    },
                    "securityContext": container["securityContext"],
                    "volumeMounts": [{"name": "claim", "mountPath": CLAIM_FOLDER, "readOnly": True}],
                }
            ],
            "volumes": [{"name": "claim", "persistentVolumeClaim": {"claimName": self.claim}}],
        }
        if self.affinity:
            spec["affinity"] = self.affinity
        labels = {
            "app.kubernetes.io/name": "steelyard",
            "app.kubernetes.io/managed-by": "steelyard-client",
            "app.kubernetes.io/component": "fetch",
            "app.kubernetes.io/instance": self.job,
        }
        metadata = {"generateName": f"{self.job}-fetch-", "namespace": self.namespace, "labels": labels}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@contextmanager
def running(connection: Connection, reader: Reader, timeout: float, on_waiting: Callable[[str], None]) -> Iterator[str]:
    """A reader pod that runs; its name. It is removed at the end, whatever happens.

    Args:
        connection: to the cluster.
        reader: what it is made of.
        timeout: seconds that it may take to start.
        on_waiting: is told what it waits for, whenever that changes.

    Raises:
        SteelyardError: it can't be made, or does not start; with the words of the scheduler or the kubelet.
    """
    with explained(reader.namespace):
        pod = connection.request("POST", path_of("pods", reader.namespace), reader.manifest())
    name = str(pod["metadata"]["name"])
    path = path_of("pods", reader.namespace, name)
    try:
        _wait_until_running(connection, path, pod, timeout, on_waiting)
        yield name
    finally:
        # What went wrong is said already, and the pod ends by itself.
        with suppress(ApiError, ConnectionFailedError):
            connection.request("DELETE", path)


def _wait_until_running(
    connection: Connection, path: str, pod: Object, timeout: float, on_waiting: Callable[[str], None]
) -> None:
    until = time.monotonic() + timeout
    said = ""
    while pod["status"].get("phase") != "Running":
        words, is_hopeless = waits_for(pod)
        if words != said:
            on_waiting(words)
            said = words
        is_late = time.monotonic() > until
        if is_hopeless or is_late:
            after = f" within {timeout:g} s" if is_late else ""
            why = "; ".join([words, *_warnings(connection, pod)])
            if "executable file not found" in why:
                why += "; its image must have `sleep` and `tar`: name another one with --image"
            raise ConfigurationError(
                f"the pod {pod['metadata']['name']}, which is to read the claim, did not start{after}: {why}",
                reason="ReaderNotStarted",
            )
        time.sleep(_POLL_SECONDS)
        pod = patiently(lambda: _get(connection, path))


def _get(connection: Connection, path: str) -> Object:
    with explained(""):
        try:
            return connection.request("GET", path)
        except ApiError as error:
            if error.status != 404:
                raise
    raise SteelyardError(
        f"the pod {path.rpartition('/')[2]}, which was to read the claim, was removed by somebody else; try again",
        reason="ReaderNotStarted",
        exit_code=75,
    )


def _warnings(connection: Connection, pod: Object) -> list[str]:
    """The newest warning about a pod, such as of a volume that can't be mounted: it is nowhere else."""
    query = {"fieldSelector": f"involvedObject.uid={pod['metadata']['uid']},type=Warning"}
    try:
        events = connection.request("GET", path_of("events", pod["metadata"]["namespace"]), query=query)["items"]
    except (ApiError, ConnectionFailedError):
        return []
    events.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    return [f"{event['reason']}: {event['message']}" for event in events[-1:]]
