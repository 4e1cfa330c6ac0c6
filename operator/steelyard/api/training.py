"""`spec.training`: workers, steps, optimizer and when to stop. Imports the api only."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from steelyard.api.base import ExactlyOneOf, Part, Share, refuse

OptimizerName = Literal["SGD", "Adam", "AdamW", "RMSprop"]
Monitor = Literal[
    "val_loss",
    "loss",
    "accuracy",
    "mae",
    "val_accuracy",
    "val_macroF1",
    "val_logLoss",
    "val_rocAuc",
    "val_averagePrecision",
    "val_balancedAccuracy",
    "val_precision",
    "val_recall",
    "val_f1",
    "val_r2",
    "val_rmse",
    "val_mae",
    "val_mape",
    "val_medianAe",
]

# Which optimizer has which of the settings that not all of them have.
OPTIMIZER_SETTINGS: dict[str, tuple[str, ...]] = {
    "SGD": ("momentum", "nesterov"),
    "Adam": ("beta_1", "beta_2", "epsilon"),
    "AdamW": ("beta_1", "beta_2", "epsilon", "weight_decay"),
    "RMSprop": ("momentum", "rho", "epsilon"),
}


class Optimizer(Part):
    """How a step changes the weights. A setting that is left out has Keras's default; one that the optimizer does not
    have is refused."""

    name: OptimizerName = "Adam"
    """SGD, Adam, AdamW or RMSprop."""
    learning_rate: Annotated[float, Field(gt=0, le=100)] = 0.001
    """Step size; with a schedule, the one that it starts from."""
    momentum: Annotated[float, Field(ge=0, lt=1)] | None = None
    """SGD, RMSprop: how much of the last step is repeated."""
    nesterov: bool | None = None
    """SGD: Nesterov's momentum."""
    beta_1: Annotated[float, Field(ge=0, lt=1)] | None = Field(default=None, alias="beta1")
    """Adam, AdamW: decay of the mean of the gradients."""
    beta_2: Annotated[float, Field(ge=0, lt=1)] | None = Field(default=None, alias="beta2")
    """Adam, AdamW: decay of the mean of the squared gradients."""
    rho: Annotated[float, Field(ge=0, lt=1)] | None = None
    """RMSprop: decay of the mean of the squared gradients."""
    epsilon: Annotated[float, Field(gt=0, le=1)] | None = None
    """Adam, AdamW, RMSprop: keeps the division from zero."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] | None = None
    """AdamW: fraction of the weights that each step takes away, times the learning rate."""

    @model_validator(mode="after")
    def _has_only_its_own_settings(self) -> Self:
        own = OPTIMIZER_SETTINGS[self.name]
        for field in sorted({name for settings in OPTIMIZER_SETTINGS.values() for name in settings}):
            if field not in own and getattr(self, field) is not None:
                aliases = [str(type(self).model_fields[name].alias) for name in (field, *own)]
                raise refuse(
                    aliases[0],
                    "{name} has no such setting; it has {allowed}",
                    name=self.name,
                    allowed=", ".join(aliases[1:]),
                )
        if self.nesterov and not self.momentum:
            raise refuse("nesterov", "Nesterov's momentum needs a momentum above 0, such as 0.9")
        return self

    @property
    def settings(self) -> dict[str, float | bool]:
        """The settings beside name and learning rate that are given, by Keras's names."""
        return {name: getattr(self, name) for name in OPTIMIZER_SETTINGS[self.name] if getattr(self, name) is not None}


class Cosine(Part):
    """The learning rate falls along half a cosine over all epochs (Loshchilov and Hutter, arXiv:1608.03983)."""

    warmup_epochs: Annotated[int, Field(ge=0, le=10000)] = 0
    """Epochs in which the rate first rises linearly from 0."""
    final_fraction: Share = 0.0
    """What is left of the learning rate at the end, as a fraction of it."""


class Exponential(Part):
    """The learning rate is multiplied by `rate` once per `everyEpochs`, smoothly at every step."""

    rate: Annotated[float, Field(gt=0, le=1)] = 0.95
    """The factor."""
    every_epochs: Annotated[int, Field(ge=1, le=10000)] = 1
    """Epochs between one whole factor and the next."""


class LearningRateSchedule(ExactlyOneOf):
    """How the learning rate changes: exactly one kind."""

    cosine: Cosine | None = None
    """Half a cosine."""
    exponential: Exponential | None = None
    """A constant factor per epoch."""


class EarlyStopping(Part):
    """Ends the training when the monitored figure has not improved for a while."""

    monitor: Monitor | None = None
    """The figure: val_loss, or a metric of the validation set as val_METRIC; of the training set loss, and accuracy
    (classification) or mae (regression). Default: val_ and evaluation.metric where that is given, else val_loss."""
    patience: Annotated[int, Field(ge=1, le=100000)] = 5
    """Epochs without improvement after which training ends."""
    min_delta: Annotated[float, Field(ge=0, le=1e12)] = 0.0
    """The least change that counts as an improvement."""


class ClassWeights(Part):
    """How much a row counts in loss and metrics of training, by its class (classification)."""

    strategy: Literal["Balanced", "Explicit"] = "Balanced"
    """Balanced: rows / (classes x rows of the class), as scikit-learn has it; Explicit: as `weights` says."""
    weights: Annotated[dict[str, Annotated[float, Field(gt=0, le=1e6)]], Field(max_length=4096)] | None = None
    """Explicit: a weight for each class label, as it is written in the data (in quotes where it is a number)."""

    @model_validator(mode="after")
    def _weights_go_with_explicit(self) -> Self:
        if (self.strategy == "Explicit") != (self.weights is not None):
            raise refuse("weights", "weights are needed with strategy Explicit and with no other")
        return self


class Checkpoint(Part):
    """When worker 0 writes a checkpoint, from which all workers go on after a loss: at whichever is due first."""

    every_seconds: Annotated[float, Field(gt=0, le=86400)] = 30.0
    """Seconds between two checkpoints."""
    every_steps: Annotated[int, Field(ge=1, le=10**9)] | None = None
    """Steps between two checkpoints; left out, only the seconds count."""


class Training(Part):
    """How the model is trained."""

    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """Processes that train together, each on its part of every batch (MultiWorkerMirroredStrategy)."""
    epochs: Annotated[int, Field(ge=1, le=100000)] = 10
    """Passes over the training set, at most."""
    batch_size: Annotated[int, Field(ge=1, le=1048576)] = 32
    """Rows of one worker's step; the global batch is workers x batchSize."""
    optimizer: Optimizer = Optimizer()
    """How a step changes the weights."""
    learning_rate_schedule: LearningRateSchedule | None = None
    """How the learning rate changes; left out, it stays."""
    early_stopping: EarlyStopping | None = None
    """When to end before `epochs`; left out, all epochs are trained. The best epoch's weights are kept either way."""
    class_weights: ClassWeights | None = None
    """How much a row counts by its class; left out, all count the same."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Classification: what the loss that a network learns from takes from the label of a row and gives to all classes
    alike (Szegedy et al., arXiv:1512.00567), such as 0.1; left out, nothing. val_loss and logLoss are without it."""
    checkpoint: Checkpoint = Checkpoint()
    """When a checkpoint is written."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    """Seed of the first weights, of dropout and of the order of rows, which is a function of seed and epoch."""
