"""Searches on the real cluster, beside the same searches on this machine: the same trials, and a published model."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster.kubectl import Kubectl
from cluster.real import RealCluster
from test_digits import steelyard
from test_faults import wait_until
from training_jobs import condition, is_over
from under_way import EXAMPLES, Forests, forests, restricted

from steelyard.api.tuning_job import TuningJobSpec
from steelyard.search.log import Entry


def run_here(manifest: Path) -> list[Entry]:
    """The log of the search on this machine."""
    steelyard("run", str(manifest))
    name = yaml.safe_load(manifest.read_text())["metadata"]["name"]
    return log_of(json.loads((manifest.parent / ".steelyard" / name / "search.json").read_text()))


def log_of(document: dict[str, Any]) -> list[Entry]:
    """The entries of a document with a spec and a log."""
    spec = TuningJobSpec.model_validate(document["spec"])
    return [Entry.decode(line, spec.parameters) for line in document["log"]]


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


def test_the_digits_network_is_searched_pruned_and_published(digits_search_there: Kubectl, tmp_path: Path) -> None:
    namespace = digits_search_there
    manifest = Path(shutil.copy(EXAMPLES / "digits-search" / "tuning-job.yaml", tmp_path))
    job = namespace.wait_for("tuningjob", "digits-search", is_over, seconds=900)
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
    forests_there: Forests,
    forests_here: Callable[[int], list[Entry]],
) -> None:
    namespace, manifest = forests_there[placement, parallel_trials]
    check_forests(namespace, manifest, forests_here)


@dataclass
class Killed:
    """A search whose operator was killed."""

    namespace: Kubectl
    manifest: Path
    due: list[int]
    """The numbers of answers at which that is still to happen."""
    processes: int = 0
    """How many of the operator were killed while it was under way."""
    answers: list[int] = field(default_factory=list)
    """How many the search had after each time."""


@pytest.fixture(scope="module")
def killed(
    own_cluster: RealCluster,
    operator: str,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Killed]]:
    """Searches side by side, by placement, whose operator was killed when each began, had an answer, and had three."""
    with ExitStack() as stack:
        searches = {}
        for placement in ("Packed", "Pods"):
            namespace = stack.enter_context(restricted(own_cluster))
            manifest = forests(tmp_path_factory.mktemp("killed"), placement, 2)
            namespace.create(manifest.read_text())
            searches[placement] = Killed(namespace, manifest, [0, 1, 3])

        def is_done() -> bool:
            kill_where_due(own_cluster, list(searches.values()))
            return not any(search.due for search in searches.values())

        wait_until("each search has had three answers", is_done, seconds=900)
        yield searches


def kill_where_due(cluster: RealCluster, searches: list[Killed]) -> None:
    """Kills the operator once where one of the searches has come so far."""
    due = [
        search
        for search in searches
        if search.due and answers(search.namespace.get("tuningjob", "forest-search")) >= search.due[0]
    ]
    processes = kill_operator(cluster) if due else 0
    for search in searches:
        # It is the operator of both. One that is still on its way up from the last time can't be killed.
        if search.due:
            search.processes += processes
    for search in due:
        search.due.pop(0)
        search.answers.append(answers(search.namespace.get("tuningjob", "forest-search")))


@pytest.mark.parametrize("placement", ["Packed", "Pods"])
def test_an_operator_that_is_killed_goes_on_with_the_search(
    killed: dict[str, Killed], placement: str, forests_here: Callable[[int], list[Entry]]
) -> None:
    search = killed[placement]
    assert search.processes >= 2
    assert len(search.answers) == 3 and max(search.answers) < 6
    check_forests(search.namespace, search.manifest, forests_here)
