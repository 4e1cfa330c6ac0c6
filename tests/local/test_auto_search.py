"""A search of candidates (compression.candidates: [Auto]) on a real network: what it trains and publishes, and that a
kill changes nothing."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from finish_support import FinishStage, report_of

from steelyard_trainer.contract import Outcome

DIGITS = {"uri": "sklearn:digits", "target": "target"}
TRAINING = {"epochs": 4, "optimizer": {"learningRate": 0.01}}
FORMATS = {"DynamicRange", "Float16", "Int8", "Int4", "Int4-blocks"}


def searching(**settings: Any) -> dict[str, Any]:
    asked = {"candidates": ["Auto"], "maxTrainings": 2, "maxMetricDrop": 0.05, "proof": "Point", **settings}
    return {"compression": asked, "training": TRAINING, "publish": [{"uri": "model"}]}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> FinishStage:
    return FinishStage.ready(tmp_path_factory.mktemp("whole"), DIGITS)


@pytest.fixture(scope="module")
def outcome(stage: FinishStage) -> Outcome:
    return stage.finish(**searching())


def finished(stage: FinishStage) -> dict[str, int]:
    """What was made, and which file says so: one that is made anew is another file."""
    return {path.parent.name: path.stat().st_ino for path in stage.workspace.finished.glob("*/*/step.json")}


def test_a_search_publishes_less_than_the_best_format_with_no_more_trainings_than_it_may(
    stage: FinishStage, outcome: Outcome
) -> None:
    choice = report_of(stage.folder / "model")["choice"]
    sizes = {each["name"]: each["bytes"] for each in choice["candidates"]}
    assert set(sizes) > FORMATS
    assert choice["chosen"].startswith("width-") and choice["bytes"] < min(sizes[name] for name in FORMATS) / 2
    assert {name.split("-")[1] for name in sizes if name.startswith("width")} <= {"0.25", "0.125", "0.5"}
    searched = choice["searched"]
    assert searched["trainings"] == 2 and 0 < searched["work"] < 3
    assert searched["ended"] == "maxTrainings 2 were made"
    assert outcome.summary["searched"] == searched["told"]


def test_a_search_that_is_killed_makes_nothing_twice_and_chooses_the_same(
    stage: FinishStage, outcome: Outcome, tmp_path: Path
) -> None:
    killed = FinishStage.ready(tmp_path / "killed", DIGITS)
    process = killed.start(**searching())
    assert process.stdout is not None and process.stderr is not None
    # Other moments: the unit tests of the search.
    next(line for line in process.stdout if "training 2 of at most 2" in line)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stderr.close()
    before = finished(killed)
    again = killed.finish(**searching())
    assert before.items() <= finished(killed).items(), "what was finished stays as it was"
    assert finished(killed).keys() == finished(stage).keys()
    told = ("chosen", "bytes", "searched")
    assert [again.summary[each] for each in told] == [outcome.summary[each] for each in told]


def test_formats_are_weighed_where_no_training_fits(stage: FinishStage, outcome: Outcome) -> None:  # noqa: ARG001
    summary = stage.finish(**searching(maxWork=0.001)).summary
    assert summary["chosen"] in FORMATS
    assert "0 trainings of at most 2" in summary["searched"] and "has no room for width-0.25" in summary["searched"]


def test_nothing_is_searched_where_nothing_can_be_proved(stage: FinishStage, outcome: Outcome) -> None:  # noqa: ARG001
    unproved = {"proof": "HeldOut", "onTooFewRows": "Baseline", "maxMetricDrop": 0.001}
    summary = stage.finish(**searching(**unproved)).summary
    assert (summary["chosen"], summary.get("searched")) == ("Baseline", None)


def test_a_search_ended_by_the_clock_says_so(stage: FinishStage, outcome: Outcome) -> None:  # noqa: ARG001
    # Other search settings, the same model: nothing is to be trained anew, and the clock ends what is not made yet.
    searched = json.dumps(stage.finish(**searching(maxMinutes=1e-6, maxTrainings=3)).summary["searched"])
    assert "2 trainings of at most 3" in searched and "ended by the clock: another run may differ" in searched
