"""The status of a job while it is being decided: a copy that remembers what it was. Pure; imports pydantic, planning
and the api.

Plain JSON values and not the API's model: it is read and written at every reconcile.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from steelyard.api.base import Part
from steelyard.api.status import ModelStatus, StageStatus, TrialStatus
from steelyard.api.training_job import TrainingJob
from steelyard.contract.stages import Progress, Reason, Result, StageName
from steelyard.contract.summaries import ModelSummary
from steelyard.contract.trial_report import TrialReport
from steelyard.controller.observation import text_of, time_of
from steelyard.controller.policies.disruptions import Disruptions
from steelyard.controller.runtime.draft import Draft, shortened
from steelyard.controller.training.printer_columns import figure_text, metric_text, progress_text, size_text
from steelyard.planning import Stage
from steelyard.planning.conditions import (
    Condition,
    after_all,
    after_failure,
    after_success,
    set_condition,
    types_of_stage,
)

_PHASES = {"prepare": "Preparing", "train": "Training", "finish": "Finishing"}


def _take(entry: dict[str, Any], part: type[Part], values: dict[str, Any]) -> bool:
    """Puts values into a part of the status if the API server takes them: containers may say anything."""
    try:
        whole = part.model_validate({**entry, **values})
    except ValidationError:
        return False
    if None in values.values():
        return False
    entry |= whole.model_dump(by_alias=True, exclude_none=True)
    return True


class StatusDraft(Draft):
    """A TrainingJob's."""

    def __init__(self, status: Mapping[str, Any], generation: int, now: datetime) -> None:
        super().__init__(status, generation, now)
        # Which are changed in place.
        if status.get("stages"):
            self.status["stages"] = [dict(stage) for stage in status["stages"]]

    def finished_stages(self) -> list[dict[str, Any]]:
        """The stages that ended in this draft."""
        before = {stage["name"] for stage in self._before.get("stages") or () if "completionTime" in stage}
        return [
            stage
            for stage in self.status.get("stages") or ()
            if "completionTime" in stage and stage["name"] not in before
        ]

    # --- reading ------------------------------------------------------------------------------------------------------

    @property
    def waiting_since(self) -> datetime | None:
        """Since when the job waits for something."""
        return time_of(self.status.get("waitingSince"))

    @property
    def suspended_seconds(self) -> int:
        """For how long it was suspended before."""
        return int(self.status.get("suspendedSeconds") or 0)

    @property
    def disruptions(self) -> Disruptions:
        """The count so far."""
        return Disruptions(self.status.get("disruptions", 0), time_of(self.status.get("lastDisruptionTime")))

    def stage(self, name: StageName) -> dict[str, Any] | None:
        """How a stage stands; None where it did not begin."""
        return next((stage for stage in self.status.get("stages") or () if stage["name"] == name), None)

    def is_done(self, name: StageName) -> bool:
        """Whether a stage's result was read."""
        return "completionTime" in (self.stage(name) or {})

    def reason_of(self, name: StageName, job: TrainingJob) -> str:
        """Why a stage that is done succeeded: Succeeded, or, of a trial, Pruned."""
        last = types_of_stage(name, job)[-1]
        return next(condition.reason for condition in self._conditions() if condition.type == last)

    # --- writing ------------------------------------------------------------------------------------------------------

    def start(self, image: str) -> None:
        """The job begins: from now on its spec can't change."""
        self.status["startTime"] = self._time
        self.status["trainerImage"] = image

    def start_stage(self, stage: Stage) -> None:
        """A stage begins."""
        entry: dict[str, Any] = {
            "name": stage.name,
            "key": stage.key,
            "workers": stage.workers,
            "startTime": self._time,
        }
        self.status["stages"] = [*(self.status.get("stages") or ()), entry]
        self.status["phase"] = _PHASES[stage.name]
        self.status["progress"] = stage.name

    def show_progress(self, stage: StageName, sample: Progress) -> None:
        """What the newest line of a worker's log says."""
        entry = self.stage(stage)
        if entry is None or sample.stage != stage:
            return
        shown = {"done": sample.done, "total": sample.total, "unit": sample.unit}
        if sample.values:
            shown["values"] = sample.values
        if not _take(entry, StageStatus, shown):
            return
        self.status["progress"] = progress_text(stage, sample.done, sample.total)
        if figure := figure_text(sample.values):
            self.status["metric"] = figure

    def wait(self, reason: str, message: str) -> None:
        """The job waits for something."""
        self._condition("Waiting", "True", *shortened(reason, message))
        self.status["phase"] = "Waiting"
        self.status.setdefault("waitingSince", self._time)
        if (stage := self._begun_stage()) is not None:
            self.status["progress"] = stage["name"]

    def stop_waiting(self) -> None:
        """What the job waited for is there."""
        stage = self._begun_stage()
        if stage is not None and self.status.pop("waitingSince", None) is not None:
            self._condition("Waiting", "False", "Started", f"{stage['name']} has all its pods")
            self.status["phase"] = _PHASES[stage["name"]]

    def suspend(self) -> None:
        """The job pauses; what it waited for is no matter meanwhile."""
        message = "spec.runPolicy.suspend is true"
        if self.status.pop("waitingSince", None) is not None:
            self._condition("Waiting", "False", "Suspended", message)
        self._condition("Suspended", "True", "Suspended", message)
        self.status["phase"] = "Suspended"

    def resume(self) -> None:
        """The job goes on."""
        since = self.suspended_since
        assert since is not None
        self.status["suspendedSeconds"] = self.suspended_seconds + max(0, int((self._now - since).total_seconds()))
        self._condition("Suspended", "False", "Resumed", "spec.runPolicy.suspend is false")
        stage = self._begun_stage()
        self.status["phase"] = _PHASES[stage["name"]] if stage is not None else "Pending"

    def count(self, disruptions: Disruptions) -> None:
        """Pods were lost, evicted or ended with "try again"."""
        if disruptions.last is not None and disruptions.count != self.status.get("disruptions", 0):
            self.status["disruptions"] = disruptions.count
            self.status["lastDisruptionTime"] = text_of(disruptions.last)

    def finish_stage(self, stage: Stage, result: Result, job: TrainingJob) -> None:
        """A stage is done."""
        self.stop_waiting()
        entry = self.stage(stage.name)
        assert entry is not None
        entry |= {"completionTime": self._time, "message": result.message}
        if "done" in entry and result.reason != Reason.PRUNED:
            entry["done"] = entry["total"]
        elif "epochs" in result.summary:  # So short, or so out of reach, that its log was never read.
            done = {"done": result.summary["epochs"], "total": job.spec.training.epochs, "unit": "epochs"}
            _take(entry, StageStatus, done)
        if "restarts" in result.summary:
            _take(entry, StageStatus, {"restarts": result.summary["restarts"]})
        conditions = after_success(self._conditions(), stage.name, job, result.reason, result.message, self._time)
        self._set_conditions(conditions)
        if result.summary.get("metric") is not None:
            self._show_model(result.summary)
        if job.spec.trial is not None:
            self._show_trial(result.summary, job.spec.trial.measure.name)

    def complete(self, reason: str, message: str) -> None:
        """The job is done."""
        self._set_conditions(after_all(self._conditions(), reason, message, self._time))
        self.status |= {"phase": "Complete", "progress": "done", "completionTime": self._time}

    def fail(self, stage: StageName | None, job: TrainingJob | None, reason: str, message: str) -> None:
        """The job has failed for good."""
        reason, message = shortened(reason, message)
        if self.status.pop("waitingSince", None) is not None:
            self._condition("Waiting", "False", reason, message)
        if stage is not None and job is not None:
            conditions = after_failure(self._conditions(), stage, job, reason, message, self._time)
        else:
            conditions = set_condition(self._conditions(), Condition("Failed", "True", reason, message, self._time))
        self._set_conditions(conditions)
        self.status |= {"phase": "Failed", "completionTime": self._time}

    # --- details ------------------------------------------------------------------------------------------------------

    def _begun_stage(self) -> dict[str, Any] | None:
        """The stage that began and is not done."""
        return next((stage for stage in self.status.get("stages") or () if "completionTime" not in stage), None)

    def _show_model(self, summary: dict[str, Any]) -> None:
        """The model and its evidence, in the fields that the status has for them."""
        try:
            found = ModelSummary.model_validate(summary)
        except ValidationError:
            return
        metrics = {
            name: {"value": value, **({} if error is None else {"standardError": error})}
            for name, (value, error) in (found.metrics or {}).items()
        }
        shown = found.model_dump(mode="json", exclude_none=True, exclude={"version", "metrics"})
        model: dict[str, Any] = {}
        if not _take(model, ModelStatus, {**shown, "metrics": metrics}):
            return
        self.status["model"] = model
        if model["metric"] in metrics:
            self.status["metric"] = metric_text(model["metric"], metrics[model["metric"]]["value"])
        if "bytes" in model:
            self.status["size"] = size_text(model["bytes"])

    def _show_trial(self, summary: dict[str, Any], metric: str) -> None:
        """What a trial answered; nothing where the container left no report of a trial."""
        try:
            trial = TrialStatus.of(TrialReport.from_json(summary.get("trial")))
        except ValueError:
            return
        self.status["trial"] = trial.model_dump(by_alias=True, exclude_none=True)
        if trial.value is not None:
            self.status["metric"] = metric_text(metric, trial.value)
