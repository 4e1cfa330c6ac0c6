"""The commands for a TuningJob on a cluster, on a real API server; a test writes the status as the operator would."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from client_support import AT, DIGEST, LATER, Steelyard, failed, words, write_status
from client_support import MANIFEST as JOB
from cluster.kubectl import Kubectl, KubectlError

from steelyard.api.tuning_job import TuningJobSpec
from steelyard.client import Client, JobHandle, JobNotFoundError, SearchHandle
from steelyard.contract.code_digest import code_digest
from steelyard.search.log import Entry
from steelyard.tuning.stops import Stops
from steelyard.tuning.trials import trial_job

MANIFEST = """
apiVersion: steelyard.dev/v1alpha1
kind: TuningJob
metadata: {name: hunt}
spec:
  objective: {metric: accuracy}
  parameters:
    - {path: model.mlp.dropout, type: Double, min: 0, max: 0.5}
    - {path: model.mlp.hiddenUnits, type: Categorical, values: [[16], [32, 16]]}
  maxTrials: 4
  parallelTrials: 2
  template:
    dataset: {uri: pvc://data/table.csv, target: label}
    model: {mlp: {}}
    publish: [{uri: pvc://models/hunt}]
"""

DROPOUT, UNITS = "model.mlp.dropout", "model.mlp.hiddenUnits"
ENTRIES = [
    Entry(0, {DROPOUT: 0.1, UNITS: [16]}, "Complete", 0.9, epoch=3, seconds=4.5),
    Entry(1, {DROPOUT: 0.2, UNITS: [32, 16]}, "Complete", 0.95, epoch=4, seconds=5.0),
    Entry(2, {DROPOUT: 0.4, UNITS: [16]}, "Failed", reason="LossNotFinite"),
]


@pytest.fixture
def hunt(tmp_path: Path) -> Path:
    """The file of a TuningJob `hunt`."""
    path = tmp_path / "hunt.yaml"
    path.write_text(MANIFEST)
    return path


def searching(kubectl: Kubectl) -> dict[str, Any]:
    """The status of `hunt` with three answers."""
    spec = TuningJobSpec.model_validate(kubectl.get("tuningjob", "hunt")["spec"])
    return {
        "phase": "Searching",
        "progress": "3/4",
        "metric": "accuracy 0.95",
        "startTime": AT,
        "secondsLeft": 30,
        "trials": {"created": 4, "running": 1, "complete": 2, "pruned": 0, "failed": 1, "repeated": 0},
        "best": {"trial": 1, "value": 0.95, "epoch": 4, "parameters": {DROPOUT: "0.2", UNITS: "[32, 16]"}},
        "log": [entry.encode(spec.parameters) for entry in ENTRIES],
        "conditions": [
            {"type": "Prepared", "status": "True", "reason": "Succeeded", "message": "rows", "lastTransitionTime": AT}
        ],
    }


def test_a_search_is_submitted_once(jobs: Kubectl, steelyard: Steelyard, hunt: Path) -> None:
    code, output, _ = steelyard("submit", hunt)
    assert code == 0 and output.startswith("tuningjob hunt created")
    assert f"steelyard trials hunt --namespace {jobs.namespace}" in output
    made = jobs.get("tuningjob", "hunt")
    assert made["spec"]["parameters"][1]["values"] == [[16], [32, 16]]
    code, output, _ = steelyard("submit", hunt)
    assert code == 0 and output.startswith("tuningjob hunt unchanged (Pending)")
    code, _, errors = steelyard("submit", hunt, "--set", "objective.metric=logLoss")
    assert code == 78 and "steelyard delete hunt" in errors
    assert jobs.get("tuningjob", "hunt")["metadata"]["uid"] == made["metadata"]["uid"]


def test_the_client_takes_a_search_as_it_takes_a_job(jobs: Kubectl, client: Client, hunt: Path) -> None:
    made = client.submit(hunt)
    assert isinstance(made, SearchHandle) and made.is_new and not client.submit(made.tuning).is_new
    job = client.submit(yaml.safe_load(JOB))
    assert isinstance(job, JobHandle)
    assert isinstance(client.get("hunt"), SearchHandle) and isinstance(client.get("tiny"), JobHandle)
    assert [(each.kind.name, each.name) for each in client.list()] == [("TrainingJob", "tiny"), ("TuningJob", "hunt")]
    assert [
        each.name for each in client.list("TuningJob", all_namespaces=True) if each.namespace == jobs.namespace
    ] == ["hunt"]
    with pytest.raises(JobNotFoundError):
        client.get("tiny", "TuningJob")
    assert [client.delete("hunt"), client.delete("tiny")] == ["TuningJob", "TrainingJob"]


def test_the_code_of_a_search_belongs_to_it_and_its_trials_name_it(
    jobs: Kubectl, client: Client, hunt: Path, tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "net.py").write_text("def build(data, units): ...")
    document = yaml.safe_load(hunt.read_text())
    document["spec"]["template"]["model"] = {
        "entrypoint": {"function": "net:build", "framework": "Keras", "code": {"path": "code"}}
    }
    document["spec"]["parameters"] = [{"path": "model.entrypoint.parameters.units", "type": "Int", "min": 1, "max": 9}]
    handle = client.submit(document, tmp_path)
    assert isinstance(handle, SearchHandle)
    made, (config_map,) = jobs.get("tuningjob", "hunt"), jobs.list("configmaps", "steelyard.dev/job")
    (owner,) = config_map["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("TuningJob", made["metadata"]["uid"])
    trial = trial_job(handle.tuning, 3, {"model.entrypoint.parameters.units": 4}, Stops(), "pvc://w/data")
    assert trial.spec.code is not None and trial.spec.code.config_map == config_map["metadata"]["name"]
    assert trial.spec.code.sha256 == code_digest(tmp_path / "code")


def test_a_search_that_a_cluster_can_not_run_is_not_submitted(jobs: Kubectl, steelyard: Steelyard, hunt: Path) -> None:
    code, _, errors = steelyard("submit", hunt, "--set", "template.dataset.uri=table.csv")
    assert code == 78 and "spec.template.dataset.uri: 'table.csv' lies on no claim" in errors
    code, _, errors = steelyard("submit", hunt, "--set", "parameters.0.path=model.mlp.dropuot")
    assert code == 78 and "dropout" in errors
    assert jobs.list("tuningjobs") == []


def test_status_list_and_trials_show_a_search_that_runs(
    jobs: Kubectl, steelyard: Steelyard, hunt: Path, tmp_path: Path
) -> None:
    steelyard("submit", hunt)
    code, output, _ = steelyard("trials", "hunt")
    assert code == 0 and "has no finished trial yet" in output
    write_status(jobs, searching(jobs), "hunt", "tuningjob")

    code, output, _ = steelyard("list")
    assert code == 0 and "hunt Searching 3/4 accuracy 0.95" in words(output)

    code, output, _ = steelyard("status", "hunt")
    shown = words(output)
    assert code == 0
    assert "trials 4 created: 1 running, 2 complete, 1 failed" in shown
    assert "best trial 1: accuracy 0.95" in shown
    assert "model.mlp.hiddenUnits: [32, 16]" in shown
    assert "time left about 30 s" in shown

    code, output, _ = steelyard("trials", "hunt")
    assert code == 0 and "trial 2: LossNotFinite" in output
    code, output, _ = steelyard("trials", "hunt", "-o", "json")
    document = json.loads(output)
    assert code == 0 and document["best"] == 1
    assert [trial["trial"] for trial in document["trials"]] == [1, 0, 2]
    code, output, _ = steelyard("trials", "hunt", "-o", "csv", "--sort", "number")
    rows = list(csv.DictReader(io.StringIO(output)))
    assert [(row["trial"], row["state"], row["accuracy"], row[UNITS]) for row in rows] == [
        ("0", "Complete", "0.9", "[16]"),
        ("1", "Complete", "0.95", "[32, 16]"),
        ("2", "Failed", "", "[16]"),
    ]

    code, _, _ = steelyard("export-study", "hunt", tmp_path / "study.db")
    study = optuna.load_study(study_name="hunt", storage=f"sqlite:///{tmp_path}/study.db")
    assert code == 0 and study.best_value == 0.95 and len(study.trials) == 3


def test_waiting_for_a_search_ends_as_the_search_did(jobs: Kubectl, steelyard: Steelyard, hunt: Path) -> None:
    steelyard("submit", hunt)
    status = searching(jobs)
    end = {"type": "Complete", "status": "True", "reason": "Succeeded", "message": "", "lastTransitionTime": LATER}
    model = {
        "chosen": "Baseline",
        "bytes": 10,
        "metric": "accuracy",
        "digest": DIGEST,
        "published": ["pvc://models/hunt"],
    }
    model["metrics"] = {"accuracy": {"value": 0.94, "standardError": 0.01}}
    done = {**status, "phase": "Complete", "conditions": [end], "model": model, "completionTime": LATER}
    write_status(jobs, done, "hunt", "tuningjob")
    code, output, _ = steelyard("submit", hunt, "--wait")
    assert code == 0 and "The search hunt is done." in output and "steelyard fetch hunt DIR" in output
    code, output, _ = steelyard("submit", hunt, "--wait", "-o", "json")
    events = [json.loads(line) for line in output.splitlines()]
    assert code == 0 and events[-1]["event"] == "runEnded" and events[-1]["summary"]["best"]["trial"] == 1
    assert [event["trial"] for event in events if event["event"] == "trialEnded"] == [0, 1, 2]

    write_status(jobs, failed("TooManyFailedTrials", "4 trials failed"), "hunt", "tuningjob")
    code, _, errors = steelyard("submit", hunt, "--wait")
    assert code != 0 and "4 trials failed" in errors


def test_a_search_is_deleted_and_an_unknown_one_is_said(jobs: Kubectl, steelyard: Steelyard, hunt: Path) -> None:
    steelyard("submit", hunt)
    code, _, _ = steelyard("delete", "hunt")
    assert code == 0
    with pytest.raises(KubectlError, match="not found"):
        jobs.get("tuningjob", "hunt")
    for command in ("status", "trials", "delete"):
        code, _, errors = steelyard(command, "hunt")
        assert code == 78 and "hunt" in errors, command
