"""A provisioner of a few lines: for each claim of our two storage classes a folder, and a volume of type `local`.

Not hostPath: fsGroup is ignored there, and a pod that is not root can't write. Run as a program beside the cluster:
python -m cluster.provisioner KUBECONFIG [FOLDER]; without a folder (simulated nodes) the volumes have none.
"""

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster.api import Api, ApiError

NAME = "provisioner"
CLASSES = {"standard": "steelyard.test/local", "shared": "steelyard.test/shared"}
"""Storage class -> the name of its provisioner."""
SELECTED_NODE = "volume.kubernetes.io/selected-node"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
_VOLUMES = "/api/v1/persistentvolumes"
_CLAIMS = "/api/v1/persistentvolumeclaims"
_RETRY_SECONDS = 0.5

Object = dict[str, Any]


class Provisioner:
    """Makes a volume for each claim that waits for one, and removes those whose claim is gone."""

    def __init__(self, api: Api, folder: Path | None) -> None:
        self._api = api
        self._folder = folder

    def run(self) -> None:
        """Does so until the program ends."""
        volumes = threading.Thread(target=self._follow, args=(_VOLUMES, self.clean_up), daemon=True)
        volumes.start()
        self._follow(_CLAIMS, self.provide)

    def provide(self, claim: Object) -> None:
        """Makes the volume of a claim that has none yet and is ready for one."""
        spec, metadata = claim["spec"], claim["metadata"]
        kind = spec.get("storageClassName", "")
        node = metadata.get("annotations", {}).get(SELECTED_NODE)
        waits = "volumeName" not in spec and "deletionTimestamp" not in metadata
        if waits and kind in CLASSES and (kind == "shared" or node):
            volume = self._volume(claim, None if kind == "shared" else node)
            with _passing_over(409):
                self._api.request("POST", _VOLUMES, volume)

    def clean_up(self, volume: Object) -> None:
        """Removes a volume of ours and its folder, once its claim is gone."""
        ours = volume["metadata"].get("annotations", {}).get(PROVISIONED_BY) in CLASSES.values()
        if ours and volume.get("status", {}).get("phase") == "Released":
            if self._folder is not None:
                shutil.rmtree(volume["spec"]["local"]["path"], ignore_errors=True)
            with _passing_over(404):
                self._api.request("DELETE", f"{_VOLUMES}/{volume['metadata']['name']}")

    def _volume(self, claim: Object, node: str | None) -> Object:
        metadata, spec = claim["metadata"], claim["spec"]
        name = f"pvc-{metadata['uid']}"
        path = Path("/var/empty") / name
        if self._folder is not None:
            path = self._folder / name
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o755)
        label = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
        anywhere = {"key": "kubernetes.io/hostname", "operator": "Exists"}
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name, "annotations": {PROVISIONED_BY: CLASSES[spec["storageClassName"]]}},
            "spec": {
                "capacity": {"storage": spec["resources"]["requests"]["storage"]},
                "accessModes": spec["accessModes"],
                "persistentVolumeReclaimPolicy": "Delete",
                "storageClassName": spec["storageClassName"],
                "volumeMode": "Filesystem",
                "local": {"path": str(path)},
                "claimRef": {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    **{field: metadata[field] for field in ("name", "namespace", "uid")},
                },
                "nodeAffinity": {
                    "required": {"nodeSelectorTerms": [{"matchExpressions": [label if node else anywhere]}]}
                },
            },
        }

    def _follow(self, path: str, handle: Callable[[Object], None]) -> None:
        while True:
            try:
                for change, each in self._api.watch(path):
                    if change != "DELETED":
                        handle(each)
            except (OSError, ApiError) as error:
                print(f"{path}: {error}", file=sys.stderr, flush=True)
            time.sleep(_RETRY_SECONDS)


@contextmanager
def _passing_over(code: int) -> Iterator[None]:
    """Passes over an answer with this code."""
    try:
        yield
    except ApiError as error:
        if error.code != code:
            raise


def command(kubeconfig: Path, folder: Path | None) -> list[str]:
    """The command line of this program."""
    environment = ["env", f"PYTHONPATH={Path(__file__).parents[1]}"]
    arguments = [str(kubeconfig), *([str(folder)] if folder else [])]
    return [*environment, sys.executable, "-m", "cluster.provisioner", *arguments]


def main() -> None:
    """The program."""
    kubeconfig, *folder = map(Path, sys.argv[1:])
    Provisioner(Api(kubeconfig), folder[0] if folder else None).run()


if __name__ == "__main__":
    main()
