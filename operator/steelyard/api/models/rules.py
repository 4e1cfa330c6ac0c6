"""What goes with scikit-learn's models, and what with networks, across the fields of a TrainingJob. Imports the api
only."""

from typing import Protocol

from steelyard.api.base import refuse
from steelyard.api.compression import BASELINE, CANDIDATES_OF_ESTIMATORS, CANDIDATES_OF_NETWORKS, Compression
from steelyard.api.dataset import Dataset
from steelyard.api.evaluation import Evaluation
from steelyard.api.metrics import Task
from steelyard.api.models import TASK_OF_MODEL, Model
from steelyard.api.training import Training
from steelyard.api.trial import Trained

FIELDS_OF_NETWORKS = ("epochs", "batch_size", "optimizer", "learning_rate_schedule", "early_stopping", "checkpoint")
"""Of `spec.training`: what only a network has."""
WEIGH_CLASSES = ("randomForest", "logisticRegression", "gradientBoosting")
"""scikit-learn's models that know weights of classes."""
ESTIMATORS = tuple(
    str(info.alias or name) for name, info in Model.model_fields.items() if name not in ("mlp", "linear")
)


class Spec(Protocol):
    """What is looked at of a TrainingJobSpec, whose validators call these checks."""

    @property
    def dataset(self) -> Dataset:
        """See TrainingJobSpec."""
        ...

    @property
    def model(self) -> Model:
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


def check_estimator(spec: Spec) -> None:
    """Refuses what a model of scikit-learn does not have. Raises PydanticCustomError."""
    training = spec.training
    if training.workers != 1:
        raise refuse("training.workers", "scikit-learn's models are fitted in one process; allowed: 1")
    changed = [
        f"training.{Training.model_fields[field].alias}"
        for field in FIELDS_OF_NETWORKS
        if getattr(training, field) != Training.model_fields[field].default
    ]
    if spec.trained is not None and spec.trained.epochs is not None:
        changed.append("trained.epochs")
    for path in changed:
        raise refuse(
            path,
            "{name} does nothing for scikit-learn's models, which have no epochs; leave it out",
            name=path.rpartition(".")[2],
        )
    if training.class_weights is not None and spec.model.kind not in WEIGH_CLASSES:
        raise refuse(
            "training.classWeights",
            "of scikit-learn's models only {allowed} weigh classes; leave it out",
            allowed=", ".join(WEIGH_CLASSES),
        )
    if spec.evaluation.cross_validation is not None and spec.dataset.split.by is not None:
        raise refuse(
            "evaluation.crossValidation",
            "folds are dealt out by chance, but the rows by split.{by}; leave out one of the two",
            by=spec.dataset.split.by[0],
        )
    for candidate in (spec.compression and spec.compression.candidates) or []:
        if candidate not in (BASELINE, *CANDIDATES_OF_ESTIMATORS):
            raise refuse(
                "compression.candidates",
                "{candidate} is not made of scikit-learn's models; allowed: {allowed}",
                candidate=candidate,
                allowed=", ".join((BASELINE, *CANDIDATES_OF_ESTIMATORS)),
            )


def check_network(spec: Spec) -> None:
    """Refuses what a network does not have. Raises PydanticCustomError."""
    if spec.evaluation.cross_validation is not None:
        raise refuse(
            "evaluation.crossValidation",
            "a network is judged on the parts of the split, folds are for scikit-learn's models: {allowed}",
            allowed=", ".join(ESTIMATORS),
        )
    for candidate in (spec.compression and spec.compression.candidates) or []:
        if candidate not in (BASELINE, *CANDIDATES_OF_NETWORKS):
            raise refuse(
                "compression.candidates",
                "{candidate} is not made of networks; allowed: {allowed}",
                candidate=candidate,
                allowed=", ".join((BASELINE, *CANDIDATES_OF_NETWORKS)),
            )


def check_model(model: Model, task: Task) -> None:
    """Refuses a model that does not have the task. Raises PydanticCustomError."""
    if (own := TASK_OF_MODEL.get(model.kind, task)) != task:
        raise refuse("model", "{kind} is for {own}, but the task is {task}", kind=model.kind, own=own, task=task)
