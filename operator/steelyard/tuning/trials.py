"""The TrainingJobs of a search: the one that prepares the data, the trials, and the best one. Pure. Imports the api and
the search only."""

from typing import Any

from steelyard.api.errors import ConfigurationError
from steelyard.api.loading import parse_training_job
from steelyard.api.training_job import TrainingJob
from steelyard.api.trial import Limit, PairedLimit
from steelyard.api.tuning_job import TuningJob
from steelyard.contract.version import API_VERSION
from steelyard.search.log import Entry, Values
from steelyard.search.paths import put
from steelyard.tuning.stops import Stops


def data_job_name(tuning_job: str) -> str:
    """The TrainingJob that prepares the data for all trials."""
    return f"{tuning_job}-data"


def trial_name(tuning_job: str, number: int) -> str:
    """The TrainingJob of a trial."""
    return f"{tuning_job}-{number}"


def best_job_name(tuning_job: str) -> str:
    """The TrainingJob that compresses and publishes the best trial's model."""
    return f"{tuning_job}-best"


def data_job(tuning: TuningJob, workspace: dict[str, Any] | None = None) -> TrainingJob:
    """Prepares the data once.

    Args:
        tuning: the search.
        workspace: spec.workspace of the job; default: the template's.
    """
    spec = _template(tuning, workspace)
    spec |= {"onlyPrepare": True, "publish": []}
    spec.pop("compression", None)
    if tuning.spec.template.sets_rows_aside:
        dataset = spec["dataset"]
        spec["dataset"] = {**dataset, "split": {**(dataset.get("split") or {}), "searchRows": True}}
    return _job(tuning, data_job_name(tuning.metadata.name), spec)


def trial_job(
    tuning: TuningJob, number: int, values: Values, stops: Stops, dataset: str, workspace: dict[str, Any] | None = None
) -> TrainingJob:
    """The job of a trial.

    Args:
        tuning: the search.
        number: the trial's.
        values: what it asks.
        stops: when the trial gives up, and what it reports.
        dataset: the URI of the prepared data.
        workspace: spec.workspace of the job; default: the template's.

    Raises:
        ConfigurationError: the values make no valid job; the message says which field and what is allowed.
    """
    search, objective = tuning.spec, tuning.spec.objective
    spec = _with_values(tuning, values, number, _prepared(_template(tuning, workspace), dataset))
    spec["publish"] = []
    if objective.secondary is None:
        spec.pop("compression", None)
    evaluation = dict(spec.get("evaluation") or {})
    for gate in ("require", "maxGeneralizationGap"):  # Those are for the model that is published.
        evaluation.pop(gate, None)
    spec["evaluation"] = evaluation
    spec["trial"] = {
        "tuningJob": tuning.metadata.name,
        "number": number,
        "metric": objective.metric,
        **({"label": objective.label} if objective.label is not None else {}),
        "goal": objective.direction,
        **({"secondary": objective.secondary} if objective.secondary else {}),
        **stops_to_json(stops),
    }
    if search.trial_deadline_seconds is not None:
        spec["runPolicy"] = {**(spec.get("runPolicy") or {}), "activeDeadlineSeconds": search.trial_deadline_seconds}
    return _job(tuning, trial_name(tuning.metadata.name, number), spec)


def best_job(
    tuning: TuningJob, best: Entry, dataset: str, trained: str | None, workspace: dict[str, Any] | None = None
) -> TrainingJob:
    """Compresses and publishes the best trial's model, as the template says.

    Args:
        tuning: the search.
        best: the best trial.
        dataset: the URI of the prepared data.
        trained: the URI of the folder `trained` of the trial's workspace; None where it left no model (after
            cross-validation, or in a pack): then one is trained.
        workspace: spec.workspace of the job; default: the template's.
    """
    spec = _with_values(tuning, best.values, best.number, _prepared(_template(tuning, workspace), dataset))
    spec.setdefault("publish", [])
    if spec["publish"] == []:
        spec.pop("compression", None)
    if tuning.spec.best.fit == "TrainAndValidation":
        spec["trained"] = _refit(best, trained)
        # No part is left to watch: the best trial has told how many epochs are best.
        spec["training"] = {**(spec.get("training") or {})}
        spec["training"].pop("earlyStopping", None)
    elif trained is not None:
        spec["trained"] = {"uri": trained}
    return _job(tuning, best_job_name(tuning.metadata.name), spec)


def _refit(best: Entry, trained: str | None) -> dict[str, Any]:
    """spec.trained of a model that is trained anew on the training and validation sets."""
    fields = {"uri": trained, "epochs": best.epoch}
    return {"refit": True, **{name: value for name, value in fields.items() if value is not None}}


def stops_to_json(stops: Stops) -> dict[str, Any]:
    """The fields of spec.trial that say what is reported and when the trial gives up."""
    fields: dict[str, Any] = {}
    if stops.report_steps:
        fields["reportSteps"] = list(stops.report_steps)
    if stops.limits:
        limits = [Limit(step=step, value=value) for step, value in stops.limits]
        fields["limits"] = [limit.model_dump(mode="json", by_alias=True) for limit in limits]
    if stops.paired is not None:
        paired: PairedLimit = stops.paired
        fields["pairedLimit"] = paired.model_dump(mode="json", by_alias=True)
    if stops.to_beat is not None:
        fields["toBeat"] = stops.to_beat
    return fields


def _template(tuning: TuningJob, workspace: dict[str, Any] | None) -> dict[str, Any]:
    spec: dict[str, Any] = tuning.spec.template.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if workspace is not None:
        spec["workspace"] = workspace
    secondary = tuning.spec.objective.secondary
    if secondary is not None and spec.get("compression") is not None:
        # What is searched for is what is published; and the clock does not decide about a size.
        spec["compression"] = {"objective": secondary, **spec["compression"]}
    return spec


def _prepared(spec: dict[str, Any], dataset: str) -> dict[str, Any]:
    """The spec with the data that is prepared already."""
    return {**spec, "dataset": {"uri": dataset, "format": "Prepared", "target": spec["dataset"]["target"]}}


def _with_values(tuning: TuningJob, values: Values, number: int, spec: dict[str, Any]) -> dict[str, Any]:
    for path, value in values.items():
        put(spec, path, value)
    if tuning.spec.trial_seed == "PerTrial":
        training = spec["training"] = dict(spec.get("training") or {})
        training["seed"] = (training.get("seed", 0) + number) % 2**32
    return spec


def _job(tuning: TuningJob, name: str, spec: dict[str, Any]) -> TrainingJob:
    metadata = {"name": name}
    manifest = {"apiVersion": API_VERSION, "kind": "TrainingJob", "metadata": metadata, "spec": spec}
    try:
        return parse_training_job(manifest, source=f"trial {name}")
    except ConfigurationError as error:
        raise ConfigurationError(f"{tuning.metadata.name}: {error.message}", reason=error.reason) from None
