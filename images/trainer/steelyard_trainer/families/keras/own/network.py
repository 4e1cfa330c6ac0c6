"""The network that a user's function builds, as the family trains it. Imports Keras and the family's other parts."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras.src.utils.naming import reset_uids
from numpy.typing import NDArray

from steelyard.api.errors import ConfigurationError
from steelyard_trainer.elsewhere.archive import RefusedError
from steelyard_trainer.families.keras.networks import TrainingNetwork
from steelyard_trainer.families.keras.own.normalizing import as_keras_has_them, normalizes_over_all, rows_that_count
from steelyard_trainer.families.keras.own.outputs import Gives, as_served, gives_of, scores
from steelyard_trainer.families.keras.own.randomness import RandomStreams
from steelyard_trainer.families.keras.row_shape import input_shape
from steelyard_trainer.own_code.data_shape import DataShape
from steelyard_trainer.own_code.importing import FIELD, OwnCode

_OWN_STEPS = ("train_step", "test_step", "compute_loss", "compute_metrics", "make_train_function")


@dataclass(frozen=True)
class OwnNetwork(TrainingNetwork):
    """A network of the user's."""

    code: OwnCode
    gives: Gives
    built: keras.Model
    """What the function returned."""
    streams: RandomStreams
    normalizes_alone: tuple[str, ...]
    """Layers that normalize each worker's own rows."""

    def __call__(self, features: Any, mask: Any, *, training: bool) -> Any:
        """What the user's network gives."""
        with rows_that_count(mask), self.code.called("the model"):
            return self.model(features, training=training)

    @property
    def outputs(self) -> int:
        """See TrainingNetwork: two classes may have one output."""
        return 2 if self.gives in ("Probability", "Logit") else super().outputs

    def scores(self, outputs: Any) -> Any:
        """See TrainingNetwork."""
        return scores(outputs, self.gives)

    def begin_step(self, step: Any) -> None:
        """See TrainingNetwork."""
        self.streams.place(step)

    def added_losses(self) -> list[Any]:
        """See TrainingNetwork: of add_loss, and of what regularizes activities."""
        layers = self.model._flatten_layers(include_self=True)
        return [loss for layer in layers for loss in layer._get_own_losses()]

    def served(self) -> keras.Model:
        """The network to publish, with the same weights: it is not to be trained any more."""
        as_keras_has_them(self.model)
        return as_served(self.model, self.gives)


def own_network(code: OwnCode, data: DataShape, asked: NDArray[np.float32], worker: int = 0) -> OwnNetwork:
    """Builds the network.

    Args:
        code: whose function does.
        data: what it is told.
        asked: some rows of features, by which it is told what the outputs are where the last layer does not say it.
        worker: which worker draws at random.

    Raises:
        ConfigurationError: the function fails, or its model does not fit the data.
    """
    # Names are then the same however many networks this process has made. Keras's clear_session, which does it, too,
    # would take the strategy away in whose scope this is.
    reset_uids()
    keras.utils.set_random_seed(data.seed)
    model = code.build(data)
    before = code.hook("preprocess", data)
    try:
        _check_type(model)
        _check_is_trained_by_us(model)
        with code.called(f"the model that {code.name} returned"):
            whole = _taking_features(model, before, data)
            _check_layers(whole)
            gives = gives_of(whole, data, asked)
    except RefusedError as error:
        raise refused(code, error) from None
    alone = tuple(normalizes_over_all(whole))
    return OwnNetwork(whole, False, code, gives, model, RandomStreams(whole, data.seed, worker), alone)


def refused(code: OwnCode, error: Exception) -> ConfigurationError:
    """A model that can't be trained, as an error of the user's."""
    return ConfigurationError(f"{FIELD}: the model that {code.name} returned can't be trained: {error}")


def _check_type(model: Any) -> None:
    if isinstance(model, keras.Model):
        return
    hint = "; does it lack a return?" if model is None else ""
    if isinstance(model, type) and issubclass(model, keras.Model):
        hint = "; return an object of the class"
    given = f"the class {model.__name__}" if isinstance(model, type) else f"a {type(model).__name__}"
    raise RefusedError(f"it is {'None' if model is None else given}; framework Keras needs a keras.Model{hint}")


def _check_is_trained_by_us(model: keras.Model) -> None:
    own = [name for name in _OWN_STEPS if getattr(type(model), name) is not getattr(keras.Model, name)]
    if own:
        raise RefusedError(
            f"{type(model).__name__} overrides {own[0]}, and a model with a step of its own is not trained yet; say "
            "what it computes by a function `loss(data)` in the module, or by add_loss"
        )
    if model.steps_per_execution not in (None, 1):
        raise RefusedError(f"it is compiled with steps_per_execution={model.steps_per_execution}; leave it out")
    if model.compiled:
        _check_optimizer(model.optimizer)
        for holder, setting in (("_compile_loss", "loss_weights"), ("_compile_metrics", "weighted_metrics")):
            if getattr(getattr(model, holder, None), f"_user_{setting}", None):
                raise RefusedError(f"it is compiled with {setting}, of which nothing is made here; leave it out")


def _check_optimizer(optimizer: keras.optimizers.Optimizer) -> None:
    """Settings that ask something of who calls it, which the family's step does not do."""
    name = type(optimizer).__name__
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        raise RefusedError(f"it is compiled with {name}, and losses are not scaled yet; take the optimizer without it")
    for setting in ("use_ema", "gradient_accumulation_steps", "loss_scale_factor"):
        if value := getattr(optimizer, setting, None):
            raise RefusedError(f"its optimizer {name} has {setting}={value}, which is not taken yet; leave it out")


def _check_layers(model: keras.Model) -> None:
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Lambda):
            raise RefusedError(
                f"its layer {layer.name} is a Lambda, which holds code that Keras's safe mode refuses to load; take "
                "keras.ops, or a layer of your own"
            )


def _taking_features(model: keras.Model, before: Any, data: DataShape) -> keras.Model:
    """The model as one that takes (rows, features); itself where it does."""
    if before is not None and not isinstance(before, keras.layers.Layer):
        raise RefusedError(f"preprocess returned a {type(before).__name__}; allowed: a Keras layer or model")
    if before is None and _has_graph(model):
        shape = input_shape(model)
        if shape == (data.features,):
            return model
        if int(np.prod(shape)) != data.features:
            raise RefusedError(
                f"it takes {' x '.join(map(str, shape))} numbers a row, but a row has {data.features:,} features: "
                "keras.Input((data.features,)), or an array of as many"
            )
    features = keras.Input((data.features,), name="features")
    tensor = features if before is None else before(features)
    if _has_graph(model):
        shape = input_shape(model)
        if tuple(tensor.shape[1:]) != shape:
            tensor = keras.layers.Reshape(shape, name="array")(tensor)
    return keras.Model(features, model(tensor))


def _has_graph(model: keras.Model) -> bool:
    """Whether it says what it takes and gives, as models of the functional API do."""
    try:
        return bool(model.inputs) and bool(model.outputs)
    except (AttributeError, ValueError):
        return False
