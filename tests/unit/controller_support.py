"""What the tests of the controller's decisions are made of: jobs, children and pods, without a cluster or a clock."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from steelyard.api.loading import apply_overrides, parse_training_job
from steelyard.api.training_job import TrainingJob
from steelyard.contract.stages import Result, StageName
from steelyard.controller.observation import Pod, StageJob, text_of
from steelyard.controller.settings import Settings
from steelyard.controller.training.actions import Decision
from steelyard.controller.training.decide import decide
from steelyard.controller.training.draft import StatusDraft
from steelyard.controller.training.observation import Observation
from steelyard.controller.training.pods import JobContext
from steelyard.planning import Plan, Stage, plan

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NAMESPACE, NAME, UID = "team", "digits", "uid-1"

MANIFEST: dict[str, Any] = {
    "apiVersion": "steelyard.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {"name": NAME},
    "spec": {
        "dataset": {"uri": "pvc://data/digits.csv", "target": "target"},
        "model": {"linear": {}},
        "training": {"workers": 2},
        "compression": {},
        "publish": [{"uri": "pvc://models/digits"}],
    },
}


def job_with(*overrides: str) -> TrainingJob:
    """A job of three stages with `path=value` overrides put in."""
    return parse_training_job(apply_overrides(MANIFEST, overrides))


def long_labels(length: int) -> str:
    """An override that makes a spec long: class labels of so many letters in all. YAML takes keys of 1,024."""
    letters = [min(900, length - at) for at in range(0, length, 900)]
    weights = {f"{index:04}{'x' * count}": 1.5 for index, count in enumerate(letters)}
    return f"training.classWeights={json.dumps({'strategy': 'Explicit', 'weights': weights})}"


def plan_of(job: TrainingJob) -> Plan:
    """As the operator plans."""
    return plan(job, source_digest=UID, trainer_version="")


def context_with(*overrides: str, **settings: Any) -> JobContext:
    """What a job's children have in common."""
    return JobContext(
        job_with(*overrides), NAMESPACE, UID, "trainer:1", Settings(trainer_image="trainer:1", **settings)
    )


def stage_of(name: StageName, *overrides: str) -> Stage:
    """A stage of that job."""
    return next(stage for stage in plan_of(job_with(*overrides)).stages if stage.name == name)


def ago(seconds: float) -> datetime:
    """A moment before NOW."""
    return NOW - timedelta(seconds=seconds)


def stage_job(stage: StageName, outcome: Any = "Running", **fields: Any) -> StageJob:
    """The Job of a stage."""
    job = StageJob(
        namespace=NAMESPACE,
        name=f"{NAME}-{stage}",
        uid=f"uid-{stage}",
        resource_version="1",
        job=NAME,
        stage=stage,
        owner_uid=UID,
        is_going=False,
        outcome=outcome,
        reason="",
        message="",
        failed=0,
    )
    return replace(job, **fields)


def pod(name: str = "pod", phase: str = "Running", **fields: Any) -> Pod:
    """A pod of a stage that runs well."""
    made = Pod(
        name=name,
        uid=f"uid-{name}",
        worker=0,
        phase=phase,
        exit_code=None,
        result=None,
        finished_at=None,
        deleted_at=None,
        is_disrupted=False,
        disruption="",
        waiting_reason="",
        waiting_message="",
        is_out_of_memory=False,
    )
    return replace(made, **fields)


def ended(name: str, exit_code: int, seconds_ago: float = 1, **fields: Any) -> Pod:
    """A pod that has ended."""
    phase = "Failed" if exit_code else "Succeeded"
    return pod(name, phase, exit_code=exit_code, finished_at=ago(seconds_ago), **fields)


def result(stage: Stage, reason: str = "Succeeded", message: str = "done", **summary: Any) -> Result:
    """The document that a stage leaves."""
    return Result(stage.name, stage.key, reason, message, summary)


SUMMARY_OF_FINISH: dict[str, Any] = {
    "chosen": "Int8",
    "bytes": 94208,
    "baselineBytes": 344064,
    "metric": "accuracy",
    "metrics": {"accuracy": [0.972, 0.009], "logLoss": [0.1, None]},
    "metricDrop": 0.001,
    "digest": "abc",
    "published": ["pvc://models/digits"],
    "candidates": [{"name": "Int8", "bytes": 94208}],
}


def begun(job: TrainingJob, *stages: StageName, seconds_ago: float = 60) -> dict[str, Any]:
    """The status of a job of which these stages began; all of them but the last are done."""
    draft = StatusDraft({}, 1, ago(seconds_ago))
    draft.start("trainer:1")
    for index, stage in enumerate(stage for stage in plan_of(job).stages if stage.name in stages):
        draft.start_stage(stage)
        if index + 1 < len(stages):
            draft.finish_stage(stage, result(stage), job)
    return draft.status


def observation(job: TrainingJob, status: dict[str, Any], *children: StageJob, **fields: Any) -> Observation:
    """What is seen of a job."""
    jobs = {child.stage: child for child in children}
    return Observation(job, plan_of(job), "trainer:1", 1, status, jobs, dead_pod_seconds=60, **fields)


def decided(job: TrainingJob, status: dict[str, Any], *children: StageJob, **fields: Any) -> Decision:
    """What follows from it now; the status of a decision is one that the API server takes."""
    decision = decide(observation(job, status, *children, **fields), NOW)
    json.dumps(decision.draft.changes(), allow_nan=False)
    return decision


def conditions(decision: Decision) -> dict[str, tuple[str, str]]:
    """Status and reason by type."""
    found = decision.draft.status.get("conditions") or []
    return {condition["type"]: (condition["status"], condition["reason"]) for condition in found}


def waiting_since(status: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The status of a job that has waited for so long."""
    draft = StatusDraft(status, 1, ago(seconds))
    draft.wait("Unschedulable", "no room")
    return {**draft.status, "waitingSince": text_of(ago(seconds))}
