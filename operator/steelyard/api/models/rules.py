"""What goes with the model's kind across the fields of a TrainingJob, by the kind's capabilities. Imports the api
only."""

from typing import Protocol

from steelyard.api.base import refuse
from steelyard.api.compression import AUTO, BASELINE, CandidateRecipe, Compression
from steelyard.api.compression.techniques import Distill, Settings, techniques_that_take
from steelyard.api.dataset import Dataset
from steelyard.api.evaluation import Evaluation
from steelyard.api.metrics import Task
from steelyard.api.models import Model, kinds, plurals
from steelyard.api.models.capabilities import Capabilities, Family, Features, ModelKind
from steelyard.api.training import Training
from steelyard.api.trial import Trained, Trial

FIELDS_OF_EPOCHS = (
    *("epochs", "batch_size", "optimizer", "learning_rate_schedule", "early_stopping", "label_smoothing", "checkpoint"),
)
"""Of `spec.training`: what only a model has that is trained in epochs."""


class Spec(Protocol):
    """What is looked at of a TrainingJobSpec, whose validators call these checks."""

    @property
    def dataset(self) -> Dataset:
        """See TrainingJobSpec."""
        ...

    @property
    def own_model(self) -> Model | None:
        """See TrainingJobSpec."""
        ...

    @property
    def kind(self) -> ModelKind:
        """See TrainingJobSpec."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """See TrainingJobSpec."""
        ...

    @property
    def is_from_elsewhere(self) -> bool:
        """See TrainingJobSpec."""
        ...

    @property
    def training(self) -> Training:
        """See TrainingJobSpec."""
        ...

    @property
    def evaluation(self) -> Evaluation:
        """See TrainingJobSpec."""
        ...

    @property
    def compression(self) -> Compression | None:
        """See TrainingJobSpec."""
        ...

    @property
    def trained(self) -> Trained | None:
        """See TrainingJobSpec."""
        ...

    @property
    def trial(self) -> Trial | None:
        """See TrainingJobSpec."""
        ...


def check_capabilities(spec: Spec) -> None:
    """Refuses what the model's kind does not have. Raises PydanticCustomError."""
    _check_container(spec)
    _check_training(spec)
    _check_folds(spec)
    _check_proof(spec)
    _check_candidates(spec)


def _check_container(spec: Spec) -> None:
    """A container's model is what its program leaves, once."""
    if spec.own_model is None or spec.own_model.container is None:
        return
    for field, is_given in (("trained", spec.trained), ("trial", spec.trial)):
        if is_given is not None:
            raise refuse(field, "a container trains its model itself, for this job alone; leave out {part}", part=field)


def _check_training(spec: Spec) -> None:
    training, can = spec.training, spec.capabilities
    if training.workers != 1 and not can.has_workers:
        raise refuse("training.workers", "{models} are fitted in one process; allowed: 1", models=can.family.plural)
    for path in [] if can.has_epochs else _changed_of_epochs(spec):
        raise refuse(
            path,
            "{name} does nothing for {models}, which have no epochs; leave it out",
            name=path.rpartition(".")[2],
            models=can.family.plural,
        )
    if training.class_weights is not None and not can.weighs_classes:
        raise refuse(
            "training.classWeights",
            "{kind} does not weigh classes; leave it out, or take one that does: {allowed}",
            kind=spec.own_model.kind if spec.own_model else f"a {can.family.noun}",
            allowed=", ".join(kinds(lambda other: other.weighs_classes)),
        )


def _changed_of_epochs(spec: Spec) -> list[str]:
    """What is said of epochs."""
    changed = [
        f"training.{Training.model_fields[field].alias}"
        for field in FIELDS_OF_EPOCHS
        if getattr(spec.training, field) != Training.model_fields[field].default
    ]
    return [*changed, "trained.epochs"] if spec.trained is not None and spec.trained.epochs is not None else changed


def _check_folds(spec: Spec) -> None:
    if spec.evaluation.cross_validation is None:
        return
    can = spec.capabilities
    if not can.has_folds:
        raise refuse(
            "evaluation.crossValidation",
            "a {model} is judged on the sets of the split, folds are for {models}: {allowed}",
            model=can.family.noun,
            models=plurals(lambda other: other.has_folds),
            allowed=", ".join(kinds(lambda other: other.has_folds)),
        )
    if spec.dataset.split.by is not None:
        raise refuse(
            "evaluation.crossValidation",
            "folds are dealt out by chance, but the rows by split.{by}; leave out one of the two",
            by=spec.dataset.split.by[0],
        )


def _check_proof(spec: Spec) -> None:
    if spec.compression is None or not spec.compression.is_cross_fitted:
        return
    field = "compression.proof"
    if spec.is_from_elsewhere:
        raise refuse(
            field,
            "a {model} is not trained again on folds; allowed: HeldOut, Point",
            model=spec.capabilities.family.noun,
        )
    if spec.training.workers > 1:
        raise refuse(
            field,
            "CrossFitted trains in one process, and training.workers is {workers}; allowed: HeldOut, Point",
            workers=spec.training.workers,
        )
    if spec.trial is not None:
        raise refuse(field, "trials of a search are not cross-fitted; allowed: HeldOut, Point")
    if spec.dataset.split.by is not None:
        raise refuse(
            field,
            "CrossFitted deals rows out by chance, but split.{by} does it here; allowed: HeldOut, Point",
            by=spec.dataset.split.by[0],
        )


def _check_candidates(spec: Spec) -> None:
    can = spec.capabilities
    kind = spec.own_model.kind if spec.own_model is not None and not spec.is_from_elsewhere else None
    family = can.family
    own = (*((AUTO,) if can.is_searched else ()), *techniques_that_take(family.trained_as, kind))
    for index, candidate in enumerate((spec.compression and spec.compression.candidates) or []):
        if isinstance(candidate, CandidateRecipe):
            _check_steps(candidate, family, kind, f"compression.candidates[{index}].steps")
        elif candidate not in (BASELINE, *own):
            raise _not_made(candidate, family, kind, "compression.candidates", (BASELINE, *own))


def _not_made(candidate: str, family: Family, kind: str | None, field: str, allowed: tuple[str, ...]) -> Exception:
    """What is said of a technique that can't be applied to a model of this kind, or of its family."""
    if candidate == AUTO:
        return refuse(
            field,
            "of {kind} nothing pays that a search would train; allowed: {allowed}",
            kind=kind or family.plural,
            allowed=", ".join(allowed),
        )
    return refuse(
        field,
        "{candidate} is not made of {models}; allowed: {allowed}",
        candidate=candidate,
        models=kind if kind and candidate in techniques_that_take(family.trained_as) else family.plural,
        allowed=", ".join(allowed),
    )


def _check_steps(candidate: CandidateRecipe, family: Family, kind: str | None, field: str) -> None:
    """Refuses a step that can't be applied to what it is given."""
    first, *others = candidate.steps
    own = techniques_that_take(family.trained_as, kind)
    if first.technique not in own:
        raise _not_made(first.technique, family, kind, f"{field}[0]", own)
    before: Settings = first
    for number, step in enumerate(others, 1):
        allowed = techniques_that_take(before.gives, kind)
        if step.technique not in allowed:
            raise refuse(
                f"{field}[{number}]",
                "{technique} can't follow {before}; {allowed}",
                technique=step.technique,
                before=before.technique_name(),
                allowed=f"allowed: {', '.join(allowed)}" if allowed else "nothing can: it is the last step",
            )
        before = step


def check_features(spec: Spec, features: Features) -> None:
    """Refuses a model that can't take a table's features, and a student of it. Raises PydanticCustomError."""
    if (misfit := spec.kind.misfit(features)) is not None:
        field, problem = misfit
        holder = f"model.{spec.own_model.kind}" if spec.own_model and not spec.is_from_elsewhere else "dataset"
        raise refuse(f"{holder}.{field}", "{problem}", problem=problem)
    for path, student in _students(spec).items():
        if (misfit := student.given.misfit(features)) is not None:
            field, problem = misfit
            raise refuse(f"{path}.{student.kind}.{field}", "{problem}", problem=problem)


def _students(spec: Spec) -> dict[str, Model]:
    """The models that candidates name, by where they do."""
    listed = enumerate((spec.compression and spec.compression.candidates) or [])
    return {
        f"compression.candidates[{index}].steps[{number}].model": step.model
        for index, candidate in listed
        if isinstance(candidate, CandidateRecipe)
        for number, step in enumerate(candidate.steps)
        if isinstance(step, Distill) and step.model is not None
    }


def check_model(model: Model, task: Task) -> None:
    """Refuses a model that does not have the task. Raises PydanticCustomError."""
    if task not in model.capabilities.tasks:
        own = " and ".join(model.capabilities.tasks)
        raise refuse("model", "{kind} is for {own}, but the task is {task}", kind=model.kind, own=own, task=task)
