"""How fast candidates are, and what they hold in memory. Imports numpy, serving and the pulse.

The candidates are timed in turns, some calls of each and again from the first: what else the machine does meanwhile
slows all of them, and a noisy moment chooses no winner. On one thread. A slow candidate has fewer turns, and smaller
batches; large ones are not all in memory at once, but loaded anew for each of their turns.
"""

import ctypes
import gzip
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from steelyard.serving.interface import ServedModel
from steelyard_trainer import pulse
from steelyard_trainer.compression.cost import ALL_COSTS, Cost, CostKind, Latency

BATCH_ROWS = 256
TURNS = 10
"""Of each candidate, at most."""
_CALLS = 100
"""Of one row in a turn, at most; a tenth as many of a batch."""
_SECONDS = 0.06
"""That they may take, each kind, but for one call at least."""
_MOST_SECONDS = 3.0
"""That a candidate may take in all, but for one turn at least."""
_MOST_RESIDENT = 512 * 2**20
"""Bytes of the models that stay in memory from turn to turn."""
_GROWTH = 16
"""By what batches grow to BATCH_ROWS, as long as they are quick."""

Features: TypeAlias = npt.NDArray[Any]
Load: TypeAlias = Callable[[], ServedModel]
Costs: TypeAlias = dict[str, Cost]


def costs_of(
    load: Mapping[str, Load],
    folders: Mapping[str, Path],
    features: Features,
    kinds: frozenset[CostKind] = ALL_COSTS,
) -> Costs:
    """What candidates cost, timed in turns.

    Args:
        load: makes each one's model, by its name.
        folders: of each one's files.
        features: rows as the models take them, shape (rows, width).
        kinds: what is measured.
    """
    timed = {name: _Timed(make) for name, make in load.items()}
    resident = 0
    for name, each in timed.items():
        each.first(features[:1])
        pulse.beat()
        resident += (size := max(each.memory or 0, _bytes_of(folders[name])))
        if resident > _MOST_RESIDENT:
            resident -= size
            each.stays = False
            each.model = None
    for turn in range(TURNS if "Row" in kinds else 0):
        for name in _in_turn(list(timed), turn):
            timed[name].take_turn(features, with_batches="Batch" in kinds)
            pulse.beat()
    return {
        name: Cost(
            _compressed_bytes(folders[name]) if "Compressed" in kinds else None,
            each.memory if "Memory" in kinds else None,
            _latency([call for turn in each.alone for call in turn]),
            _latency(each.together),
            tuple(round(float(np.median(turn)), 3) for turn in each.alone),
            _machine(),
            each.batch_rows or BATCH_ROWS,
        )
        for name, each in timed.items()
    }


@dataclass
class _Timed:
    """A candidate whose turns are under way."""

    load: Load
    model: ServedModel | None = None
    stays: bool = True
    """Whether it is in memory from turn to turn."""
    memory: int | None = None
    alone: list[list[float]] = field(default_factory=list)
    """Microseconds of each call of one row, by turn."""
    together: list[float] = field(default_factory=list)
    """Microseconds a row of each call of a batch."""
    batch_rows: int = 0
    """Of a batch; 0 before the first, and where even a small one takes too long."""
    seconds: float = 0.0
    """That it took so far."""

    def first(self, row: Features) -> None:
        """Loads it, and sees what it holds in memory."""
        self.model, self.memory = _with_memory(self.load, row)

    def take_turn(self, features: Features, *, with_batches: bool) -> None:
        """Times some calls; none where it has had all its time."""
        if self.seconds > _MOST_SECONDS:
            return
        began = time.perf_counter()
        model = self.model or self.load()
        self.alone.append(model.latencies(features, repeats=_CALLS, seconds=_SECONDS))
        if with_batches:
            if len(self.alone) == 1:
                self.batch_rows = _rows_of_a_batch(model, features, float(np.median(self.alone[0])))
            if self.batch_rows:
                calls = model.latencies(features, rows=self.batch_rows, repeats=_CALLS // 10, seconds=_SECONDS)
                self.together += [each / self.batch_rows for each in calls]
        self.seconds += time.perf_counter() - began


def _rows_of_a_batch(model: ServedModel, features: Features, microseconds: float) -> int:
    """The largest batch whose calls, two in a turn at least, fit into a candidate's time; 0 where none does.

    Args:
        model: any.
        features: shape (rows, width).
        microseconds: that one row takes.
    """
    rows = 1
    while rows < BATCH_ROWS:
        # At most as many times as long as there are more rows, mostly less.
        if 2 * _GROWTH * microseconds > _MOST_SECONDS * 1e6 / 2:
            return rows if rows > 1 else 0
        rows *= _GROWTH
        if rows < BATCH_ROWS:
            microseconds = model.latencies(features, rows=rows, repeats=1, seconds=0.0)[0]
    return rows


def _in_turn(names: list[str], turn: int) -> list[str]:
    """So ordered that nobody is always behind the same one."""
    start = turn % len(names)
    return names[start:] + names[:start]


def _latency(calls: list[float]) -> Latency | None:
    return Latency(*(round(float(np.percentile(calls, share)), 3) for share in (50, 99))) if calls else None


def _compressed_bytes(folder: Path) -> int:
    """How many bytes the files below a folder have, each compressed by gzip at its best."""
    return sum(len(gzip.compress(path.read_bytes(), 9, mtime=0)) for path in folder.rglob("*") if path.is_file())


def _bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _machine() -> str:
    """What the processor is called."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _with_memory(load: Load, row: Features) -> tuple[ServedModel, int | None]:
    """A model, and how many bytes of the heap the process holds for it once it has predicted a row; None where that is
    not told. Beside the file that is what a runtime makes of it: packed weights, room for what lies between the layers.
    """
    before = _heap_bytes()
    model = load()
    model.predict(row)
    after = _heap_bytes()
    return model, None if before is None or after is None else max(0, after - before)


class _MallInfo(ctypes.Structure):
    """glibc's `struct mallinfo2` (mallinfo(3))."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    ]


def _heap_bytes() -> int | None:
    """What the process has in use of the heap; None where the C library does not tell."""
    try:
        mallinfo = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError):
        return None
    mallinfo.restype = _MallInfo
    found = mallinfo()
    return int(found.uordblks + found.hblkhd)
