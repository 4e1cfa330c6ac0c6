"""A search of candidates whose process is killed at a random moment: it makes nothing twice, and chooses the same.
In CI the kill of tests/local/test_auto_search.py stands for these."""

import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from finish_support import FinishStage, report_of
from seeds import seeds

DIGITS = {"uri": "sklearn:digits", "target": "target"}
SEARCH: dict[str, Any] = {
    "compression": {"candidates": ["Auto"], "maxTrainings": 2, "maxMetricDrop": 0.05, "proof": "Point"},
    "training": {"epochs": 4, "optimizer": {"learningRate": 0.01}},
    "publish": [{"uri": "model"}],
}


@dataclass(frozen=True)
class Whole:
    """A search that nobody killed."""

    made: set[str]
    choice: dict[str, Any]
    seconds: float
    """From the start of its process to its end."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    stage = FinishStage.ready(tmp_path_factory.mktemp("whole"), DIGITS)
    began = time.monotonic()
    code, _, errors = stage.run(**SEARCH)
    assert code == 0, errors
    return Whole(set(finished(stage)), choice_of(stage), time.monotonic() - began)


def finished(stage: FinishStage) -> dict[str, int]:
    """What was made, and which file says so: one that is made anew is another file."""
    return {path.parent.name: path.stat().st_ino for path in stage.workspace.finished.glob("*/*/step.json")}


def choice_of(stage: FinishStage) -> dict[str, Any]:
    choice = report_of(stage.folder / "model")["choice"]
    of_each = {each["name"]: (each["bytes"], each["validation"], each["withinBudget"]) for each in choice["candidates"]}
    return {name: choice[name] for name in ("chosen", "bytes", "searched")} | of_each


@pytest.mark.parametrize("seed", seeds(20, 0))
def test_a_search_that_is_killed_at_any_moment_makes_nothing_twice_and_chooses_the_same(
    whole: Whole, tmp_path: Path, seed: int
) -> None:
    stage = FinishStage.ready(tmp_path, DIGITS)
    process = stage.start(**SEARCH)
    time.sleep(random.Random(seed).uniform(0.1, 1) * whole.seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = finished(stage)
    code, _, errors = stage.run(**SEARCH)
    assert code == 0, errors
    assert before.items() <= finished(stage).items(), "what was finished stays as it was"
    assert set(finished(stage)) == whole.made
    assert choice_of(stage) == whole.choice
