"""A figure is not told without what it is read beside: repeated rows, and what a model achieves that ignores the
features. Case 15, and its neighbours: the same fault in Parquet, of numbers, of a job that publishes nothing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn_support import EstimatorJob

from steelyard.cli.outcome import outcome_lines

CASE = Path(__file__).parents[1] / "data" / "cases" / "15-duplicates-unsaid" / "t.csv"
FOREST = {"randomForest": {"nEstimators": 20}}
SAID = "240 of 300 rows (80%) repeat an earlier one"


def job_on(folder: Path, table: pd.DataFrame, ending: str = "csv") -> EstimatorJob:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"t.{ending}"
    table.to_csv(file, index=False) if ending == "csv" else table.to_parquet(file)
    return EstimatorJob.on(folder, {"uri": file.name, "target": "y"})


def told(folder: Path, summary: dict[str, Any]) -> list[str]:
    """What the run's summary, the card and steelyard.json say of the figures; all the same."""
    report = json.loads((folder / "steelyard.json").read_text())
    card = (folder / "README.md").read_text()
    assert report["doubts"] == summary.get("doubts", [])
    lines = [line for line in outcome_lines(summary, []) if line.startswith("doubtful")]
    assert [line.removeprefix("doubtful").strip() for line in lines] == report["doubts"]
    for doubt in report["doubts"]:
        assert doubt.replace("`", "'") in card
    assert (card.index("**Doubtful:**") < card.index("| metric |")) if report["doubts"] else "Doubtful" not in card
    return list(report["doubts"])


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_rows_that_repeat_are_said_beside_the_figure(tmp_path: Path, ending: str) -> None:
    folder, outcome = job_on(tmp_path / "w", pd.read_csv(CASE), ending).publish(FOREST)
    (doubt,) = told(folder, outcome.summary)
    assert doubt.startswith(SAID)
    assert "always saying 'a': 0.5" in "\n".join(outcome_lines(outcome.summary, []))


def test_rows_that_repeat_are_said_of_numbers_and_where_nothing_is_published(tmp_path: Path) -> None:
    table = pd.read_csv(CASE).assign(y=lambda found: found["x"] * 3 + 0.25)
    job = job_on(tmp_path / "w", table)
    folder, outcome = job.publish({"ridge": {}})
    assert told(folder, outcome.summary)[0].startswith(SAID)
    from steelyard_trainer.families.sklearn.train import train_estimator

    summary = train_estimator(job._context("train", job.job({"ridge": {}}, publish=[]), "other")).summary
    assert summary["doubts"][0].startswith(SAID)
    assert summary["naive"]["mean"] == pytest.approx(outcome.summary["naive"]["mean"])


def test_a_model_that_learned_nothing_is_said_to_be_no_better_than_the_commonest_label(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    noise = pd.DataFrame({"x": random.normal(size=400), "y": random.choice(["no", "yes"], 400, p=[0.7, 0.3])})
    folder, outcome = job_on(tmp_path / "w", noise).publish(FOREST)
    (doubt,) = told(folder, outcome.summary)
    assert "is no better than" in doubt and "always saying 'no'" in doubt
    report = json.loads((folder / "steelyard.json").read_text())
    assert report["naive"]["says"] == "no"
    confusion = np.array(report["errors"]["confusion"])
    assert confusion.sum() == 80 and np.trace(confusion) / 80 == report["metrics"]["test"]["accuracy"]["value"]
    assert f"| `no` | {confusion[0, 0]} | {confusion[0, 1]} |" in (folder / "README.md").read_text()


def test_a_good_model_of_rows_that_differ_is_not_doubted(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=300)
    folder, outcome = job_on(tmp_path / "w", pd.DataFrame({"x": x, "y": 2 * x + random.normal(0, 0.1, 300)})).publish(
        {"ridge": {}}, evaluation={"metric": "medianAe"}, compression={"maxMetricDrop": 0.01}
    )
    assert told(folder, outcome.summary) == []
    report = json.loads((folder / "steelyard.json").read_text())
    assert report["choice"]["primaryMetric"] == outcome.summary["metric"] == "medianAe"
    assert abs(report["errors"]["residuals"]["0.5"]) < 0.1
    assert len(json.dumps(outcome.summary)) < 3000
