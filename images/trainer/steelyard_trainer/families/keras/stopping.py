"""Which epoch is the best, and whether to go on. Pure. Imports the standard library and steelyard.api."""

from dataclasses import asdict, dataclass
from typing import Any

from steelyard.api.metrics import METRICS, Measure
from steelyard.api.training import EarlyStopping


@dataclass
class Progression:
    """The best epoch so far and how long nothing has improved; its state goes into checkpoints."""

    monitor: str | None
    """The figure that is watched: when it has not improved for a while, training ends. None: it goes on to the end, and
    the last epoch counts as the best."""
    patience: int | None
    """Epochs without improvement after which to stop; None never stops."""
    min_delta: float
    best: float | None = None
    """Of the monitored figure."""
    best_epoch: int = 0
    """The one whose weights are kept, from 1; 0 before the first epoch has ended."""
    metric: str | None = None
    """The figure that says which epoch is the best; None: the monitored one says it."""
    best_metric: float | None = None
    improved_epoch: int = 0
    """When the monitored figure was last improved, from 1."""

    @classmethod
    def of(cls, spec: EarlyStopping | None, decides: Measure | None = None) -> "Progression":
        """What a manifest asks for.

        Args:
            spec: when to stop; without it the best epoch is still told.
            decides: what says which epoch is the best. Default: the monitored figure, which is the least val_loss where
                nothing is said.
        """
        metric = None if decides is None else f"val_{decides.metric}"
        if spec is None:
            return cls(metric or "val_loss", None, 0.0, metric=metric)
        return cls(spec.monitor or metric or "val_loss", spec.patience, spec.min_delta, metric=metric)

    @classmethod
    def to_the_end(cls) -> "Progression":
        """Where no part of the data is left to tell the best epoch by."""
        return cls(None, None, 0.0)

    def observe(self, epoch: int, figures: dict[str, float]) -> bool:
        """Takes in an epoch (from 1); returns whether it is the best so far."""
        if self.monitor is None:
            self.best_epoch = epoch
            return True
        if has_improved := _improves(self.monitor, figures, self.best, self.min_delta):
            self.best, self.improved_epoch = figures[self.monitor], epoch
        is_best = has_improved
        if self.metric is not None and (is_best := _improves(self.metric, figures, self.best_metric, 0.0)):
            self.best_metric = figures[self.metric]
        if is_best:
            self.best_epoch = epoch
        return is_best

    def should_stop(self, epoch: int) -> bool:
        """Whether training ends after this epoch (from 1)."""
        return self.patience is not None and epoch - self.improved_epoch >= self.patience

    def state(self) -> dict[str, Any]:
        """As JSON values; Progression(**state) goes on from there."""
        return asdict(self)


def _improves(name: str, figures: dict[str, float], best: float | None, least: float) -> bool:
    """Whether a figure is better than the best so far by more than `least`. A loss is to be small."""
    metric = name.removeprefix("val_")
    sign = 1.0 if any(metric == known and info.goal == "Maximize" for known, info in METRICS.items()) else -1.0
    return best is None or sign * (figures[name] - best) > least
