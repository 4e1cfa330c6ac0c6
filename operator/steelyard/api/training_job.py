"""The TrainingJob: the manifest as a whole, and what only the whole can say. Imports the api only."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from steelyard.api.base import Part, refuse
from steelyard.api.compression import BASELINE, Candidate, Compression, CompressionObjective, learns, name_of
from steelyard.api.dataset import Dataset
from steelyard.api.evaluation import Evaluation
from steelyard.api.metrics import (
    DEFAULT_METRIC,
    METRICS,
    METRICS_OF_TASK,
    Measure,
    Task,
    all_measures,
    basic_measures,
    unique,
)
from steelyard.api.models import KINDS, Model
from steelyard.api.models.capabilities import Capabilities, Features, ModelKind
from steelyard.api.models.container import OF_LEFT_FORMAT, Container
from steelyard.api.models.elsewhere import OF_FORMAT
from steelyard.api.models.entrypoint import Code
from steelyard.api.models.rules import check_capabilities, check_features, check_model
from steelyard.api.places import claim_uri
from steelyard.api.pods import LabelKey, LabelValue, ObjectName, PodTemplate, WorkspaceSpec
from steelyard.api.publish import PublishTarget
from steelyard.api.run_policy import RunPolicy
from steelyard.api.training import Monitor, Training
from steelyard.api.trial import Trained, Trial

NAME_PATTERN = r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$"


MOST_CLASSES_NAMED = 20


def no_class(label: str, classes: Sequence[str]) -> str:
    """What is to be said of a class that the data does not have."""
    more = f" and {len(classes) - MOST_CLASSES_NAMED} more" if len(classes) > MOST_CLASSES_NAMED else ""
    named = ", ".join(f"'{each}'" for each in classes[:MOST_CLASSES_NAMED])
    return f"the data has no class '{label}'; its classes are {named}{more}"


def foreign_monitors(task: Task) -> list[str]:
    """The figures that a network of this task does not have."""
    foreign = [name for name, info in METRICS.items() if info.task != task]
    return [monitor for monitor in get_args(Monitor) if monitor.removeprefix("val_") in foreign]


class Metadata(Part):
    """What identifies the job."""

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    """1 to 40 lower-case letters, digits and '-'; begins with a letter, ends with a letter or digit."""
    namespace: ObjectName | None = None
    """The namespace on a cluster. Default: that of the current context."""
    labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=64)] | None = None
    """Labels of the job on a cluster."""
    annotations: Annotated[dict[LabelKey, Annotated[str, Field(max_length=65536)]], Field(max_length=64)] | None = None
    """Annotations of the job on a cluster."""


class TrainingJobSpec(Part):
    """What to train on, what to train, what is good enough and where it goes."""

    task: Task | None = None
    """Classification or Regression. Default: regression if the target is a number that is not whole, or takes more than
    20 values; else classification."""
    dataset: Dataset
    """Where the rows come from."""
    own_model: Model | None = Field(None, alias="model")
    """The model to train: exactly one kind. Only a model from elsewhere (trained.format) does without."""
    training: Training = Training()
    """How it is trained."""
    evaluation: Evaluation = Evaluation()
    """What is good enough."""
    compression: Compression | None = None
    """What is tried to make the model small; left out, the baseline is published."""
    publish: Annotated[list[PublishTarget], Field(max_length=8)] | None = None
    """Where the model goes; an empty list: nowhere, it is trained and judged only. Default for `steelyard run`:
    models/NAME beside the manifest; on a cluster it must be given."""
    only_prepare: bool = False
    """Whether the job ends when the data is prepared, for other jobs to use by `format: Prepared`."""
    trained: Trained | None = None
    """A model that another job has trained, or one from elsewhere, to be compressed and published; left out, this job
    trains."""
    trial: Trial | None = None
    """What a TuningJob asks of its trials; written by Steelyard."""
    workspace: WorkspaceSpec = WorkspaceSpec()
    """The scratch volume of the job's pods on a cluster."""
    template: PodTemplate = PodTemplate()
    """How the job's pods look on a cluster."""
    run_policy: RunPolicy = RunPolicy()
    """How long to wait, how often to try again."""

    @property
    def model(self) -> Model:
        """The model to train, of a job that has one: all but those of a model from elsewhere. See `kind`."""
        assert self.own_model is not None, "a model from elsewhere has no spec.model"
        return self.own_model

    @property
    def kind(self) -> ModelKind:
        """What kind of model the job has, trained here or elsewhere."""
        if self.trained is not None and self.trained.format is not None:
            return OF_FORMAT[self.trained.format]
        return self.model.given if self.container is None else OF_LEFT_FORMAT[self.container.model.format]

    @property
    def container(self) -> Container | None:
        """The program of the user's own that trains the model; None where Steelyard trains it, or nobody here."""
        return None if self.own_model is None else self.own_model.container

    @property
    def capabilities(self) -> Capabilities:
        """What the kind can do."""
        return self.kind.can

    @property
    def code(self) -> Code | None:
        """Where the user's own code comes from; None where there is none, or it is installed."""
        entrypoint = None if self.own_model is None else self.own_model.entrypoint
        return None if entrypoint is None else entrypoint.code

    def with_code(self, code: Code) -> Self:
        """The spec with its code from another place; of one that has such."""
        assert self.own_model is not None and self.own_model.entrypoint is not None
        entrypoint = self.own_model.entrypoint.model_copy(update={"code": code})
        return self.model_copy(update={"own_model": self.own_model.model_copy(update={"entrypoint": entrypoint})})

    @property
    def is_from_elsewhere(self) -> bool:
        """Whether the model comes as a file that no code of Steelyard's has trained: from elsewhere, or of a program of
        the user's own."""
        return self.own_model is None or self.container is not None

    @property
    def has_train(self) -> bool:
        """Whether a model is trained here."""
        return not self.only_prepare and (self.trained is None or self.trained.refit)

    @property
    def has_finish(self) -> bool:
        """Whether something is compressed or published, or another job's model judged; where not, worker 0 judges the
        model right where it trained."""
        return not self.only_prepare and (self.publish != [] or self.is_from_elsewhere or self.trained is not None)

    @property
    def is_refit(self) -> bool:
        """Whether the model is trained on the training and validation sets together."""
        return self.trained is not None and self.trained.refit

    @property
    def candidates(self) -> list[Candidate]:
        """The compressed models that are tried: those that are named, or all that the model's kind has."""
        if self.compression is None:
            return []
        return list(self.compression.candidates or self.capabilities.candidates)

    @property
    def trains_candidates(self) -> bool:
        """Whether several workers train the model, and go on in the stage train with what is trained of its candidates;
        else one process does that, in the stage finish, as of a network of the user's own."""
        is_own = self.has_train and not self.is_from_elsewhere and not self.is_refit and self.model.entrypoint is None
        return is_own and self.has_finish and self.training.workers > 1 and self.has_candidates_that_learn

    @property
    def has_candidates_that_learn(self) -> bool:
        """Whether something is trained to make one of the candidates."""
        return any(map(learns, self.candidates))

    @property
    def sets_rows_aside(self) -> bool:
        """Whether search rows, which steer the search of a smaller model, are taken out of the training set."""
        given = self.dataset.split.search_rows
        return self.has_candidates_that_learn if given is None else given

    @property
    def compresses(self) -> bool:
        """Whether anything but the model as it was trained is a candidate."""
        return any(name_of(candidate) != BASELINE for candidate in self.candidates)

    @property
    def compression_objective(self) -> CompressionObjective:
        """Which of the candidates within the budget is the best."""
        if self.compression is not None and self.compression.objective is not None:
            return self.compression.objective
        return self.capabilities.compression_objective

    def measure(self, task: Task) -> Measure:
        """What decides: evaluation.metric, or the task's default."""
        return self.evaluation.measure or Measure(DEFAULT_METRIC[task])

    def told_measures(self, task: Task) -> list[Measure]:
        """What is told of every model that is judged: the task's basic metrics and what the manifest asks for."""
        asked = [self.measure(task), *(requirement.measure for requirement in self.evaluation.require)]
        trial = [] if self.trial is None else [self.trial.measure]
        return unique([*basic_measures(task), *asked, *trial])

    def published_measures(self, task: Task) -> list[Measure]:
        """What is told of the published model: every metric of the task, and what the manifest asks for."""
        return unique([*all_measures(task), *self.told_measures(task)])

    def check_labels(self, classes: Sequence[str]) -> None:
        """Refuses a metric of a class that the data does not have. Called when the data was read.

        Raises:
            PydanticCustomError: a `cross_field` error that names the field.
        """
        named = [("evaluation", self.evaluation.label), ("trial", self.trial.label if self.trial else None)]
        named += [(f"evaluation.require[{i}]", each.label) for i, each in enumerate(self.evaluation.require)]
        for field, label in named:
            if label is not None and label not in classes:
                raise refuse(f"{field}.label", "{problem}", problem=no_class(label, classes))

    def check_features(self, features: Features) -> None:
        """Refuses a model that can't take a table's features. Called when the data was read.

        Raises:
            PydanticCustomError: a `cross_field` error that names the field.
        """
        check_features(self, features)

    @model_validator(mode="after")
    def _has_a_model(self) -> Self:
        is_from_elsewhere = self.trained is not None and self.trained.format is not None
        if self.own_model is None and not is_from_elsewhere:
            raise refuse(
                "model",
                "this field is needed, but it is missing; allowed: one of {kinds}; or a model from elsewhere, by "
                "trained.uri and trained.format",
                kinds=", ".join(KINDS),
            )
        if self.own_model is not None and is_from_elsewhere:
            raise refuse("model", "a model from elsewhere (trained.format) is what its file says; leave this out")
        return self

    @model_validator(mode="after")
    def _publishes_what_it_compresses(self) -> Self:
        if self.publish == [] and self.compression is not None and self.trial is None:
            raise refuse("publish", "nothing is published, so nothing need be compressed; leave out compression")
        return self

    @model_validator(mode="after")
    def _searches_where_rows_steer(self) -> Self:
        if self.dataset.split.search_rows is not None and self.compression is None and not self.only_prepare:
            raise refuse(
                "dataset.split.searchRows", "search rows steer compression, and there is none; leave out searchRows"
            )
        return self

    @model_validator(mode="after")
    def _only_prepares(self) -> Self:
        if not self.only_prepare:
            return self
        if self.dataset.is_prepared:
            raise refuse("onlyPrepare", "a dataset of format Prepared is prepared already; leave out one of the two")
        for name in ("publish", "compression", "trained", "trial"):
            if getattr(self, name):
                raise refuse(
                    name, "a job that only prepares the data (onlyPrepare) has no {name}; leave it out", name=name
                )
        return self

    @model_validator(mode="after")
    def _goes_with_what_was_trained(self) -> Self:
        trained = self.trained
        if trained is None:
            return self
        if trained.format is not None and self.dataset.is_prepared:
            raise refuse(
                "dataset.format",
                "a model from elsewhere (trained.format) is judged on a table that this job prepares; allowed: CSV, "
                "Parquet",
            )
        if trained.format is None and not self.dataset.is_prepared:
            raise refuse(
                "dataset.format",
                "a model that another job has trained (trained) goes with the data of that job: name its folder "
                "`prepared`, with format Prepared",
            )
        if self.trial is not None:
            raise refuse("trained", "a trial trains a model of its own; leave out trained")
        if trained.refit and self.training.early_stopping is not None:
            raise refuse(
                "training.earlyStopping",
                "no validation set is left to watch when it is trained on (trained.refit); leave this out, and say in "
                "trained.epochs how long to train",
            )
        if trained.epochs is not None and trained.epochs > self.training.epochs:
            raise refuse(
                "trained.epochs",
                "{epochs} is more than training.epochs, {most}",
                epochs=trained.epochs,
                most=self.training.epochs,
            )
        can = self.capabilities
        if trained.uri is None and not can.is_fitted_anew:
            raise refuse(
                "trained.uri",
                "a refitted {model} is weighed by a model that was trained without the validation set; name it",
                model=can.family.noun,
            )
        return self

    @model_validator(mode="after")
    def _is_a_trial(self) -> Self:
        trial = self.trial
        if trial is None:
            return self
        if self.publish != []:
            raise refuse("publish", "a trial publishes nothing; say publish: []")
        if (self.compression is not None) != (trial.secondary is not None):
            raise refuse("compression", "a trial compresses for trial.secondary only; give both or leave out both")
        if self.compression is not None and self.compression.is_auto:
            raise refuse(
                "compression.candidates",
                "Auto would train networks for every trial; list the candidates",
            )
        if self.evaluation.require or self.evaluation.max_generalization_gap is not None:
            raise refuse(
                "evaluation",
                "a trial does not look at the test set; leave out require and maxGeneralizationGap",
            )
        can = self.capabilities
        if trial.paired_limit is not None and not can.has_folds:
            raise refuse("trial.pairedLimit", "a {model} is not scored on folds; leave this out", model=can.family.noun)
        if self.run_policy.ttl_seconds_after_finished is not None:
            raise refuse(
                "runPolicy.ttlSecondsAfterFinished",
                "a trial goes with its TuningJob; give that a runPolicy.ttlSecondsAfterFinished, and leave this out",
            )
        return self

    @model_validator(mode="after")
    def _retains_its_result(self) -> Self:
        retain = self.workspace.retain
        if retain in (None, "Always"):
            return self
        if self.only_prepare or self.publish == []:
            raise refuse(
                "workspace.retain",
                "{retain} would remove the result, which lies in the workspace as nothing is published; allowed: "
                "Always",
                retain=retain,
            )
        return self

    @model_validator(mode="after")
    def _fits_its_model(self) -> Self:
        check_capabilities(self)
        return self

    @model_validator(mode="after")
    def _publishes_apart(self) -> Self:
        places = [target.uri.rstrip("/") + "/" for target in self.publish or []]
        for outer in places:
            if sum(inner.startswith(outer) for inner in places) > 1:
                raise refuse(
                    "publish",
                    "'{uri}' is given twice, or another target lies in it; give each model a folder of its own",
                    uri=outer.removesuffix("/"),
                )
        return self

    @model_validator(mode="after")
    def _fits_its_task(self) -> Self:
        if self.task is not None:
            self.check_task(self.task)
        return self

    def check_task(self, task: Task) -> None:
        """Refuses what the task does not have.

        Called with the task that the manifest sets when it is parsed, and with the inferred one when the data was read.

        Raises:
            PydanticCustomError: a `cross_field` error that names the field.
        """
        if self.own_model is not None:
            check_model(self.own_model, task)
        for index, requirement in enumerate(self.evaluation.require):
            if requirement.metric not in METRICS_OF_TASK[task]:
                raise refuse(
                    f"evaluation.require[{index}].metric",
                    "{metric} is no metric of {task}; allowed: {allowed}",
                    metric=requirement.metric,
                    task=task,
                    allowed=", ".join(METRICS_OF_TASK[task]),
                )
        if self.trial is not None and self.trial.metric not in METRICS_OF_TASK[task]:
            raise refuse(
                "trial.metric",
                "{metric} is no metric of {task}; allowed: {allowed}",
                metric=self.trial.metric,
                task=task,
                allowed=", ".join(METRICS_OF_TASK[task]),
            )
        if self.evaluation.metric is not None and self.evaluation.metric not in METRICS_OF_TASK[task]:
            raise refuse(
                "evaluation.metric",
                "{metric} is no metric of {task}; allowed: {allowed}",
                metric=self.evaluation.metric,
                task=task,
                allowed=", ".join(METRICS_OF_TASK[task]),
            )
        stopping = self.training.early_stopping
        if stopping is not None and stopping.monitor in foreign_monitors(task):
            raise refuse(
                "training.earlyStopping.monitor",
                "{monitor} is no figure of {task}",
                monitor=stopping.monitor,
                task=task,
            )
        if task == "Regression":
            if self.dataset.split.stratify:
                raise refuse("dataset.split.stratify", "only classes can be stratified, but the task is Regression")
            if self.training.class_weights is not None:
                raise refuse("training.classWeights", "there are no classes to weigh, the task is Regression")
            if self.training.label_smoothing is not None:
                raise refuse("training.labelSmoothing", "there are no labels to smooth, the task is Regression")
            if self.compression is not None and self.compression.max_class_drop is not None:
                raise refuse("compression.maxClassDrop", "there are no classes to keep, the task is Regression")
            if self.dataset.checks.min_class_fraction is not None:
                raise refuse("dataset.checks.minClassFraction", "there are no classes to count, the task is Regression")


class TrainingJob(Part):
    """One manifest from raw data to a small, proven, published model."""

    api_version: Literal["steelyard.dev/v1alpha1"]
    """steelyard.dev/v1alpha1"""
    kind: Literal["TrainingJob"]
    """TrainingJob"""
    metadata: Metadata
    """What identifies the job."""
    spec: TrainingJobSpec
    """What to do."""

    @model_validator(mode="after")
    def _publishes_outside_its_workspace(self) -> Self:
        claim = self.spec.workspace.claim_name
        for index, target in enumerate(self.spec.publish or []):
            if claim is not None and f"{target.uri}/".startswith(f"{claim_uri(claim, self.metadata.name)}/"):
                raise refuse(
                    f"spec.publish[{index}].uri",
                    "'{uri}' lies in the job's workspace, pvc://{claim}/{name}; give the model another folder",
                    uri=target.uri,
                    claim=claim,
                    name=self.metadata.name,
                )
        return self

    def to_manifest(self) -> dict[str, object]:
        """The manifest as JSON values that parse to an equal job; fields that were not given stay out."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)
