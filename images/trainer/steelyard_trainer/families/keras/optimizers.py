"""Keras optimizers and schedules from `spec.training`. Imports Keras and steelyard.api."""

from typing import Any

import keras

from steelyard.api.training import Training


def build_optimizer(spec: Training, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """The optimizer with its schedule; to be called in the strategy's scope."""
    kind = {
        "SGD": keras.optimizers.SGD,
        "Adam": keras.optimizers.Adam,
        "AdamW": keras.optimizers.AdamW,
        "RMSprop": keras.optimizers.RMSprop,
    }[spec.optimizer.name]
    return kind(learning_rate=learning_rate(spec, steps_per_epoch), **spec.optimizer.settings)


def learning_rate(spec: Training, steps_per_epoch: int) -> Any:
    """A number, or Keras's schedule over steps."""
    rate = spec.optimizer.learning_rate
    schedule = spec.learning_rate_schedule
    if schedule is None:
        return rate
    if schedule.exponential is not None:
        return keras.optimizers.schedules.ExponentialDecay(
            rate, schedule.exponential.every_epochs * steps_per_epoch, schedule.exponential.rate
        )
    assert schedule.cosine is not None
    warmup = min(schedule.cosine.warmup_epochs, spec.epochs - 1) * steps_per_epoch
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else rate,
        decay_steps=spec.epochs * steps_per_epoch - warmup,
        alpha=schedule.cosine.final_fraction,
        warmup_target=rate if warmup else None,
        warmup_steps=warmup,
    )
