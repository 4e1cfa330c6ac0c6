"""Gradient boosting from the table to the published files: what scikit-learn says by itself of the same cells."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from predict_support import Predictor, as_csv
from predict_support import predicted as predicted
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn_support import EstimatorJob

from steelyard.api.errors import DataError
from steelyard.serving.published import PublishedModel
from steelyard.serving.tally import Tally
from steelyard_trainer.families.sklearn.skops_files import estimator_bytes
from steelyard_trainer.families.sklearn.trial import Rows, fit_on

SETTINGS = {"gradientBoosting": {"maxIterations": 20, "minSamplesLeaf": 5, "patience": 0}}
TRUSTED = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]
PLACES = ["Bern", "Köln", "Nantes", "Oslo"]


def job_on(folder: Path, target: str) -> EstimatorJob:
    """Words that decide, seconds since 1970, dates and numbers, with gaps in all of them."""
    random = np.random.default_rng(0)
    lines = ["place,when,size,day,t"]
    for row in range(700):
        place, size = PLACES[random.integers(4)], random.normal(70, 20)
        when, day = 1.7e9 + random.integers(200), f"2024-{random.integers(1, 13):02}-{random.integers(1, 29):02}"
        score = (place in ("Bern", "Oslo")) * 2.0 + (when > 1.7e9 + 100) + size / 100 + int(day[5:7]) / 12
        cells = [place, f"{when:.0f}", f"{size:.3f}", day]
        if row % 7 == 0:
            cells[random.integers(4)] = ""
        labels = {"number": f"{1e6 * score:.2f}", "two": "ab"[int(score > 2.6)], "three": "abc"[int(min(2, score))]}
        lines.append(",".join([*cells, labels[target]]))
    (folder / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    dataset = {"uri": "t.csv", "target": "t", "dates": {"day": "ISO8601"}, "missingValues": {"strategy": "Median"}}
    return EstimatorJob.on(folder, dataset)


@pytest.mark.parametrize("target", ["number", "two", "three"])
def test_both_files_say_what_scikit_learn_says(tmp_path: Path, target: str) -> None:
    job = job_on(tmp_path, target)
    rows, spec = Rows(job.prepared), job.job(SETTINGS).spec
    preprocessing = rows.preprocessing(spec)
    assert preprocessing.feature_names[:3] == ["place", "when", "size"]
    train = rows.features(rows.part("train"), spec)
    assert np.isnan(train).any()
    kind = HistGradientBoostingRegressor if target == "number" else HistGradientBoostingClassifier
    own = kind(max_iter=20, min_samples_leaf=5, categorical_features=[0], random_state=0, early_stopping=False)
    own.fit(train, rows.part("train").targets)
    features = rows.features(rows.part("test"), spec).copy()
    features[:5, 0] = np.nan
    expected = own.predict(features)[:, np.newaxis] if target == "number" else own.predict_proba(features)
    cells = {name: list(column) for name, column in job.prepared.read_raw("test").items()}
    cells["place"][:5] = ["Rome", "Reykjavík", "Kö", "9", "x"]

    for served in ("Baseline", "Onnx"):
        # A budget that lets the one that is asked for be chosen, whichever is smaller or faster.
        asked = {"candidates": [served], "maxMetricDrop": 1.0, "objective": "Size"}
        folder, _ = job.publish(SETTINGS, compression=asked)
        report = json.loads((folder / "steelyard.json").read_text())
        assert report["choice"]["chosen"] == served, report["choice"]
        tally = Tally()
        outputs = PublishedModel.load(folder).predict(cells, tally=tally).outputs
        np.testing.assert_allclose(outputs, expected, rtol=1e-9, atol=1e-9)
        assert {column: found.count for column, found in tally.unknown.items()} == {"place": 5}


def test_gaps_that_the_model_keeps_are_told_and_strict_refuses_them(tmp_path: Path, predicted: Predictor) -> None:
    places, days = ["Bern", "Oslo"] * 40, ["2024-01-05", "2023-07-01"] * 40
    rows = pd.DataFrame({"place": places, "size": [*range(80)], "day": days, "t": ["a", "b"] * 40})
    (tmp_path / "t.csv").write_bytes(as_csv(rows))
    model = EstimatorJob.on(tmp_path, {"uri": "t.csv", "target": "t"}).publish(SETTINGS)[0]
    assert predicted(model, rows, strict=True).findings == []
    gaps = as_csv(rows) + b",3,2024-01-05,a\nOslo,,,b\n"
    findings = [
        "column 'place': 1 of 82 cells is empty, which the model takes as a gap, first in row 81",
        "column 'size': 1 of 82 cells is empty, which the model takes as a gap, first in row 82",
        "column 'day': 1 of 82 cells is empty, which the model takes as a gap, first in row 82",
    ]
    assert sorted(predicted(model, gaps).findings) == sorted(findings)
    with pytest.raises(DataError, match=r"cells that --strict refuses:(?s:.*)'place'(?s:.*)'day'|'day'(?s:.*)'place'"):
        predicted(model, gaps, strict=True)


def test_skops_need_trust_trees_only(tmp_path: Path) -> None:
    job = job_on(tmp_path, "three")
    rows = Rows(job.prepared)
    content, again = (estimator_bytes(fit_on(rows.part("train"), job.job(SETTINGS).spec, rows)) for _ in range(2))
    assert skops.io.get_untrusted_types(data=content) == TRUSTED
    assert content == again
    # As the stage finish reads and publishes it, each time that it is started.
    published = [estimator_bytes(skops.io.loads(content, trusted=TRUSTED)) for _ in range(2)]
    assert published[0] == published[1]
