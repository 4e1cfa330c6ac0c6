"""Searches on the real cluster, beside the same searches on this machine: the same trials, and a published model."""

import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from cluster.kubectl import Kubectl, fresh_namespace
from cluster.real import RealCluster
from test_digits import ROOT, steelyard
from training_jobs import condition, is_over

from steelyard.api.tuning_job import TuningJobSpec
from steelyard.search.log import Entry

if TYPE_CHECKING:
    from conftest import Cluster

EXAMPLES = ROOT / "examples"

pytestmark = pytest.mark.usefixtures("operator")


def run_here(manifest: Path) -> list[Entry]:
    """The log of the search on this machine."""
    steelyard("run", str(manifest))
    name = yaml.safe_load(manifest.read_text())["metadata"]["name"]
    return log_of(json.loads((manifest.parent / ".steelyard" / name / "search.json").read_text()))


def log_of(document: dict[str, Any]) -> list[Entry]:
    """The entries of a document with a spec and a log."""
    spec = TuningJobSpec.model_validate(document["spec"])
    return [Entry.decode(line, spec.parameters) for line in document["log"]]


def search_on(namespace: Kubectl, manifest: Path) -> dict[str, Any]:
    """The TuningJob when it is over."""
    document = yaml.safe_load(manifest.read_text())
    namespace.create(document)
    return namespace.wait_for("tuningjob", document["metadata"]["name"], is_over, seconds=900)


def same_trials(one: list[Entry], other: list[Entry]) -> None:
    """Raises AssertionError where two logs differ: values and states at all, figures by more than 1e-6."""
    assert [(entry.number, entry.values, entry.state) for entry in one] == [
        (entry.number, entry.values, entry.state) for entry in other
    ]
    for mine, yours in zip(one, other, strict=True):
        assert mine.value == pytest.approx(yours.value, abs=1e-6)
        assert [step for step, _ in mine.steps] == [step for step, _ in yours.steps]
        assert [value for _, value in mine.steps] == pytest.approx([value for _, value in yours.steps], abs=1e-6)


def same_model(one: Path, other: Path) -> None:
    """Raises AssertionError where two published models differ in their search, or in their figures by more than 1e-6;
    how fast they are depends on the machine."""
    searches = [json.loads((folder / "search.json").read_text()) for folder in (one, other)]
    same_trials(*map(log_of, searches))
    assert searches[0]["ended"] == searches[1]["ended"]
    mine, yours = (json.loads((folder / "steelyard.json").read_text()) for folder in (one, other))
    assert mine["choice"]["chosen"] == yours["choice"]["chosen"]
    assert mine["metrics"].keys() == yours["metrics"].keys()
    for part, metrics in mine["metrics"].items():
        for name, metric in metrics.items():
            assert metric["value"] == pytest.approx(yours["metrics"][part][name]["value"], abs=1e-6), (part, name)


@pytest.mark.usefixtures("forests_there")
def test_the_digits_network_is_searched_pruned_and_published(namespace: Kubectl, tmp_path: Path) -> None:
    namespace("apply", f"--filename={EXAMPLES / 'digits' / 'claim.yaml'}")
    manifest = Path(shutil.copy(EXAMPLES / "digits-search" / "tuning-job.yaml", tmp_path))
    job = search_on(namespace, manifest)
    status = job["status"]
    print(json.dumps(status, indent=2))
    print(namespace("get", "tuningjobs,trainingjobs"))
    assert condition(job, "Complete").get("status") == "True", status
    entries = log_of({"spec": job["spec"], "log": status["log"]})
    assert len(entries) == 6
    assert any(entry.state == "Pruned" for entry in entries)
    prepares = [
        child["metadata"]["name"]
        for child in namespace.list("jobs")
        if child["metadata"]["labels"].get("steelyard.dev/stage") == "prepare"
    ]
    assert prepares == ["digits-search-data-prepare"]
    assert status["model"]["published"] == ["pvc://models/digits-search"]
    steelyard(
        "fetch",
        "digits-search",
        str(tmp_path / "model"),
        f"--namespace={namespace.namespace}",
        KUBECONFIG=str(namespace.kubeconfig),
    )
    steelyard("verify", str(tmp_path / "model"), f"--digest={status['model']['digest']}")
    assert (tmp_path / "model" / "search.html").is_file()
    same_trials(entries, run_here(manifest))
    same_model(tmp_path / "model", tmp_path / "claims" / "models" / "digits-search")


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


def answers(job: dict[str, Any]) -> int:
    """How many trials a search's log has."""
    return len(job.get("status", {}).get("log", ()))


def kill_operator(cluster: RealCluster) -> int:
    """SIGKILL; the number of processes that got it."""
    kubectl, killed = cluster.kubectl.within("steelyard-system"), 0
    for pod in kubectl.list("pods", "app.kubernetes.io/component=operator"):
        for container in pod["status"].get("containerStatuses", ()):
            if "running" in container["state"]:
                number = container["containerID"].removeprefix("containerd://")
                cluster.nodes[0].ctr("tasks", "kill", "--signal=SIGKILL", number)
                killed += 1
        # Another pod takes its place at once; the same one would be started later after each crash.
        kubectl("delete", "pod", pod["metadata"]["name"], "--force", "--grace-period=0", "--wait=false")
    return killed


@pytest.fixture(scope="module")
def forests_there(
    cluster: "Cluster",
    operator: str,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[tuple[str, int], tuple[Kubectl, Path]]]:
    """The forests' searches on the cluster, all at once, each in a namespace of its own; by placement and the number of
    trials at a time. They take longer than they compute."""
    with ExitStack() as stack:
        searches = {}
        for placement, parallel_trials in itertools.product(("Packed", "Pods"), (1, 2)):
            labels = {"pod-security.kubernetes.io/enforce": "restricted"}
            namespace = stack.enter_context(fresh_namespace(cluster.kubectl, **labels))
            manifest = forests(tmp_path_factory.mktemp("there"), placement, parallel_trials)
            namespace.create(manifest.read_text())
            searches[placement, parallel_trials] = namespace, manifest
        yield searches


@pytest.fixture(scope="module")
def forests_here(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], list[Entry]]:
    """The log of the forests' search on this machine, by the number of trials at a time: wherever trials are placed,
    it is to be this one."""

    @cache
    def found(parallel_trials: int) -> list[Entry]:
        entries = run_here(forests(tmp_path_factory.mktemp("here"), "Packed", parallel_trials))
        assert {entry.state for entry in entries} == {"Complete", "Pruned"}
        return entries

    return found


def check_forests(namespace: Kubectl, manifest: Path, forests_here: Callable[[int], list[Entry]]) -> None:
    """Waits for the search's end; its log is bit for bit that of this machine, and nothing ran twice."""
    document = yaml.safe_load(manifest.read_text())
    job = namespace.wait_for("tuningjob", "forest-search", is_over, seconds=900)
    assert condition(job, "Complete").get("status") == "True", job["status"]
    entries = log_of({"spec": job["spec"], "log": job["status"]["log"]})
    here = forests_here(document["spec"]["parallelTrials"])
    same_trials(entries, here)
    assert [entry.value for entry in entries] == [entry.value for entry in here]
    packs = [child for child in namespace.list("jobs") if "-pack-" in child["metadata"]["name"]]
    trials = [job for job in namespace.list("trainingjobs") if job["metadata"]["name"].rpartition("-")[2].isdecimal()]
    rounds = 6 // document["spec"]["parallelTrials"]
    assert (len(packs), len(trials)) == ((rounds, 0) if document["spec"]["placement"] == "Packed" else (0, 6))
    # A pod that was started twice would have left a second one beside it.
    pods = [pod for pod in namespace.list("pods") if "-data" not in pod["metadata"]["name"]]
    assert len(pods) == len(packs) + len(trials)


@pytest.mark.parametrize("parallel_trials", [1, 2])
@pytest.mark.parametrize("placement", ["Packed", "Pods"])
def test_forests_have_the_same_trials_in_pods_in_packs_and_here(
    placement: str,
    parallel_trials: int,
    forests_there: dict[tuple[str, int], tuple[Kubectl, Path]],
    forests_here: Callable[[int], list[Entry]],
) -> None:
    namespace, manifest = forests_there[placement, parallel_trials]
    check_forests(namespace, manifest, forests_here)


@pytest.mark.parametrize("placement", ["Packed", "Pods"])
def test_an_operator_that_is_killed_goes_on_with_the_search(
    own_cluster: RealCluster,
    namespace: Kubectl,
    tmp_path: Path,
    placement: str,
    forests_here: Callable[[int], list[Entry]],
) -> None:
    manifest = forests(tmp_path, placement, 2)
    namespace.create(manifest.read_text())
    killed = 0
    for least in (0, 1, 3):
        namespace.wait_for("tuningjob", "forest-search", lambda job: answers(job) >= least, seconds=600)  # noqa: B023
        killed += kill_operator(own_cluster)
        assert answers(namespace.get("tuningjob", "forest-search")) < 6
    assert killed >= 2
    check_forests(namespace, manifest, forests_here)
