"""How candidates are timed: in turns, by what a call of one row and of a batch takes, with what they hold in memory."""

import gzip
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from steelyard.serving.interface import timed
from steelyard_trainer import pulse
from steelyard_trainer.compression import timing
from steelyard_trainer.compression.cost import Cost, Latency
from steelyard_trainer.compression.timing import BATCH_ROWS, TURNS, costs_of

FEATURES = np.zeros((40, 3))


@dataclass
class Fake:
    """A model that says when it was asked; its memory is real."""

    name: str
    asked: list[tuple[str, int]]
    microseconds: float
    held: bytearray = field(default_factory=lambda: bytearray(3_000_000))
    outputs: int = 1
    features_type: type[np.float64] = np.float64

    def predict(self, features: npt.ArrayLike) -> npt.NDArray[Any]:
        return np.zeros((len(np.asarray(features)), 1))

    def latencies(self, _features: npt.ArrayLike, *, rows: int = 1, **_limits: float) -> list[float]:
        self.asked.append((self.name, rows))
        return [self.microseconds * rows] * 98 + [900.0 * rows, 900.0 * rows]


def costs(folder: Path, **microseconds: float) -> tuple[dict[str, Cost], list[tuple[str, int]]]:
    asked: list[tuple[str, int]] = []

    def load(name: str) -> Callable[[], Fake]:
        return lambda: Fake(name, asked, microseconds[name])

    for name in microseconds:
        (folder / name).mkdir()
        (folder / name / "model").write_bytes(b"a" * 5000)
    loads = {name: load(name) for name in microseconds}
    return costs_of(loads, {name: folder / name for name in microseconds}, FEATURES), asked


def test_every_turn_shows_that_the_process_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beats: list[None] = []
    monkeypatch.setattr(pulse, "beat", lambda: beats.append(None))
    costs(tmp_path, a=1.0, b=2.0)
    assert len(beats) == 2 * (1 + TURNS)


def test_candidates_are_timed_in_turns_and_none_always_behind_the_same(tmp_path: Path) -> None:
    found, asked = costs(tmp_path, a=1.0, b=2.0, c=3.0)
    assert list(found) == ["a", "b", "c"]
    alone = [name for name, rows in asked if rows == 1]
    assert alone[:6] == ["a", "b", "c", "b", "c", "a"] and len(alone) == 3 * TURNS
    # A smaller batch says first whether a large one is quick enough.
    assert [rows for _, rows in asked] == [1, 16, BATCH_ROWS] * 3 + [1, BATCH_ROWS] * (3 * TURNS - 3)


def test_a_cost_has_medians_and_the_99th_percentile_a_row(tmp_path: Path) -> None:
    found, _ = costs(tmp_path, a=2.0)
    cost = found["a"]
    assert (cost.row, cost.batch) == (Latency(2.0, 900.0), Latency(2.0, 900.0))
    assert cost.rounds == (2.0,) * TURNS and cost.machine
    assert cost.compressed_bytes == len(gzip.compress(b"a" * 5000, 9, mtime=0))
    assert cost.memory_bytes is None or 2_500_000 <= cost.memory_bytes < 4_000_000
    assert Cost.from_json(cost.to_json()) == cost


def test_no_memory_is_told_where_the_c_library_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing.ctypes, "CDLL", lambda _name: object())
    assert costs(tmp_path, a=2.0)[0]["a"].memory_bytes is None


def cost(*rounds: float) -> Cost:
    return Cost(1, None, Latency(float(np.median(rounds)), 9.0), Latency(1.0, 1.0), rounds, "a CPU")


def test_slower_is_what_loses_nearly_all_turns() -> None:
    steady, noisy = cost(*[5.0] * 10), cost(*[5.1] * 8, 4.9, 4.9)
    assert not noisy.is_slower_than(steady) and cost(*[5.1] * 9, 4.9).is_slower_than(steady)
    assert not steady.is_slower_than(steady)


def test_few_turns_tell_of_clear_differences_only() -> None:
    assert not cost(5.1, 5.1).is_slower_than(cost(5.0, 5.0)) and cost(8.0, 8.0).is_slower_than(cost(5.0, 5.0))
    assert not cost(8.0).is_slower_than(replace(cost(5.0), rounds=()))


@dataclass
class Slow(Fake):
    """A model whose calls take as long as they say; it learns when it is loaded."""

    def latencies(self, _features: npt.ArrayLike, *, rows: int = 1, **_limits: float) -> list[float]:
        self.asked.append((self.name, rows))
        CLOCK.seconds += self.microseconds * rows / 1e6
        return [self.microseconds * rows]


@dataclass
class Clock:
    """Time passes where a model is asked."""

    seconds: float = 0.0

    def perf_counter(self) -> float:
        return self.seconds


CLOCK = Clock()


def test_a_slow_candidate_has_fewer_turns_and_smaller_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "time", CLOCK)
    asked: list[tuple[str, int]] = []
    loads = {name: partial(Slow, name, asked, each) for name, each in (("a", 30_000.0), ("b", 1.0), ("c", 4e6))}
    found = costs_of(loads, dict.fromkeys(loads, tmp_path), FEATURES)
    turns = {name: len(each.rounds) for name, each in found.items()}
    assert turns == {"a": 5, "b": TURNS, "c": 1}
    assert max(rows for name, rows in asked if name == "a") == found["a"].batch_rows == 16
    assert found["b"].batch_rows == BATCH_ROWS and found["c"].batch is None
    assert Cost.from_json(found["c"].to_json()) == found["c"]


def test_only_what_is_asked_for_is_measured(tmp_path: Path) -> None:
    asked: list[tuple[str, int]] = []
    load = {"a": partial(Fake, "a", asked, 2.0)}
    found = costs_of(load, {"a": tmp_path}, FEATURES, frozenset({"Row"}))["a"]
    assert (found.compressed_bytes, found.memory_bytes, found.batch) == (None, None, None)
    assert found.latency_microseconds == 2.0 and asked == [("a", 1)] * TURNS
    asked.clear()
    held = costs_of(load, {"a": tmp_path}, FEATURES, frozenset({"Memory"}))["a"]
    assert asked == [] and held.row is None and held.latency_microseconds == 0.0


def test_large_models_are_not_all_in_memory_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "_MOST_RESIDENT", 4_000_000)
    living: list[weakref.ref[Fake]] = []
    most = 0

    def load(name: str) -> Fake:
        nonlocal most
        living.append(weakref.ref(model := Fake(name, [], 1.0)))
        most = max(most, sum(each() is not None for each in living))
        return model

    names = [f"m{index}" for index in range(5)]
    found = costs_of({name: partial(load, name) for name in names}, dict.fromkeys(names, tmp_path), FEATURES)
    assert most <= 2 and all(len(each.rounds) == TURNS for each in found.values())


def test_calls_are_of_as_many_rows_as_asked_after_a_warm_up() -> None:
    shapes: list[tuple[int, ...]] = []
    rows = np.arange(10.0).reshape(5, 2)
    times = timed(lambda batch: shapes.append(batch.shape), rows, rows=2, repeats=20, seconds=60)
    assert len(times) == 20 and shapes == [(2, 2)] * 22
    shapes.clear()
    timed(lambda batch: shapes.append(batch.shape), rows, rows=12, repeats=3, seconds=60)
    assert shapes == [(12, 2)] * 4, "too few rows are taken again"


def test_a_slow_model_is_timed_no_longer_than_asked_but_once_at_least() -> None:
    begin = time.perf_counter()
    times = timed(lambda _batch: time.sleep(0.02), FEATURES, rows=1, repeats=1000, seconds=0.01)
    assert 1 <= len(times) < 20 and time.perf_counter() - begin < 10
    assert min(times) >= 20_000
