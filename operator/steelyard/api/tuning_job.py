"""The TuningJob: a search over a TrainingJob's fields, as a whole. Imports the api only.

Whether the search that it describes can be run is said by `search/validation`, which `search/manifest` calls.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from steelyard.api.base import Part, refuse
from steelyard.api.training_job import Metadata, TrainingJobSpec
from steelyard.api.tuning import Algorithm, Choice, FieldPath, Objective, Parameter, Pruning

TUNING_NAME_PATTERN = r"^[a-z]([-a-z0-9]{0,32}[a-z0-9])?$"


class TuningMetadata(Metadata):
    """What identifies the search."""

    name: Annotated[str, Field(pattern=TUNING_NAME_PATTERN)]
    """1 to 34 lower-case letters, digits and '-'; begins with a letter, ends with a letter or digit. The trials' names
    are made of it: NAME-0, NAME-1 and so on."""


class WarmStart(Part):
    """What an earlier search found out, for the algorithm to begin with."""

    tuning_job: Annotated[str, Field(min_length=1, max_length=63)]
    """A finished TuningJob over the same paths and with the same template and objective: in the same namespace; locally
    its workspace lies beside this one's."""


class Best(Part):
    """What becomes of the best trial. Then it is compressed and published as the template says."""

    fit: Literal["AsIs", "TrainAndValidation"] = "AsIs"
    """AsIs: the trial's own model (after cross-validation: one that is trained on the training set).
    TrainAndValidation: trained anew on both sets, for as many epochs as were best for the trial; the compression is
    chosen with the trial's own model and split."""


class TuningRunPolicy(Part):
    """How long to wait."""

    suspend: bool = False
    """On a cluster: whether to pause. Running trials end, and begin again where they were when it is false again. May
    change while the search runs. `steelyard run` refuses a search that has it: Ctrl-C pauses, another run goes on."""
    active_deadline_seconds: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """Seconds after which a search that still runs is ended and fails; left out, there is no limit. May change while
    the search runs."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """On a cluster: seconds after its end, Complete or Failed, after which the search is removed, with all that it
    owns: its trials, and the workspace that was made for it; not what it published. Left out, it stays. May be set and
    changed at any time, after the end too; a search that goes on is not removed."""


class TuningJobSpec(Part):
    """What to search, how, and for how long."""

    objective: Objective = Objective()
    """What is searched for. Default: the metric of template.evaluation."""
    parameters: Annotated[list[Parameter], Field(min_length=1, max_length=64)]
    """The fields of the template that the search sets."""
    algorithm: Algorithm = Algorithm()
    """How the values of the next trial are found."""
    pruning: Pruning | None = None
    """When a trial is given up before its end; left out, every trial runs to its end."""
    initial_trials: Annotated[
        list[Annotated[dict[FieldPath, Choice], Field(max_length=64)]], Field(max_length=100)
    ] = []
    """Known good points: the first trials, as maps from a parameter's path to its value. A parameter that is left
    out has the template's value if that is in its range, else its first."""
    max_trials: Annotated[int, Field(ge=1, le=10000)]
    """Trials that are created at most. It may be raised later, even when the search has finished: it goes on."""
    parallel_trials: Annotated[int, Field(ge=1, le=256)] = 1
    """Trials that run at the same time. Trial n is created with the results of the trials 0
    to n - parallelTrials."""
    max_failed_trials: Annotated[int, Field(ge=0, le=10000)] = 3
    """Trials that may fail; with one more the search fails. A pruned trial has not failed."""
    max_minutes: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """Minutes after which no further trial is created; what runs is let end, and the best is published."""
    max_trials_without_improvement: Annotated[int, Field(ge=1, le=10000)] | None = None
    """The search ends after so many trials in a row that were not better than the best before them."""
    trial_deadline_seconds: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """Seconds after which a trial that still runs is ended and counts as failed."""
    trial_seed: Literal["Fixed", "PerTrial"] = "Fixed"
    """Fixed: every trial has template.training.seed, so that only the parameters differ; PerTrial: that plus the
    trial's number."""
    warm_start: WarmStart | None = None
    """An earlier search to learn from."""
    asynchronous: bool = False
    """Whether trial n is created with whatever is known at that time, and not with the results of the trials 0 to
    n - parallelTrials exactly: no process waits for a slow trial, but two searches of the same seed may differ. The log
    says which results each trial had seen."""
    placement: Literal["Pods", "Packed", "Auto"] = "Auto"
    """Pods: a pod (locally: a process) for each trial. Packed: one pod, or one process that stays, works off many
    trials one after the other; not for networks of several workers. Auto: Packed where that is possible and the first
    trials take less time than a pod needs to start."""
    best: Best = Best()
    """What becomes of the best trial."""
    template: TrainingJobSpec
    """The TrainingJob that every trial is, with other values at the parameters' paths. Its compression and publish are
    for the best one."""
    run_policy: TuningRunPolicy = TuningRunPolicy()
    """How long to wait."""

    @model_validator(mode="before")
    @classmethod
    def _searches_for_what_decides(cls, given: Any) -> Any:
        """Fills in the objective's metric from the template."""
        if not isinstance(given, dict):
            return given
        objective, template = given.get("objective", {}), given.get("template")
        evaluation = template.get("evaluation") if isinstance(template, dict) else None
        if not isinstance(objective, dict) or "metric" in objective or not isinstance(evaluation, dict):
            return given
        decides = {name: evaluation[name] for name in ("metric", "label") if evaluation.get(name) is not None}
        return {**given, "objective": {**decides, **objective}} if "metric" in decides else given

    @model_validator(mode="after")
    def _searches_for_something(self) -> Self:
        if self.objective.given_metric is None:
            raise refuse(
                "objective.metric",
                "nothing says what is searched for; name a metric here, or as template.evaluation.metric",
            )
        return self

    @model_validator(mode="after")
    def _trains_what_it_searches(self) -> Self:
        if self.template.own_model is None:
            raise refuse("template.trained", "the search sets it for each of its jobs; leave it out")
        if self.template.container is not None:
            raise refuse(
                "template.model.container", "a search has no containers yet; allowed: the other kinds of models"
            )
        return self

    @property
    def is_packable(self) -> bool:
        """Whether one process can work off several trials: each trial has one worker."""
        if not self.template.capabilities.has_workers:
            return True
        is_searched = any(parameter.path == "training.workers" for parameter in self.parameters)
        return self.template.training.workers == 1 and not is_searched


class TuningJob(Part):
    """A search for the best model that a TrainingJob's manifest can describe, published as that manifest says."""

    api_version: Literal["steelyard.dev/v1alpha1"]
    """steelyard.dev/v1alpha1"""
    kind: Literal["TuningJob"]
    """TuningJob"""
    metadata: TuningMetadata
    """What identifies the search."""
    spec: TuningJobSpec
    """What to do."""

    @model_validator(mode="after")
    def _learns_from_another(self) -> Self:
        warm_start = self.spec.warm_start
        if warm_start is not None and warm_start.tuning_job == self.metadata.name:
            raise refuse(
                "spec.warmStart.tuningJob",
                "'{name}' is this search itself; name another, that has finished",
                name=self.metadata.name,
            )
        return self

    def to_manifest(self) -> dict[str, object]:
        """The manifest as JSON values that parse to an equal job; fields that were not given stay out."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)
