"""`fit` under `tf.distribute.MultiWorkerMirroredStrategy`, which Keras 3 breaks, works again: docs/keras3.md says how.

    from steelyard_trainer import keras3
    keras3.enable()

A file on its own: it may be copied, and imports nothing but TensorFlow, Keras, numpy and the standard library.

Keras sums what the workers bring: each divides its loss by the number of workers, which is right only for batches that
are equally large. Here a worker's loss, gradients and logs are means over its rows, as in a script for one process, and
are averaged weighted by rows. Functions of Keras are replaced for that; outside of steps on several workers they do as
before.
"""

import faulthandler
import functools
import inspect
import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend.tensorflow import nn as keras_nn
from keras.src.backend.tensorflow.optimizer import TFOptimizer
from keras.src.backend.tensorflow.trainer import TensorFlowTrainer
from keras.src.losses import loss as keras_loss
from keras.src.optimizers.base_optimizer import BaseOptimizer
from keras.src.optimizers.loss_scale_optimizer import LossScaleOptimizer
from tensorflow.python.eager import context as tf_context

TESTED = {"tensorflow": "2.21.", "keras": "3.15."}
"""How the versions begin that this was tested with."""
TRY_AGAIN = 75
"""The exit code of a worker that lost another one: start all again."""

Plain = Callable[..., Any]
"""A function of Keras or TensorFlow as it was; the first parameter of what replaces it."""

_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)
_WRITERS = (keras.callbacks.ModelCheckpoint, keras.callbacks.CSVLogger, keras.callbacks.TensorBoard)
"""Callbacks that only the chief has: they do nothing but write."""

_settings = {"start_timeout_seconds": 600, "is_enabled": False}
_here = threading.local()
"""Has `step` while a step on several workers is traced."""


class WorkerLost(SystemExit):
    """Another worker is gone, and this one can't go on: ends the process with exit code 75, unless it is caught."""


def enable(*, start_timeout_seconds: int = 600) -> None:
    """Lets `fit`, `evaluate` and `predict` work on several workers; before the strategy is made. Twice does no harm.

    Args:
        start_timeout_seconds: how long `MultiWorkerMirroredStrategy()` waits for the other workers. Then the process
            ends with exit code 1; TensorFlow alone would wait for ever.

    Raises:
        RuntimeError: Keras has another backend than TensorFlow, or lacks what is replaced here.
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"keras3.enable() needs Keras on TensorFlow; its backend is {keras.backend.backend()}: set "
            "KERAS_BACKEND=tensorflow before Keras is imported"
        )
    _settings["start_timeout_seconds"] = start_timeout_seconds
    if _settings["is_enabled"]:
        return
    for library, name in ((tf, "tensorflow"), (keras, "keras")):
        if not library.__version__.startswith(TESTED[name]):
            warnings.warn(
                f"keras3 was tested with {name} {TESTED[name]}*, not with {library.__version__}: before you trust it, "
                "compare the history of two workers with that of one",
                stacklevel=2,
            )
    for owner, names, replacement in _REPLACEMENTS:
        for name in names.split():
            if (plain := getattr(owner, name, None)) is None:
                raise RuntimeError(f"Keras {keras.__version__} has no {owner.__name__}.{name}: keras3 does not fit it")
            setattr(owner, name, _replaced(plain, replacement))
    _settings["is_enabled"] = True


def strategy() -> tf.distribute.Strategy:
    """Calls `enable`; several workers in TF_CONFIG: joins them, else TensorFlow's default strategy for one process."""
    enable(start_timeout_seconds=_settings["start_timeout_seconds"])
    return tf.distribute.MultiWorkerMirroredStrategy() if workers() > 1 else tf.distribute.get_strategy()


def workers() -> int:
    """How many workers train together, by TF_CONFIG; 1 without it."""
    return max(1, sum(map(len, _addresses().values())))


def is_chief() -> bool:
    """Whether this is the worker that saves: the chief, or worker 0 where there is none; true without TF_CONFIG."""
    task, first = _tf_config().get("task", {}), "chief" if "chief" in _addresses() else "worker"
    return task.get("type", first) == first and int(task.get("index", 0)) == 0


def rank() -> int:
    """This worker's number from 0, the chief's, by TF_CONFIG; 0 without it."""
    task, index = _tf_config().get("task", {}), int(_tf_config().get("task", {}).get("index", 0))
    return index + len(_addresses().get("chief", [])) if task.get("type") == "worker" else index


def _tf_config() -> dict[str, Any]:
    text = os.environ.get("TF_CONFIG") or "{}"
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise ValueError(f"TF_CONFIG should be a JSON object, it is {text!r} ({error})") from None


def _addresses() -> dict[str, list[str]]:
    cluster = _tf_config().get("cluster", {})
    return {name: cluster[name] for name in ("chief", "worker") if cluster.get(name)}


def _is_on_several(strategy: tf.distribute.Strategy) -> bool:
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) and workers() > 1


def _say(message: str) -> None:
    print(f"keras3: {message}", file=sys.stderr, flush=True)


# What happens in a step.


@dataclass(frozen=True)
class _Step:
    """A step on several workers as one replica of them sees it. Both figures are scalars of TensorFlow."""

    rows: Any
    """Rows of this replica's batch; 0 where only others have data left."""
    all_rows: Any

    @property
    def inverse(self) -> Any:
        """What makes the sum of its parts out of a mean weighted by rows."""
        return tf.math.divide_no_nan(self.all_rows, self.rows)

    def mean(self, values: list[Any]) -> list[Any]:
        """The mean over all rows of each; None stays."""
        parts = [self.part(value) for value in values if value is not None]
        means = iter(_sum_over_replicas(parts) if parts else [])
        return [None if value is None else next(means) for value in values]

    def part(self, value: Any) -> Any:
        """What this replica's value is of the mean."""
        if isinstance(value, tf.IndexedSlices):
            return tf.IndexedSlices(self.part(value.values), value.indices, value.dense_shape)
        share = tf.cast(self.rows / self.all_rows, value.dtype)
        # A mean over no rows is no number.
        return tf.where(self.rows > 0, value * share, tf.zeros_like(value))


def _step() -> _Step | None:
    return getattr(_here, "step", None)


@contextmanager
def _stepping(batch: Any) -> Iterator[_Step]:
    first = next(part for part in keras.tree.flatten(batch) if part is not None)
    rows = tf.cast(tf.shape(first)[0], tf.float32)
    _here.step = _Step(rows, _sum_over_replicas(rows))
    try:
        yield _here.step
    finally:
        _here.step = None


def _sum_over_replicas(value: Any) -> Any:
    # The identity has a device, which an argument may not have, and by which the strategy finds its way.
    value = tf.nest.map_structure(tf.identity, value)
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, value)


def _make_function(plain: Plain, model: Any, step_function: Callable[[Any], Any]) -> Any:
    """What `fit` and `evaluate` call with an iterator for each step, or for `steps_per_execution` of them."""
    strategy = model.distribute_strategy
    if not _is_on_several(strategy):
        return plain(model, step_function)

    def replica_step(batch: Any) -> Any:
        variables = [*_statistics(model), *(each for metric in model.metrics for each in metric.variables)]
        variables = [variable for variable in variables if keras.backend.is_float_dtype(variable.dtype)]
        before = [tf.identity(variable.value) for variable in variables]
        with _stepping(batch) as step:
            logs = step_function(batch)
            for variable, value in zip(variables, before, strict=True):
                # The mean of no rows is no number.
                is_known = (step.rows > 0) | tf.math.is_finite(variable.value)
                variable.assign(tf.where(is_known, variable.value, value))
            figures = step.mean([tf.cast(value, tf.float32) for value in tf.nest.flatten(logs)])
            return tf.nest.pack_sequence_as(logs, figures)

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def one_step(batch: Any) -> Any:
        logs = strategy.run(replica_step, args=(batch,))
        return tf.nest.map_structure(lambda value: strategy.experimental_local_results(value)[0], logs)

    # Not compiled by XLA, which can't sum over processes: jit_compile does nothing.
    one_step = model._autoconvert_optionals(_graph(model, one_step))

    def steps(iterator: Any) -> Any:
        logs = None
        for _ in range(model.steps_per_execution):
            try:
                # The batch is there before the step begins: in one graph with it a step of no rows would be done, and
                # counted by Adam, while TensorFlow finds that none is left.
                logs = one_step(next(iterator))
            except (StopIteration, tf.errors.OutOfRangeError):
                if logs is None:
                    raise StopIteration from None
                break
        return logs

    return steps


def _graph(model: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    return function if model.run_eagerly else tf.function(function, reduce_retracing=True)


def _compute_moments_sync(plain: Plain, x: Any, axes: Any, keepdims: bool) -> Any:
    """Mean and variance over all rows, of BatchNormalization(synchronized=True)."""
    if (step := _step()) is None:
        return plain(x, axes, keepdims)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def total(value: Any) -> Any:
        # Each worker's gradient counts by its rows here, and as a whole is weighted by this worker's rows later.
        return _sum_over_replicas(value), lambda up: _sum_over_replicas(step.part(up)) * tf.cast(step.inverse, up.dtype)

    sums = [tf.reduce_sum(part, axes, keepdims=keepdims) for part in (x, tf.square(x), tf.ones_like(x))]
    first, second, count = tf.unstack(total(tf.stack(sums)))
    mean = tf.math.divide_no_nan(first, count)
    return mean, tf.maximum(tf.math.divide_no_nan(second, count) - tf.square(mean), 0.0)


def _statistics(model: Any) -> list[Any]:
    """What layers learn without gradients, as BatchNormalization's moving mean and variance."""
    layers = [layer for layer in model._flatten_layers() if layer.trainable]
    variables = [variable for layer in layers for variable in layer._non_trainable_variables]
    return [variable for variable in variables if keras.backend.is_float_dtype(variable.dtype)]


def _apply(plain: Plain, optimizer: Any, grads: Any, trainable_variables: Any = None) -> Any:
    """Optimizer.apply: averages the gradients before they are clipped or accumulated, where Keras does afterwards."""
    step = _step()
    if step is None or getattr(optimizer, "_has_means", False):
        return plain(optimizer, grads, trainable_variables)
    optimizers = [optimizer, getattr(optimizer, "inner_optimizer", optimizer)]
    for each in optimizers:
        object.__setattr__(each, "_has_means", True)
    try:
        return plain(optimizer, step.mean(list(grads)), trainable_variables)
    finally:
        for each in optimizers:
            object.__setattr__(each, "_has_means", False)


def _all_reduce_sum_gradients(plain: Plain, optimizer: Any, grads_and_vars: Any) -> Any:
    return list(grads_and_vars) if getattr(optimizer, "_has_means", False) else plain(optimizer, grads_and_vars)


def _scale(plain: Plain, value: Any) -> Any:
    """What multiplies a loss with the number of workers, or divides it by that."""
    step = _step()
    return plain(value) if step is None else tf.where(step.rows > 0, value, tf.zeros_like(value))


def _reduce_values(plain: Plain, values: Any, sample_weight: Any = None, reduction: Any = "sum_over_batch_size") -> Any:
    """The reduction of a loss: the mean over this worker's rows; what is no such mean, as a multiple of its part."""
    loss, step = plain(values, sample_weight, reduction), _step()
    if step is None or len(values.shape) == 0:
        return loss
    if reduction == "sum":
        return loss * tf.cast(step.inverse, loss.dtype)
    if reduction == "mean_with_sample_weight" and sample_weight is not None:
        weights = _sum_over_replicas(tf.cast(tf.reduce_sum(sample_weight), loss.dtype))
        return tf.math.divide_no_nan(tf.reduce_sum(values), weights) * tf.cast(step.inverse, loss.dtype)
    return loss


def _apply_mask(plain: Plain, sample_weight: Any, mask: Any, dtype: Any, reduction: Any) -> Any:
    """The mask of a loss: what is not masked counts alike on all workers."""
    weight = plain(sample_weight, mask, dtype, reduction)
    if _step() is None or mask is None or reduction not in ("mean", "sum_over_batch_size"):
        return weight
    valid, total = tf.reduce_sum(tf.cast(mask, weight.dtype)), tf.cast(tf.size(mask), weight.dtype)
    all_valid, all_total = _sum_over_replicas([valid, total])
    return weight * tf.math.divide_no_nan(valid * all_total, total * all_valid)


# What happens around the steps.


def _get_metrics_result_or_logs(plain: Plain, model: Any, logs: Any) -> Any:
    """An epoch's figures. Where there are others than metrics Keras takes the last step's: metrics still count."""
    figures = plain(model, logs)
    if figures is not logs or not isinstance(logs, dict) or not _is_on_several(model.distribute_strategy):
        return figures
    told = [metric for metric in model.metrics if metric.name in logs]
    updated = [each for each in told if any(np.any(tf.convert_to_tensor(part.value)) for part in each.variables)]
    return {**logs, **{metric.name: metric.result() for metric in updated}}


def _called(plain: Plain, model: Any, *given: Any, **named: Any) -> Any:
    """`fit`, `evaluate` and `predict`."""
    if workers() == 1:
        return plain(model, *given, **named)
    if not _is_on_several(model.distribute_strategy):
        raise ValueError(
            f"TF_CONFIG has {workers()} workers, but the model was not made for them: make and compile it within "
            "`with strategy.scope():`"
        )
    call, is_fit = inspect.signature(plain).bind(model, *given, **named), plain.__name__ == "fit"
    try:
        if is_fit:
            _prepare_fit(model, call.arguments)
        result = plain(*call.args, **call.kwargs)
        if is_fit:
            # What the chief's callbacks wrote is there when anybody goes on.
            _sum_over_workers(model, [0.0])
    except _LOST as error:
        lost = type(error).__name__
        _say(f"another worker was lost in {plain.__name__} ({lost}); ends with exit code {TRY_AGAIN}: start all again")
        raise WorkerLost(TRY_AGAIN) from error
    return result


def _prepare_fit(model: Any, arguments: dict[str, Any]) -> None:
    _same_seed(model)
    callbacks = arguments.get("callbacks")
    first, last = _MeanStatistics(), _SameStart(arguments.get("initial_epoch", 0))
    if isinstance(callbacks, keras.callbacks.CallbackList):
        for callback in (first, last):
            callback.set_model(model)
        callbacks.callbacks[:] = [first, *_own_callbacks(callbacks.callbacks), last]
    else:
        arguments["callbacks"] = [first, *_own_callbacks(tf.nest.flatten(callbacks or [])), last]


def _same_seed(model: Any) -> None:
    """All workers have to shuffle alike, or they meet some rows twice and others never.

    Where no worker has a seed the chief draws it; seeds that differ are refused. All take part always, and all refuse:
    none waits for another one.
    """
    own, shifts = tf_context.global_seed(), (0, 16, 32, 48)
    seed = int(np.random.default_rng().integers(2**20)) if own is None else int(own)
    table = np.zeros((workers(), 5))
    # In parts that a float32 can tell apart.
    table[rank()] = [own is not None, *(seed >> shift & 0xFFFF for shift in shifts)]
    table = _sum_over_workers(model, [table])[0] / (model.distribute_strategy.num_replicas_in_sync / workers())
    seeds = [sum(int(part) << shift for part, shift in zip(row[1:], shifts, strict=True)) for row in table]
    if not table[:, 0].any():
        tf.random.set_seed(seeds[0])
    elif (other := next((at for at, row in enumerate(table) if (row != table[0]).any()), None)) is not None:
        named = [f"worker {at} has {seeds[at] if table[at, 0] else 'none'}" for at in (0, other)]
        raise ValueError(
            f"the workers have different seeds ({', '.join(named)}), with which they would meet some rows twice and "
            "others never: call keras.utils.set_random_seed with the same number on all workers, or on none"
        )


def _own_callbacks(callbacks: list[Any]) -> list[Any]:
    """All on the chief; elsewhere those that do more than write."""
    if is_chief():
        return callbacks
    kept = [callback for callback in callbacks if not isinstance(callback, _WRITERS)]
    for callback in kept:
        if isinstance(callback, keras.callbacks.BackupAndRestore):
            # It reads what the chief has written, and writes and deletes nothing.
            callback._save_model, callback.delete_checkpoint = lambda: None, False
    return kept


class _MeanStatistics(keras.callbacks.Callback):  # type: ignore[misc]
    """Averages moving statistics over the workers before anybody evaluates or saves them."""

    def on_test_begin(self, *_: Any) -> None:
        variables = _statistics(self.model)
        count = self.model.distribute_strategy.num_replicas_in_sync
        totals = _sum_over_workers(self.model, [variable.value for variable in variables]) if variables else []
        for variable, total in zip(variables, totals, strict=True):
            variable.assign(total / count)

    on_epoch_end = on_test_begin


class _SameStart(keras.callbacks.Callback):  # type: ignore[misc]
    """Refuses workers that begin with other weights or at another epoch; after BackupAndRestore, which sets both."""

    def __init__(self, initial_epoch: int) -> None:
        super().__init__()
        self._initial_epoch = initial_epoch

    def on_train_begin(self, *_: Any) -> None:
        own = [float(self.model._initial_epoch or self._initial_epoch)]
        own += [float(np.sum(np.abs(weight, dtype=np.float64))) for weight in self.model.get_weights()]
        means = np.array(_sum_over_workers(self.model, own)) / self.model.distribute_strategy.num_replicas_in_sync
        if means[0] != own[0]:
            raise ValueError(
                f"this worker would begin with epoch {own[0] + 1:g}, another one with a different one: all workers "
                "have to read one backup, in a folder that they share"
            )
        same = np.isclose(own, means, rtol=1e-5, equal_nan=True)[1:]
        if names := [variable.path for variable, is_same in zip(self.model.weights, same, strict=True) if not is_same]:
            raise ValueError(f"the workers begin with different weights in {', '.join(names[:3])}: load the same")
        # Dropout draws differently in each worker: the strategy has given all the seeds of the chief.
        for generator in (generator for layer in self.model._flatten_layers() for generator in layer._seed_generators):
            seed = np.array(generator.state)
            generator.state.assign(seed + np.array([7919 * rank(), 0], seed.dtype))


def _maybe_symbolic_build(plain: Plain, model: Any, iterator: Any = None, data_batch: Any = None) -> None:
    """Builds the model from what the dataset says of its batches; Keras would take one, and reduce it over all workers.

    One that is taken also moves a dataset's own shuffling on, so that two workers would not have the order of one.
    """
    if not _is_on_several(model.distribute_strategy):
        plain(model, iterator, data_batch)
        return
    if iterator is not None:
        data_batch = keras.tree.map_structure(_local_spec, iterator._get_iterator().element_spec)
    with model.distribute_strategy.scope():
        model._symbolic_build(data_batch=data_batch)
    _refuse_what_is_made_elsewhere(model)


def _local_spec(spec: Any) -> Any:
    """Shape and type of this worker's part; None where nothing is given."""
    spec = spec._value_specs[0] if hasattr(spec, "_value_specs") else spec
    return None if isinstance(spec, tf.OptionalSpec) else spec


def _refuse_what_is_made_elsewhere(model: Any) -> None:
    made = [(f"the variable {variable.path}", variable) for variable in model.weights]
    metrics = [each for metric in model.metrics for each in getattr(metric, "metrics", [metric])]
    made += [(f"the metric {metric.name}", variable) for metric in metrics for variable in metric.variables]
    names = [name for name, variable in made if not isinstance(variable.value, tf.distribute.DistributedValues)]
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if optimizer is not None and not _is_on_several(optimizer._distribution_strategy):
        names.append(f"the optimizer {optimizer.name}")
    if names:
        raise ValueError(
            f"{names[0]} was made outside of the strategy's scope: make the model, its metrics and its optimizer, and "
            "compile it, within `with strategy.scope():`"
        )


def _sum_over_workers(model: Any, values: list[Any]) -> list[Any]:
    """The sums over all replicas of these numbers or arrays, which differ between workers; arrays.

    A worker with several replicas counts once for each.
    """
    given = [tf.cast(value, tf.float32) for value in values]
    strategy = model.distribute_strategy
    sums = tf.function(lambda: strategy.run(_sum_over_replicas, (given,)))()
    return [np.asarray(strategy.experimental_local_results(total)[0]) for total in sums]


def _join(plain: Plain, strategy: Any, *given: Any, **named: Any) -> None:
    """MultiWorkerMirroredStrategy.__init__: waits no longer than it may, and SIGTERM goes on ending the process."""
    if workers() == 1:
        plain(strategy, *given, **named)
        return
    seconds = _settings["start_timeout_seconds"]
    addresses = ", ".join(address for group in _addresses().values() for address in group)
    _say(f"joins the workers {addresses}; gives up after {seconds} s")
    # TensorFlow waits in C++ with Python's lock held: only a thread without Python can end that.
    faulthandler.dump_traceback_later(seconds, exit=True)
    on_term = signal.getsignal(signal.SIGTERM)
    try:
        plain(strategy, *given, **named)
    finally:
        faulthandler.cancel_dump_traceback_later()
    # TensorFlow has installed a handler that only takes note.
    if threading.current_thread() is threading.main_thread() and on_term is not None:
        signal.signal(signal.SIGTERM, on_term)


def _replaced(plain: Plain, replacement: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(plain)
    def called(*given: Any, **named: Any) -> Any:
        return replacement(plain, *given, **named)

    return called


_REPLACEMENTS: tuple[tuple[Any, str, Callable[..., Any]], ...] = (
    (TensorFlowTrainer, "fit evaluate predict", _called),
    (TensorFlowTrainer, "_make_function", _make_function),
    (TensorFlowTrainer, "_get_metrics_result_or_logs", _get_metrics_result_or_logs),
    (TensorFlowTrainer, "_maybe_symbolic_build", _maybe_symbolic_build),
    (keras_nn, "_compute_moments_sync", _compute_moments_sync),
    (BaseOptimizer, "apply", _apply),
    (LossScaleOptimizer, "apply", _apply),
    (TFOptimizer, "_all_reduce_sum_gradients", _all_reduce_sum_gradients),
    (keras_loss, "reduce_values", _reduce_values),
    (keras_loss, "apply_mask", _apply_mask),
    (keras_loss, "scale_loss_for_distribution unscale_loss_for_distribution", _scale),
    (tf.distribute.MultiWorkerMirroredStrategy, "__init__", _join),
)
"""Owner, names, and what is called with the plain function before its arguments."""
