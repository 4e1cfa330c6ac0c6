"""What becomes of TuningJobs: searches that go well, and those that do not. All of them run side by side."""

import json
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from cluster.audit import AuditLog
from cluster.kubectl import Kubectl
from cluster.simulation import SimulatedCluster
from operator_support import Operated, operated, simulated
from training_jobs import condition
from tuning_support import (
    DROPOUT,
    FOREST,
    FOREST_GRID,
    UNITS,
    answered,
    asked,
    completed,
    ended,
    log_of,
    tuning_job,
    wait,
)

from steelyard.api.tuning_status import TuningJobStatus
from steelyard.search.log import SearchDocument

USER = "operator-of-searches"
TWO_BY_TWO: dict[str, Any] = {
    "parameters": [
        {"path": "model.mlp.dropout", "type": "Categorical", "values": [0.0, 0.5]},
        {"path": "model.mlp.hiddenUnits.0", "type": "Categorical", "values": [16, 32]},
    ],
    "algorithm": {"name": "Grid"},
    "maxTrials": 4,
}

GOOD = {
    "random": tuning_job("random"),
    "pruned": tuning_job("pruned", pruning={"name": "Median", "startupTrials": 2}, maxTrials=10),
    "some-fail": tuning_job("some-fail", template={"template": simulated("50ms", fail_trials="1 3")}),
    "two-by-two": tuning_job("two-by-two", **TWO_BY_TWO),
    "packed": tuning_job("packed", template=FOREST, placement="Packed", **FOREST_GRID),
    "auto": tuning_job("auto", template=FOREST, placement="Auto", **FOREST_GRID),
    "alone": tuning_job("alone", template=FOREST, placement="Pods", **{**FOREST_GRID, "maxTrials": 3}),
    "asynchronous": tuning_job("asynchronous", asynchronous=True, algorithm={"name": "TPE", "startupTrials": 2}),
    "unpublished": tuning_job("unpublished", template={"publish": []}, maxTrials=2),
}
BAD = {
    "too-many-fail": (
        tuning_job("too-many-fail", template={"template": simulated("50ms", fail_trials="0 1")}, maxFailedTrials=1),
        "TooManyFailedTrials",
    ),
    "bad-data": (
        tuning_job("bad-data", template={"template": simulated("50ms", exit_code="65", fail_stage="prepare")}),
        "InvalidData",
    ),
    "bad-model": (
        tuning_job("bad-model", template={"template": simulated("50ms", exit_code="10", fail_stage="finish")}),
        "GateFailed",
    ),
    "late": (tuning_job("late", "1h", runPolicy={"activeDeadlineSeconds": 5}), "DeadlineExceeded"),
    "warm-of-none": (tuning_job("warm-of-none", warmStart={"tuningJob": "nothing"}), "SourceNotFound"),
}


@pytest.fixture(scope="module")
def operator(
    control_plane: SimulatedCluster, log: AuditLog, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operated]:
    """An operator that all searches were given to."""
    assert log.path == control_plane.audit.path
    with operated(control_plane, tmp_path_factory.mktemp("operator"), USER) as operator:
        (namespace,) = operator.namespaces
        namespace.create(*GOOD.values(), *(manifest for manifest, _ in BAD.values()))
        yield operator


@pytest.fixture(scope="module")
def namespace(operator: Operated) -> Kubectl:
    """kubectl where the searches are."""
    (namespace,) = operator.namespaces
    return namespace


def children(namespace: Kubectl, job: dict[str, Any], kind: str = "trainingjob") -> dict[str, dict[str, Any]]:
    """The objects of a kind that a search controls, by name."""
    uid = job["metadata"]["uid"]
    found = namespace.list(kind, f"steelyard.dev/tuning-job={job['metadata']['name']}")
    own = [each for each in found if any(owner["uid"] == uid for owner in each["metadata"].get("ownerReferences", []))]
    return {each["metadata"]["name"]: each for each in own}


def reasons(namespace: Kubectl, job: dict[str, Any]) -> set[str]:
    """Of a search's Events."""
    uid = job["metadata"]["uid"]
    return {event["reason"] for event in namespace.list("events") if event["involvedObject"]["uid"] == uid}


# --- searches that go well --------------------------------------------------------------------------------------------


def test_a_search_runs_its_trials_and_publishes_the_best(namespace: Kubectl) -> None:
    job = completed(namespace, "random")
    status = TuningJobStatus.model_validate(job["status"])
    entries = log_of(job)
    assert [(entry.number, entry.state) for entry in entries] == [(number, "Complete") for number in range(6)]
    assert len({value for _, value in asked(job)}) == 6
    best = max(entries, key=lambda entry: entry.value or 0.0)
    assert status.best is not None and (status.best.trial, status.best.value) == (best.number, best.value)
    assert (status.phase, status.progress, status.size) == ("Complete", "6/6", "94 kB")
    assert (status.trials.created, status.trials.complete, status.trials.running) == (6, 6, 0)
    kinds = ["Prepared", "Searched", "Published", "Complete"]
    assert [each.type for each in status.conditions if each.status == "True"] == kinds
    assert status.model is not None and status.model.chosen == "Int8"
    assert reasons(namespace, job) >= {"SearchStarted", "Prepared", "NewBest", "SearchEnded", "Complete"}


def test_trials_are_training_jobs_of_one_stage_upon_data_that_was_prepared_once(namespace: Kubectl) -> None:
    job = completed(namespace, "random")
    made = children(namespace, job)
    trials = [f"random-{number}" for number in range(6)]
    assert made.keys() == {"random-data", "random-best", *trials}
    assert [stage["name"] for stage in made["random-data"]["status"]["stages"]] == ["prepare"]
    for name in trials:
        spec, status = made[name]["spec"], made[name]["status"]
        assert spec["dataset"]["uri"] == "pvc://random-workspace/random-data/prepared"
        assert [stage["name"] for stage in status["stages"]] == ["train"]
        assert status["trial"]["number"] == int(name.rpartition("-")[2])
    assert [stage["name"] for stage in made["random-best"]["status"]["stages"]] == ["finish"]
    best = job["status"]["best"]["trial"]
    assert made["random-best"]["spec"]["trained"]["uri"] == f"pvc://random-workspace/random-{best}/trained"


def test_the_best_model_is_published_with_the_search(namespace: Kubectl) -> None:
    job = completed(namespace, "random")
    (search,) = [each for name, each in children(namespace, job, "configmap").items() if "search" in name]
    document = SearchDocument.from_json(json.loads(search["data"]["search.json"]))
    assert document.entries == tuple(log_of(job)) and document.ended == "Succeeded"
    pod = namespace.get("job", "random-best-finish")["spec"]["template"]["spec"]
    (variable,) = [each for each in pod["containers"][0]["env"] if each["name"] == "STEELYARD_SEARCH_FILE"]
    (volume,) = [each for each in pod["volumes"] if each["name"] == "search"]
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "search"]
    assert variable["value"] == f"{mount['mountPath']}/search.json"
    assert volume["configMap"]["name"] == search["metadata"]["name"]


def test_a_pruned_trial_is_complete_and_says_so(namespace: Kubectl) -> None:
    job = completed(namespace, "pruned")
    states = Counter(entry.state for entry in log_of(job))
    assert states["Pruned"] > 0 and states["Complete"] > 0 and states["Failed"] == 0
    assert job["status"]["trials"]["pruned"] == states["Pruned"]
    number = next(entry.number for entry in log_of(job) if entry.state == "Pruned")
    trial = namespace.get("trainingjob", f"pruned-{number}")
    assert condition(trial, "Complete")["reason"] == "Pruned"
    assert trial["spec"]["trial"]["limits"]


def test_trials_that_fail_are_borne(namespace: Kubectl) -> None:
    job = completed(namespace, "some-fail")
    failed = [entry for entry in log_of(job) if entry.state == "Failed"]
    assert [entry.number for entry in failed] == [1, 3]
    assert failed[0].reason.startswith("InvalidData: simulated")
    assert job["status"]["trials"]["failed"] == 2


def test_a_grid_is_worked_off_in_its_order(namespace: Kubectl) -> None:
    job = completed(namespace, "two-by-two")
    values = [tuple(entry.values.values()) for entry in log_of(job)]
    assert values == [(0.0, 16), (0.0, 32), (0.5, 16), (0.5, 32)]


def test_an_asynchronous_search_says_what_each_trial_knew(namespace: Kubectl) -> None:
    entries = log_of(completed(namespace, "asynchronous"))
    assert [entry.number for entry in entries] == list(range(6))
    # Two run at a time: a trial waits for no result but that of one of them.
    for entry in entries:
        assert entry.seen is not None and entry.seen == tuple(sorted(set(entry.seen)))
        assert entry.number - 1 <= len(entry.seen) <= entry.number and all(seen < entry.number for seen in entry.seen)
    assert all(entry.seen is None for entry in log_of(completed(namespace, "random")))


def test_nothing_is_published_where_the_template_says_so(namespace: Kubectl) -> None:
    job = completed(namespace, "unpublished")
    assert "model" not in job["status"] and "unpublished-best" not in children(namespace, job)


@pytest.mark.parametrize(("name", "alone", "first_pack"), [("packed", 0, 0), ("auto", 2, 2), ("alone", 3, None)])
def test_trials_share_a_pod_where_that_is_said_or_they_are_short(
    namespace: Kubectl, name: str, alone: int, first_pack: int | None
) -> None:
    job = completed(namespace, name)
    entries = log_of(job)
    assert [entry.number for entry in entries] == list(range(job["spec"]["maxTrials"]))
    assert all(entry.state == "Complete" for entry in entries)
    trials = {f"{name}-{number}" for number in range(alone)}
    assert children(namespace, job).keys() == {f"{name}-data", f"{name}-best", *trials}
    packs = children(namespace, job, "job")
    assert packs.keys() == ({f"{name}-pack-{first_pack}"} if first_pack is not None else set())
    assert job["status"].get("packed") is (True if name == "auto" else None)


def test_packed_or_not_the_trials_are_the_same(namespace: Kubectl) -> None:
    assert asked(completed(namespace, "packed")) == asked(completed(namespace, "auto"))
    assert asked(completed(namespace, "packed"))[:3] == asked(completed(namespace, "alone"))


# --- searches that fail -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BAD)
def test_a_search_fails_and_says_why(namespace: Kubectl, name: str) -> None:
    job = ended(namespace, name)
    assert condition(job, "Failed")["reason"] == BAD[name][1], job["status"]
    assert BAD[name][1] in reasons(namespace, job)
    TuningJobStatus.model_validate(job["status"])


def test_what_runs_at_the_deadline_is_stopped(namespace: Kubectl) -> None:
    job = ended(namespace, "late")
    for child in children(namespace, job).values():
        assert child["spec"]["runPolicy"]["suspend"] is True


# --- what the user does meanwhile and afterwards ----------------------------------------------------------------------


def test_a_larger_number_of_trials_lets_a_finished_search_go_on(namespace: Kubectl) -> None:
    before = completed(namespace, "random")
    namespace("patch", "tuningjob", "random", "--type=merge", '--patch={"spec": {"maxTrials": 9}}')
    wait(namespace, "random", lambda job: answered(job) == 9)
    after = completed(namespace, "random")
    assert asked(after)[:6] == asked(before) and len(asked(after)) == 9
    published = namespace.get("trainingjob", "random-best")
    assert published["metadata"]["annotations"]["steelyard.dev/search"] == "random-search-9"
    assert published["spec"]["trained"]["uri"].endswith(f"random-{after['status']['best']['trial']}/trained")
    # One that has nothing left to do stays as it is.
    change = '--patch={"spec": {"runPolicy": {"activeDeadlineSeconds": 9999}}}'
    namespace("patch", "tuningjob", "random", "--type=merge", change)
    same = wait(namespace, "random", lambda job: job["status"]["observedGeneration"] == 3)
    assert (same["status"]["completionTime"], len(log_of(same))) == (after["status"]["completionTime"], 9)


def test_a_search_learns_from_an_earlier_one(namespace: Kubectl) -> None:
    completed(namespace, "two-by-two")
    more = [{**parameter, "values": [*parameter["values"], 0.25]} for parameter in TWO_BY_TWO["parameters"][:1]]
    wider = {**TWO_BY_TWO, "parameters": [*more, TWO_BY_TWO["parameters"][1]]}
    namespace.create(
        tuning_job("again", warmStart={"tuningJob": "two-by-two"}, **TWO_BY_TWO),
        tuning_job("wider", warmStart={"tuningJob": "two-by-two"}, **{**wider, "maxTrials": 2}),
        tuning_job("other-paths", warmStart={"tuningJob": "two-by-two"}, parameters=[UNITS, DROPOUT], maxTrials=2),
        tuning_job("other-path", warmStart={"tuningJob": "two-by-two"}, parameters=[UNITS], maxTrials=2),
    )
    again = completed(namespace, "again")
    assert [entry.state for entry in log_of(again)] == ["Repeated"] * 4
    assert [entry.value for entry in log_of(again)] == [entry.value for entry in log_of(ended(namespace, "two-by-two"))]
    assert children(namespace, again).keys() == {"again-data", "again-best"}
    new = completed(namespace, "wider")
    assert [entry.values["model.mlp.dropout"] for entry in log_of(new)] == [0.25, 0.25]
    assert len(new["status"]["prior"]) == 4
    completed(namespace, "other-paths")
    refused = ended(namespace, "other-path")
    assert "same paths" in condition(refused, "Failed")["message"]


def test_a_search_pauses_and_goes_on(namespace: Kubectl) -> None:
    namespace.create(tuning_job("pausing", "1h", maxTrials=3))
    wait(namespace, "pausing", lambda job: job.get("status", {}).get("phase") == "Preparing")
    end_pods_of(namespace, "pausing-data")
    wait(namespace, "pausing", lambda job: job["status"]["trials"]["running"] == 2)
    namespace("patch", "tuningjob", "pausing", "--type=merge", '--patch={"spec": {"runPolicy": {"suspend": true}}}')
    wait(namespace, "pausing", lambda job: job["status"]["phase"] == "Suspended")
    for number in range(2):
        namespace.wait_for("job", f"pausing-{number}-train", lambda job: job["spec"].get("suspend") is True)
        trial = namespace.wait_for(
            "trainingjob", f"pausing-{number}", lambda job: job["status"]["phase"] == "Suspended"
        )
        assert condition(trial, "Suspended")["status"] == "True"
    namespace.wait_for("job", "pausing-0-train", lambda job: not job["status"].get("active"))
    namespace("patch", "tuningjob", "pausing", "--type=merge", '--patch={"spec": {"runPolicy": {"suspend": false}}}')
    for number in range(3):
        end_pods_of(namespace, f"pausing-{number}")
    end_pods_of(namespace, "pausing-best")
    job = completed(namespace, "pausing")
    assert condition(job, "Suspended")["status"] == "False" and len(log_of(job)) == 3
    assert condition(namespace.get("trainingjob", "pausing-0"), "Suspended")["status"] == "False"


def test_a_trial_that_somebody_removed_is_asked_again(namespace: Kubectl) -> None:
    namespace.create(tuning_job("removed", "1h", maxTrials=2))
    wait(namespace, "removed", lambda job: job.get("status", {}).get("phase") == "Preparing")
    end_pods_of(namespace, "removed-data")
    first = namespace.wait_for("trainingjob", "removed-0", lambda job: bool(job.get("status")))
    namespace("delete", "trainingjob", "removed-0", "--wait=true")
    second = namespace.wait_for(
        "trainingjob", "removed-0", lambda job: job["metadata"]["uid"] != first["metadata"]["uid"]
    )
    annotation = "steelyard.dev/trials"
    assert second["metadata"]["annotations"][annotation] == first["metadata"]["annotations"][annotation]
    for name in ("removed-0", "removed-1", "removed-best"):
        end_pods_of(namespace, name)
    assert [entry.state for entry in log_of(completed(namespace, "removed"))] == ["Complete"] * 2


def end_pods_of(namespace: Kubectl, name: str) -> None:
    """Has the pods of a TrainingJob end well, those to come too, until it is over."""
    selector = f"--selector=steelyard.dev/job={name}"

    def is_done(job: dict[str, Any]) -> bool:
        if namespace("get", "pods", selector, "--output=name"):
            namespace(
                "annotate",
                "pods",
                selector,
                "--overwrite",
                "steelyard.test/duration=10ms",
                "steelyard.test/exit-code=0",
            )
        return condition(job, "Complete").get("status") == "True"

    namespace.wait_for("trainingjob", name, is_done, 120)


# --- what it costs ----------------------------------------------------------------------------------------------------


def test_a_trial_takes_few_writes(namespace: Kubectl, log: AuditLog) -> None:
    """Those that are about the trial itself, and its share of those that are about the search."""
    job = completed(namespace, "some-fail")
    names = {f"some-fail-{number}" for number in range(6)}
    writes = [entry for entry in log.entries(USER, writes=True) if entry.namespace == namespace.namespace]
    own = [entry for entry in writes if entry.resource != "tuningjobs/status" and _trial_of(entry.name) in names]
    shared = [entry for entry in writes if entry.resource == "tuningjobs/status" and entry.name == "some-fail"]
    assert len(log_of(job)) == 6
    assert math.ceil((len(own) + len(shared)) / 6) <= 8, Counter((entry.verb, entry.resource) for entry in own)


def _trial_of(name: str) -> str:
    """The trial that an object is of: its Job NAME-train, or its Event NAME.DIGEST."""
    return name.partition(".")[0].removesuffix("-train")


def test_the_operator_had_nothing_to_complain_about(namespace: Kubectl, operator: Operated) -> None:
    for name in GOOD:
        completed(namespace, name)
    assert operator.complaints() == []
