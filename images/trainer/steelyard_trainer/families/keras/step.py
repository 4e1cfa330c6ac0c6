"""One step of training and of evaluation, alike on one worker and on many. Imports TensorFlow and Keras.

This is Keras 3's model and optimizer under our own step, because `fit` under MultiWorkerMirroredStrategy fails (Keras
issue 20585), divides a weighted loss by the batch size instead of by the sum of the weights, and can't be resumed in
the middle of an epoch. A step reduces the gradients and the figures of all workers in one collective.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from steelyard_trainer import pulse
from steelyard_trainer.families.keras.batches import Batch
from steelyard_trainer.families.keras.networks import TrainingNetwork

EVALUATION_BATCH = 1024

Lesson = Callable[[Any, Any], tuple[Any, Any]]
"""Loss and metric of each row, both (rows,), from outputs (rows, outputs) and the targets of a batch."""


class WeightRule(Protocol):
    """Which weights a network has while it is asked, where these are not the ones that the optimizer changes. The
    methods are traced into the step's graph."""

    def enter(self) -> list[Any]:
        """Puts them in place; gives what `leave` and `settle` need."""

    def leave(self, kept: list[Any]) -> None:
        """After the gradients are known: puts back what the optimizer changes."""

    def settle(self, kept: list[Any]) -> None:
        """After the optimizer has changed them."""


def put(variable: Any, value: Any) -> None:
    """Gives a Keras variable a value within a step: on this worker, as each of them does with the same value.

    Keras's own `assign` would have several workers say how their values are to become one.
    """
    for own in tf.distribute.get_strategy().experimental_local_results(variable.value):
        own.assign(value)


class Stepper:
    """The compiled steps of a network.

    Figures are float32 (2,): the loss (cross-entropy or squared error of the standardized target, with the penalties)
    and the metric (accuracy, or the absolute error of the standardized target). Label smoothing is in the loss that is
    trained on only, so that what is evaluated can be compared, whatever the smoothing.
    """

    def __init__(
        self,
        network: TrainingNetwork,
        optimizer: keras.optimizers.Optimizer,
        strategy: tf.distribute.Strategy | None,
        label_smoothing: float | None = None,
        lesson: Lesson | None = None,
        rule: WeightRule | None = None,
        judge: Lesson | None = None,
    ) -> None:
        """
        Args:
            network: the network.
            optimizer: what changes its weights.
            strategy: of several workers; None for one.
            label_smoothing: see spec.training.labelSmoothing. Default: none.
            lesson: what it learns in a step, from targets (rows, ...). Default: the labels, smoothed. It is evaluated
                by the labels either way.
            rule: how the weights look while it is asked. Default: as they are.
            judge: loss and metric by which it is evaluated, and which it learns where there is no lesson. Default:
                cross-entropy and accuracy, or the squared and the absolute error.
        """
        self._network = network
        self._optimizer = optimizer
        self._strategy = strategy
        self._replicas = strategy.num_replicas_in_sync if strategy else 1
        self._classifies = network.classifies
        self._judge = judge or self._figures
        self._lesson = lesson or judge or partial(self._figures, label_smoothing=label_smoothing or 0.0)
        self._rule = rule
        optimizer.build(network.model.trainable_variables)
        # The gradients reach the optimizer reduced already, together with the figures: it must not do it again.
        optimizer._all_reduce_sum_gradients = lambda gradients_and_variables: gradients_and_variables
        self._train = tf.function(self._train_everywhere, reduce_retracing=True, autograph=False)
        self._evaluate = tf.function(self._evaluate_here, reduce_retracing=True, autograph=False)
        self._evaluate_and_tell = tf.function(self._outputs_here, reduce_retracing=True, autograph=False)
        self._sum = tf.function(self._sum_everywhere, autograph=False)

    def train(self, batch: Batch) -> Any:
        """Makes one step with this worker's part of the batch; returns the figures over the rows of all workers."""
        return self._train(batch.features, batch.targets, batch.weights, batch.mask)

    def evaluate(
        self, features: NDArray[Any], targets: NDArray[Any], rows: int, outputs: NDArray[Any] | None = None
    ) -> tuple[float, float, float]:
        """The figures over the rows of all workers, each of which brings its share.

        Args:
            features, targets: this worker's share.
            rows: rows of all shares together.
            outputs: float32, shape (rows of this share, classes) or (rows, 1): takes the probabilities, or the
                standardized target; None: they are not asked for.

        Returns:
            The loss without the penalties, the metric, and the penalties.
        """
        sums = np.zeros(2)
        for start in range(0, len(features), EVALUATION_BATCH):
            part = slice(start, start + EVALUATION_BATCH)
            if outputs is None:
                sums += self._evaluate(features[part], targets[part]).numpy()
            else:
                figures, told = self._evaluate_and_tell(features[part], targets[part])
                sums += figures.numpy()
                outputs[part] = told.numpy()
            pulse.beat()
        sums = self.sum(sums)
        loss, metric = sums / rows
        return float(loss), float(metric), float(self._penalty())

    def sum(self, values: NDArray[Any]) -> NDArray[Any]:
        """The sum over all workers of an array that has the same shape on each."""
        if self._strategy is None:
            return values
        pulse.step()
        total: NDArray[Any] = self._sum(tf.constant(values)).numpy()
        pulse.step()
        return total

    @property
    def outputs(self) -> int:
        """How many a row has."""
        return self._network.outputs

    def _train_everywhere(self, features: Any, targets: Any, weights: Any, mask: Any) -> Any:
        if self._strategy is None:
            return self._train_here(features, targets, weights, mask)
        return self._strategy.run(self._train_here, (features, targets, weights, mask))

    def _train_here(self, features: Any, targets: Any, weights: Any, mask: Any) -> Any:
        variables = self._network.model.trainable_variables
        kept = self._rule.enter() if self._rule else []
        self._network.begin_step(self._optimizer.iterations)
        with tf.GradientTape() as tape:
            outputs = self._network(features, mask, training=True)
            losses, metrics = self._lesson(outputs, targets)
            # The penalties are the same on every worker: each brings its share of them.
            added = tf.add_n([self._penalty(), *self._network.added_losses()])
            loss = tf.reduce_sum(losses * weights) + added / self._replicas
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        figures = tf.stack([loss, tf.reduce_sum(metrics * weights)])
        if self._rule:
            self._rule.leave(kept)
        if self._strategy:
            replica = tf.distribute.get_replica_context()
            *gradients, figures = replica.all_reduce(tf.distribute.ReduceOp.SUM, [*gradients, figures])
        self._optimizer.apply(gradients, variables)
        if self._rule:
            self._rule.settle(kept)
        return figures

    def _evaluate_here(self, features: Any, targets: Any) -> Any:
        return self._sums_here(self._ask(features), targets)

    def _outputs_here(self, features: Any, targets: Any) -> tuple[Any, Any]:
        """The same, with what the published network would say of each row."""
        outputs = self._ask(features)
        scores = self._network.scores(outputs)
        return self._sums_here(outputs, targets), tf.nn.softmax(scores) if self._classifies else scores

    def _ask(self, features: Any) -> Any:
        kept = self._rule.enter() if self._rule else []
        outputs = self._network(features, tf.ones(tf.shape(features)[:1], tf.bool), training=False)
        if self._rule:
            self._rule.leave(kept)
        return outputs

    def _sums_here(self, outputs: Any, targets: Any) -> Any:
        losses, metrics = self._judge(outputs, targets)
        return tf.stack([tf.reduce_sum(tf.cast(losses, tf.float64)), tf.reduce_sum(tf.cast(metrics, tf.float64))])

    def _sum_everywhere(self, sums: Any) -> Any:
        assert self._strategy is not None
        return self._strategy.run(sum_over_replicas, (sums,))

    def _figures(self, outputs: Any, targets: Any, label_smoothing: float = 0.0) -> tuple[Any, Any]:
        """Loss and metric of each row, both (rows,)."""
        scores = self._network.scores(outputs)
        if self._classifies:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, scores)
            if label_smoothing:
                towards_all = -tf.reduce_mean(tf.nn.log_softmax(scores), 1)
                losses = (1 - label_smoothing) * losses + label_smoothing * towards_all
            return losses, tf.cast(tf.equal(tf.argmax(scores, 1, tf.int32), targets), tf.float32)
        errors = scores[:, 0] - targets
        return tf.square(errors), tf.abs(errors)

    def _penalty(self) -> Any:
        """What regularization adds to the loss: a function of the weights alone."""
        penalties = [
            variable.regularizer(variable)
            for variable in self._network.model.trainable_variables
            if variable.regularizer is not None
        ]
        return tf.add_n(penalties) if penalties else tf.constant(0.0)


def sum_over_replicas(value: Any) -> Any:
    """In a replica: the sum over all of them."""
    # The identity has a device, which an argument has not, and by which the strategy finds its way.
    replica = tf.distribute.get_replica_context()
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(value))
