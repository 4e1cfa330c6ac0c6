"""What the stage finish proves of a compressed model, what it keeps for that, and where it says so."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from candidates_support import kept_candidates
from finish_support import FinishStage
from sklearn.metrics import recall_score

from steelyard.api.errors import DataError, SteelyardError
from steelyard.api.metrics import Measure
from steelyard.contract.stages import Reason
from steelyard_trainer.compression.paired import bound

CANDIDATES = ["DynamicRange", "Float16", "Int8"]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> FinishStage:
    """With 360 rows to prove by, which are enough for an equal model and one point."""
    dataset = {"uri": "sklearn:digits", "target": "target", "split": {"validation": 0.2}}
    return FinishStage.ready(tmp_path_factory.mktemp("digits"), dataset)


def finished(stage: FinishStage, **compression: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The choice that steelyard.json tells, and the result's summary."""
    summary = stage.finish(publish=[{"uri": "model"}], compression={"candidates": CANDIDATES} | compression).summary
    return json.loads((stage.folder / "model/steelyard.json").read_text())["choice"], summary


def test_each_candidate_has_the_bound_of_its_answers(digits: FinishStage) -> None:
    choice, summary = finished(digits)
    rows = digits.prepared().read("validation")
    kept = {name: np.load(folder / "answers.npz") for name, folder in kept_candidates(digits.workspace).items()}
    assert choice["confidence"] == 0.95
    for each in choice["candidates"]:
        if each["name"] == "Baseline":
            assert "dropAtMost" not in each
            continue
        before, after = kept["Baseline"]["validation"], kept[each["name"]]["validation"]
        found = bound(Measure("accuracy"), rows.targets, before, after, 0.95)
        assert each["dropAtMost"] == pytest.approx(found.upper, abs=1e-12)
        assert each["drop"] == pytest.approx(found.drop, abs=1e-12)
        assert each["proved"] == each["withinBudget"]
        assert not each["proved"] or each["dropAtMost"] <= 0.01
    told = {each["name"]: each.get("dropAtMost") for each in summary["candidates"]}
    assert told == {each["name"]: each.get("dropAtMost") for each in choice["candidates"]}


def test_float16_is_proved_and_every_place_says_so(digits: FinishStage) -> None:
    summary = digits.finish(publish=[{"uri": "half"}], compression={"candidates": ["Float16"]}).summary
    choice = json.loads((digits.folder / "half/steelyard.json").read_text())["choice"]
    assert (choice["chosen"], choice["proved"], summary["proved"]) == ("Float16", True, True)
    assert (
        choice["proof"]
        == "proved: accuracy stayed as it was; at most 0.75 points may be lost, with 95%"
        == summary["proof"]
    )
    assert choice["why"].endswith(choice["proof"])
    for page in ("README.md", "report.html"):
        assert choice["proof"].capitalize() in (digits.folder / "half" / page).read_text(), page


def test_of_too_few_rows_it_is_said_that_nothing_is_proved(digits: FinishStage) -> None:
    choice, summary = finished(digits, maxMetricDrop=0.005)
    assert choice["chosen"] != "Baseline"
    assert (choice["proved"], summary["proved"]) == (False, False)
    assert choice["proof"].startswith("not proved: accuracy ")
    assert choice["proof"].endswith("with 95%; at least 539 rows would be needed, there are 360")
    students = [*CANDIDATES, "Distill"]
    choice, _ = finished(digits, maxMetricDrop=0.005, onTooFewRows="Baseline", candidates=students)
    assert choice["chosen"] == "Baseline" and "proved" not in choice
    why = "nothing can be proved: at least 539 rows would be needed, there are 360"
    assert choice["why"] == f"the float32 model, because {why}"
    assert {each["verdict"] for each in choice["candidates"][1:]} == {f"rejected: {why}"}
    with pytest.raises(DataError, match="at least 539 rows would be needed, there are 360") as error:
        finished(digits, maxMetricDrop=0.005, onTooFewRows="Fail", candidates=students)
    assert error.value.reason == Reason.CHECK_FAILED
    assert "Distill" not in kept_candidates(digits.workspace), "none is trained to be thrown away"


def test_two_numbers_are_compared_where_that_is_asked_for(digits: FinishStage) -> None:
    choice, summary = finished(digits, proof="Point")
    assert choice["chosen"] != "Baseline"
    assert {"confidence", "proved", "proof"}.isdisjoint(choice)
    assert all("dropAtMost" not in each for each in choice["candidates"])
    assert "proved" not in summary


def test_every_class_is_looked_at_where_classes_have_a_budget(digits: FinishStage) -> None:
    """Of 36 rows a class nothing can be proved of 5 points; two numbers are compared, then, of each class, too."""
    choice, _ = finished(digits, maxMetricDrop=0.05, maxClassDrop=0.05)
    assert choice["maxClassDrop"] == 0.05 and choice["proved"] is False
    assert re.search(r"at least 52 rows of class '\d' would be needed, there are 3\d$", choice["proof"])
    assert finished(digits, maxMetricDrop=0.05, maxClassDrop=0.2)[0]["proved"] is True
    kept = {name: np.load(folder / "answers.npz") for name, folder in kept_candidates(digits.workspace).items()}
    targets = digits.prepared().read("validation").targets

    def recalls(name: str) -> Any:
        return recall_score(targets, kept[name]["validation"].argmax(axis=1), average=None)

    for each in (each for each in choice["candidates"] if each["name"] != "Baseline"):
        lost = recalls("Baseline") - recalls(each["name"])
        worst = each["worstClass"]
        assert worst["drop"] == pytest.approx(lost[int(worst["label"])], abs=1e-12) and worst["dropAtMost"] > 0.05
    compared, _ = finished(digits, maxMetricDrop=0.05, maxClassDrop=0.0, proof="Point")
    accepted = {each["name"] for each in compared["candidates"] if each["withinBudget"]}
    assert accepted == {name for name in kept if (recalls("Baseline") <= recalls(name) + 1e-9).all()}


def test_nothing_over_a_limit_is_published(digits: FinishStage) -> None:
    choice, _ = finished(digits, maxMetricDrop=0.05)
    sizes = {each["name"]: each["bytes"] for each in choice["candidates"]}
    limited, summary = finished(digits, maxMetricDrop=0.05, maxSizeBytes=sizes["Float16"], objective="Size")
    assert limited["bytes"] <= sizes["Float16"]
    assert {each["name"] for each in limited["candidates"] if each.get("overLimit")} == {"Baseline"}
    assert {each["name"] for each in summary["candidates"] if each.get("overLimit")} == {"Baseline"}
    with pytest.raises(SteelyardError) as raised:
        finished(digits, maxMetricDrop=0.05, maxSizeBytes=100)
    smallest = min(each["bytes"] for each in choice["candidates"] if each["withinBudget"])
    assert raised.value.reason == "GateFailed" and f"{smallest:,} bytes, more than the 100" in raised.value.message
    with pytest.raises(SteelyardError, match=r"one row takes .* microseconds, more than the 1e-06 of maxLatency"):
        finished(digits, maxMetricDrop=0.05, maxLatencyMicroseconds=1e-6)
    with pytest.raises(SteelyardError, match=r"it holds .* bytes of memory, more than the 1 of maxMemoryBytes"):
        finished(digits, maxMetricDrop=0.05, maxMemoryBytes=1)


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.is_file()}


def test_answers_are_kept_and_damaged_ones_made_again(digits: FinishStage) -> None:
    before, _ = finished(digits)
    kept = kept_candidates(digits.workspace)
    made = {name: times(folder) for name, folder in kept.items()}
    surer, _ = finished(digits, confidence=0.99)
    assert {name: times(folder) for name, folder in kept.items()} == made, "another confidence asks no model again"
    bounds = [[each.get("dropAtMost", 0.0) for each in choice["candidates"]] for choice in (before, surer)]
    assert all(sure > less for less, sure in zip(*bounds, strict=True) if less)
    (kept["Int8"] / "answers.npz").write_bytes(b"PK")
    (kept["Float16"] / "answers.npz").unlink()
    again, _ = finished(digits)
    changed = {name for name, folder in kept.items() if times(folder) != made[name]}
    assert changed == {"Int8", "Float16"}
    told = [[each.get("dropAtMost") for each in choice["candidates"]] for choice in (before, again)]
    assert told[0] == told[1]
