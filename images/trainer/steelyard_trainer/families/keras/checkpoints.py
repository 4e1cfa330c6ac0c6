"""Checkpoints of a training: worker 0 writes, all workers read. Imports numpy and the standard library.

A checkpoint is a folder `step-N`, complete or absent: arrays.npz has every variable of the model and of the optimizer
and the best epoch's weights, state.json all else that an uninterrupted run would know at that step.
"""

import json
import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = list[NDArray[Any]]

KEPT = 2
"""Checkpoints that are kept: the newest, and the one before in case a reader is in the middle of it."""


@dataclass
class TrainingState:
    """Where a training stands, less its variables."""

    epoch: int = 0
    """Epochs that are done."""
    step: int = 0
    """Steps of the next epoch that are done."""
    sums: dict[str, float] = field(default_factory=dict)
    """Sums of those steps' figures, each step times its weight, and of their weights."""
    history: dict[str, list[float]] = field(default_factory=dict)
    """Figures of each epoch that is done."""
    progression: dict[str, Any] = field(default_factory=dict)
    """What Progression.state() gave."""
    reports: list[tuple[int, float]] = field(default_factory=list)
    """Of a trial: (epoch, value) of the epochs that it reports."""
    seconds: float = 0.0
    """How long the training took, all processes one after the other."""


@dataclass(frozen=True)
class Checkpoint:
    """All of a training."""

    state: TrainingState
    variables: Arrays
    """Of the model, then of the optimizer, in Keras's order."""
    best: Arrays
    """The model's variables after the best epoch; empty before the first has ended."""


class Checkpoints:
    """The checkpoints of one stage key in one folder; those of another key are not seen and are removed."""

    def __init__(self, folder: Path, key: str, check_attempt: Callable[[], None] = lambda: None) -> None:
        """
        Args:
            folder: holds the checkpoints of all keys.
            key: the stage's.
            check_attempt: called before anything is changed; raises where this process may no longer write.
        """
        self._folder = folder / key[:16]
        self._parent = folder
        self._check_attempt = check_attempt

    def write(self, steps: int, checkpoint: Checkpoint) -> None:
        """Writes the checkpoint after `steps` steps in all, and removes those before the last KEPT.

        Raises:
            SteelyardError: what `check_attempt` raises.
            OSError: the disk is full or was lost.
        """
        self._check_attempt()
        for leftover in self._folder.glob("partial*"):
            shutil.rmtree(leftover, ignore_errors=True)
        # A name of its own: a process that was given up may still write to the last one.
        partial = self._folder / f"partial-{secrets.token_hex(4)}"
        partial.mkdir(parents=True)
        arrays = {f"v{i}": array for i, array in enumerate(checkpoint.variables)}
        arrays |= {f"b{i}": array for i, array in enumerate(checkpoint.best)}
        with (partial / "arrays.npz").open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        with (partial / "state.json").open("w", encoding="utf-8") as file:
            json.dump(asdict(checkpoint.state), file)
            file.flush()
            os.fsync(file.fileno())
        self._check_attempt()
        target = self._folder / f"step-{steps:012d}"
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
        for old in self._complete()[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)

    def latest(self) -> Checkpoint | None:
        """The newest checkpoint, or None."""
        for folder in reversed(self._complete()):
            try:
                return self._read(folder)
            except FileNotFoundError:
                # Worker 0 removed it while we looked: there is a newer one.
                return self.latest()
        return None

    def clear_others(self) -> None:
        """Removes what was written under other keys. Raises what `check_attempt` raises."""
        self._check_attempt()
        for folder in self._parent.glob("*"):
            if folder != self._folder:
                shutil.rmtree(folder, ignore_errors=True)

    def _complete(self) -> list[Path]:
        return sorted(self._folder.glob("step-*"))

    @staticmethod
    def _read(folder: Path) -> Checkpoint:
        state = TrainingState(**json.loads((folder / "state.json").read_text(encoding="utf-8")))
        state.reports = [(epoch, value) for epoch, value in state.reports]
        with np.load(folder / "arrays.npz") as arrays:
            return Checkpoint(state, _numbered(arrays, "v"), _numbered(arrays, "b"))


def _numbered(arrays: Any, prefix: str) -> Arrays:
    names: Sequence[str] = sorted((name for name in arrays.files if name[0] == prefix), key=lambda name: int(name[1:]))
    return [arrays[name] for name in names]
