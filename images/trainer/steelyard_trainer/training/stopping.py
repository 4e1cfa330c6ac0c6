"""Which epoch is the best, and whether to go on. Pure. Imports the standard library and steelyard.api."""

from dataclasses import asdict, dataclass
from typing import Any

from steelyard.api.training import EarlyStopping


@dataclass
class Progression:
    """The best epoch so far and how long ago it was; its state goes into checkpoints."""

    monitor: str | None
    """The figure that is watched; higher is better for accuracies, lower for all others. None: the last epoch counts as
    the best."""
    patience: int | None
    """Epochs without improvement after which to stop; None never stops."""
    min_delta: float
    best: float | None = None
    best_epoch: int = 0
    """From 1; 0 before the first epoch has ended."""

    @classmethod
    def of(cls, spec: EarlyStopping | None) -> "Progression":
        """Without early stopping the best epoch is still the one with the least val_loss."""
        if spec is None:
            return cls("val_loss", None, 0.0)
        return cls(spec.monitor, spec.patience, spec.min_delta)

    @classmethod
    def to_the_end(cls) -> "Progression":
        """Where no part of the data is left to tell the best epoch by."""
        return cls(None, None, 0.0)

    def observe(self, epoch: int, figures: dict[str, float]) -> bool:
        """Takes in an epoch (from 1); returns whether it is the best so far."""
        if self.monitor is None:
            self.best_epoch = epoch
            return True
        value = figures[self.monitor]
        sign = 1.0 if self.monitor.endswith("accuracy") else -1.0
        is_better = self.best is None or sign * (value - self.best) > self.min_delta
        if is_better:
            self.best, self.best_epoch = value, epoch
        return is_better

    def should_stop(self, epoch: int) -> bool:
        """Whether training ends after this epoch (from 1)."""
        return self.patience is not None and epoch - self.best_epoch >= self.patience

    def state(self) -> dict[str, Any]:
        """As JSON values; Progression(**state) goes on from there."""
        return asdict(self)
