"""Jobs and searches that several tests look at when they are over. Most of their time is waiting: all begin at once.

Fixtures of the session: `under_way` begins all of them; a test that is run alone begins only its own. Imports the
cluster's tools and the conformance cases.
"""

import itertools
import json
import os
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
import yaml
from cluster.binaries import binary
from cluster.kubectl import Kubectl, fresh_namespace
from conformance_cases import CASES, CLAIM_FILES
from release import ROOT

from steelyard import __version__

if TYPE_CHECKING:
    from conftest import Cluster

EXAMPLES = ROOT / "examples"
KIND = ROOT / "tests" / "kind"
TRAINER = f"steelyard.dev/trainer:{__version__}"

# The files come by an environment variable: the restricted level has no other simple way onto a claim.
_WRITE_FILES = """
import json, os, pathlib
for claim, files in json.loads(os.environ["FILES"]).items():
    for name, text in files.items():
        path = pathlib.Path("/claims", claim, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
"""


LONG_EPOCHS = 400
"""So many that a training is still under way when things happen to it."""

Forests: TypeAlias = dict[tuple[str, int], tuple[Kubectl, Path]]
"""Where searches are, and their manifests; by placement and the number of trials at a time."""


def long_job(name: str, **spec: Any) -> dict[str, Any]:
    """Digits, trained by two workers for long, with a checkpoint every second, published nowhere."""
    return {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": name},
        "spec": {
            "dataset": {"uri": "sklearn:digits", "target": "target"},
            "model": {"mlp": {"hiddenUnits": [32]}},
            "training": {"workers": 2, "epochs": LONG_EPOCHS, "checkpoint": {"everySeconds": 1}},
            "publish": [],
            "template": {
                "terminationGracePeriodSeconds": 30,
                "resources": {"train": {"requests": {"cpu": "300m", "memory": "1Gi"}, "limits": {"cpu": "1"}}},
            },
            **spec,
        },
    }


def claim(name: str, storage: str = "1Gi") -> dict[str, Any]:
    """A claim of the default class."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}},
    }


def pod_spec(program: str, *claims: str, **environment: str) -> dict[str, Any]:
    """A pod of the restricted level, of the user whom the jobs run as. Its container `trainer` runs a Python program,
    which finds each claim at /claims/NAME."""
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "trainer",
                "image": TRAINER,
                "imagePullPolicy": "IfNotPresent",
                "command": ["python3", "-u", "-c", textwrap.dedent(program)],
                "env": [{"name": name, "value": value} for name, value in environment.items()],
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [{"name": name, "mountPath": f"/claims/{name}"} for name in claims],
            }
        ],
        "volumes": [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims],
    }


@dataclass(frozen=True)
class KindTest:
    """tests/kind/test at work: it applies examples/digits/."""

    namespace: Kubectl
    process: "subprocess.Popen[bytes]"
    output: Path
    """The file with what it says."""
    errors: Path


@pytest.fixture(scope="session")
def under_way(
    conformance_jobs: Kubectl,
    kind_test: KindTest,
    digits_search_there: Kubectl,
    forests_there: Forests,
    small_there: Kubectl,
) -> None:
    """All of them.

    Not more jobs of two workers than these: where each of several has the room for one, none can go on.
    """


@contextmanager
def restricted(cluster: "Cluster") -> Iterator[Kubectl]:
    """kubectl in a namespace which enforces the restricted Pod Security level."""
    with fresh_namespace(cluster.kubectl, **{"pod-security.kubernetes.io/enforce": "restricted"}) as namespace:
        yield namespace


@pytest.fixture(scope="session")
def digits_search_there(cluster: "Cluster", operator: str) -> Iterator[Kubectl]:  # noqa: ARG001
    """A namespace to which examples/digits-search/ was applied, with the claim that its model goes to."""
    with restricted(cluster) as namespace:
        namespace("apply", f"--filename={EXAMPLES / 'digits' / 'claim.yaml'}")
        namespace("apply", f"--filename={EXAMPLES / 'digits-search' / 'tuning-job.yaml'}")
        yield namespace


@pytest.fixture(scope="session")
def small_there(cluster: "Cluster", operator: str) -> Iterator[Kubectl]:  # noqa: ARG001
    """A namespace with the job `small`, whose workspace goes with its end; but the pod `watches` has it mounted."""
    small = long_job(
        "small",
        model={"randomForest": {"nEstimators": 5}},
        training={},
        publish=[{"uri": "pvc://models/small"}],
        workspace={"retain": "Never", "retainSeconds": 0},
    )
    watches = pod_spec("import time; time.sleep(3600)", "small-workspace")
    with restricted(cluster) as namespace:
        namespace.create(
            claim("models"),
            # It waits for its claim.
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "watches"}, "spec": watches},
            small,
        )
        yield namespace


@pytest.fixture(scope="session")
def kind_test(
    cluster: "Cluster",
    operator: str,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[KindTest]:
    """tests/kind/test upon this cluster, which to it is one of kind; its namespace is of the restricted level."""
    namespace, level = cluster.kubectl.within("default"), "pod-security.kubernetes.io/enforce"
    folder = tmp_path_factory.mktemp("kind")
    kubeconfig = folder / "kubeconfig"
    shutil.copy(cluster.kubeconfig, kubeconfig)
    context = cluster.kubectl("config", "current-context").strip()
    config = ["config", f"--kubeconfig={kubeconfig}", "rename-context", context, "kind-steelyard"]
    subprocess.run([binary("kubectl"), *config], check=True, stdout=subprocess.DEVNULL)
    path = os.pathsep.join([*(str(binary(tool).parent) for tool in ("kubectl", "helm")), os.environ["PATH"]])
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "PATH": path}
    # Its output goes to files: nobody reads while it is at work.
    output, errors = folder / "output", folder / "errors"
    cluster.kubectl("label", "namespace", "default", f"{level}=restricted")
    with output.open("w") as out, errors.open("w") as err:
        process = subprocess.Popen([KIND / "test"], cwd=folder, env=environment, stdout=out, stderr=err)
    try:
        yield KindTest(namespace, process, output, errors)
    finally:
        process.kill()
        process.wait()
        namespace("delete", "--ignore-not-found", f"--filename={EXAMPLES / 'digits'}")
        cluster.kubectl("label", "namespace", "default", f"{level}-")


def forests(folder: Path, placement: str, parallel_trials: int) -> Path:
    """The manifest of a search over six small forests on digits, some of which are given up between folds."""
    document = yaml.safe_load((EXAMPLES / "forest-search" / "tuning-job.yaml").read_text())
    spec = document["spec"]
    forest = "model.randomForest"
    spec["parameters"] = [
        {"path": f"{forest}.nEstimators", "type": "Int", "min": 5, "max": 20},
        {"path": f"{forest}.maxDepth", "type": "Categorical", "values": [None, 2, 8]},
        {"path": f"{forest}.maxFeatures", "type": "Double", "min": 0.05, "max": 0.5},
    ]
    spec["algorithm"] = {"name": "TPE", "startupTrials": 2, "seed": 1}
    spec["pruning"] = {"name": "PairedFolds"}
    spec |= {"placement": placement, "maxTrials": 6, "parallelTrials": parallel_trials}
    spec["template"]["publish"] = []
    manifest = folder / "tuning-job.yaml"
    manifest.write_text(yaml.safe_dump(document))
    return manifest


@pytest.fixture(scope="session")
def forests_there(
    cluster: "Cluster",
    operator: str,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Forests]:
    """The forests' searches on the cluster, each in a namespace of its own."""
    with ExitStack() as stack:
        searches = {}
        for placement, parallel_trials in itertools.product(("Packed", "Pods"), (1, 2)):
            namespace = stack.enter_context(restricted(cluster))
            manifest = forests(tmp_path_factory.mktemp("there"), placement, parallel_trials)
            namespace.create(manifest.read_text())
            searches[placement, parallel_trials] = namespace, manifest
        yield searches


@pytest.fixture(scope="session")
def conformance_jobs(cluster: "Cluster", operator: str) -> Iterator[Kubectl]:  # noqa: ARG001
    """A namespace where the jobs of all conformance cases are."""
    with restricted(cluster) as namespace:
        writes = pod_spec(_WRITE_FILES, *CLAIM_FILES, FILES=json.dumps(CLAIM_FILES))
        namespace.create(
            *(claim(name, storage="100Mi") for name in CLAIM_FILES),
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "writer"}, "spec": writes},
        )
        namespace.wait_for("pod", "writer", lambda pod: pod["status"]["phase"] == "Succeeded", seconds=300)
        namespace.create(*(case.manifest for case in CASES))
        yield namespace
