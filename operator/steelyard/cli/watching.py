"""A job on a cluster in the events of a local run, so that both look alike. Imports local, the api and the client."""

from datetime import datetime

from steelyard.api.status import StageStatus, TrainingJobStatus
from steelyard.client.outcome import condition, exit_code_of
from steelyard.contract.events import Event, StageEnded, StageStarted
from steelyard.contract.stages import Notice, Progress, StageName


def events_between(before: TrainingJobStatus, after: TrainingJobStatus, job: str) -> list[Event]:
    """What has happened between two readings of a job's status, in its order."""
    events: list[Event] = []
    known = {stage.name: stage for stage in before.stages}
    for stage in after.stages:
        events += _of_stage(known.get(stage.name), stage, job)
    current = after.stages[-1].name if after.stages else "prepare"
    for type in ("Waiting", "Suspended"):
        was, now = condition(before, type), condition(after, type)
        if now is not None and (was is None or was.message != now.message):
            events.append(Notice(current, now.message, now.reason))
    if condition(before, "Failed") is None and (failed := condition(after, "Failed")) is not None:
        seconds = _seconds(after.stages[-1].start_time, after.completion_time) if after.stages else 0.0
        events.append(StageEnded(current, failed.reason, failed.message, exit_code_of(failed.reason), seconds))
    return events


def seconds_of(status: TrainingJobStatus) -> float:
    """How long the job took."""
    return _seconds(status.start_time, status.completion_time)


def _of_stage(before: StageStatus | None, after: StageStatus, job: str) -> list[Event]:
    events: list[Event] = []
    name: StageName = after.name
    if before is None:
        events.append(StageStarted(name, 1, after.workers, f"Job {job}-{name}"))
    if after.restarts and after.restarts > ((before and before.restarts) or 0):
        events.append(Notice(name, f"went on from a checkpoint, for the {after.restarts}. time"))
    if after.total and after.unit and (before is None or _figures(before) != _figures(after)):
        events.append(Progress(name, after.done or 0, after.total, after.unit, dict(after.values or {})))
    if after.completion_time and (before is None or before.completion_time is None):
        seconds = _seconds(after.start_time, after.completion_time)
        events.append(StageEnded(name, "Succeeded", after.message or "", 0, seconds))
    return events


def _figures(stage: StageStatus) -> tuple[object, ...]:
    return stage.done, stage.total, stage.unit, stage.values


def _seconds(start: str | None, end: str | None) -> float:
    if start is None or end is None:
        return 0.0
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
