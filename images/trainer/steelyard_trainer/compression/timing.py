"""How fast candidates are, and what they hold in memory. Imports numpy and serving.

The candidates are timed in turns, some calls of each and again from the first: what else the machine does meanwhile
slows all of them, and a noisy moment chooses no winner. On one thread.
"""

import ctypes
import gzip
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from steelyard.serving.interface import ServedModel
from steelyard_trainer.compression.cost import Cost, Latency

BATCH_ROWS = 256
TURNS = 10
"""Of each candidate."""
_CALLS = 100
"""Of one row in a turn, at most; a tenth as many of a batch."""
_SECONDS = 0.06
"""That they may take, each kind, but for one call at least."""

Features: TypeAlias = npt.NDArray[Any]
Costs: TypeAlias = dict[str, Cost]


def costs_of(load: Mapping[str, Callable[[], ServedModel]], folders: Mapping[str, Path], features: Features) -> Costs:
    """What candidates cost, timed in turns.

    Args:
        load: makes each one's model, by its name.
        folders: of each one's files.
        features: rows as the models take them, shape (rows, width).
    """
    models, memory = {}, {}
    for name, make in load.items():
        models[name], memory[name] = _with_memory(make, features[:1])
    alone: dict[str, list[list[float]]] = {name: [] for name in models}
    together: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(TURNS):
        for name in _in_turn(list(models), turn):
            model = models[name]
            alone[name].append(model.latencies(features, repeats=_CALLS, seconds=_SECONDS))
            batches = model.latencies(features, rows=BATCH_ROWS, repeats=_CALLS // 10, seconds=_SECONDS)
            together[name] += [each / BATCH_ROWS for each in batches]
    return {
        name: Cost(
            _compressed_bytes(folders[name]),
            memory[name],
            _latency([each for turn in alone[name] for each in turn]),
            _latency(together[name]),
            tuple(round(float(np.median(turn)), 3) for turn in alone[name]),
            _machine(),
        )
        for name in models
    }


def _in_turn(names: list[str], turn: int) -> list[str]:
    """So ordered that nobody is always behind the same one."""
    start = turn % len(names)
    return names[start:] + names[:start]


def _latency(calls: list[float]) -> Latency:
    return Latency(*(round(float(np.percentile(calls, share)), 3) for share in (50, 99)))


def _compressed_bytes(folder: Path) -> int:
    """How many bytes the files below a folder have, each compressed by gzip at its best."""
    return sum(len(gzip.compress(path.read_bytes(), 9, mtime=0)) for path in folder.rglob("*") if path.is_file())


def _machine() -> str:
    """What the processor is called."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _with_memory(load: Callable[[], ServedModel], row: Features) -> tuple[ServedModel, int | None]:
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
