"""What people met when they predicted: labels of another spelling, words and gaps that training never saw."""

import io
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from predict_support import Predictor, as_csv, as_parquet, model_of_case, rows_of
from predict_support import predicted as predicted
from sklearn_support import EstimatorJob

from steelyard.api.errors import DataError
from steelyard.cli.predict import predict

SCORE = "01-score-1-vs-1.0"
WORDS = "03-unknown-words"
GAP = "12-gap-first-seen-at-predict"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {case: model_of_case(case, tmp_path_factory.mktemp("case")) for case in (SCORE, WORDS, GAP)}


def numbers(frame: pd.DataFrame, *but: str) -> pd.DataFrame:
    """With numbers in place of texts in all columns but some."""
    return frame.assign(**{name: frame[name].astype(float) for name in frame if name not in but})


# --- the score --------------------------------------------------------------------------------------------------------


def test_labels_written_1_and_1_0_are_the_same(models: dict[str, Path], predicted: Predictor) -> None:
    new, trained = predicted(models[SCORE], rows_of(SCORE)), predicted(models[SCORE], rows_of(SCORE, "train.csv"))
    assert new.score == trained.score > 0.97
    assert new.out == trained.out and new.findings == []


@pytest.mark.parametrize("spelling", ["{}", " {}", "{} ", "+{}", "{}.", "{}.000"])
def test_labels_of_other_spellings(models: dict[str, Path], predicted: Predictor, spelling: str) -> None:
    rows = rows_of(SCORE, "train.csv")
    expected = predicted(models[SCORE], rows).score
    given = predicted(models[SCORE], rows.assign(y=[spelling.format(label) for label in rows["y"]]))
    assert (given.score, given.findings) == (expected, [])


@pytest.mark.parametrize("kind", ["int64", "int8", "float64", "float32", "category", "Int64"])
def test_labels_of_a_parquet_file(models: dict[str, Path], predicted: Predictor, kind: str) -> None:
    rows = numbers(rows_of(SCORE))
    expected = predicted(models[SCORE], rows).score
    given = predicted(models[SCORE], as_parquet(rows.assign(y=rows["y"].astype("int64").astype(kind))))
    assert (given.score, given.findings) == (expected, [])


def test_a_label_that_training_has_not_seen_is_told(models: dict[str, Path], predicted: Predictor) -> None:
    rows = rows_of(SCORE, "train.csv")
    rows.loc[[3, 5, 7], "y"] = ["yes", "2", "yes"]
    said = predicted(models[SCORE], rows)
    assert said.findings == [
        "column 'y': 3 of 200 cells hold labels that training has not seen, first in row 4: 'yes', '2'"
    ]
    with pytest.raises(DataError, match="--strict refuses:\n  column 'y': 3 of 200 cells hold labels"):
        predicted(models[SCORE], rows, strict=True)


def test_rows_without_a_target_are_not_scored_and_that_is_said(models: dict[str, Path], predicted: Predictor) -> None:
    rows = rows_of(SCORE)
    whole = predicted(models[SCORE], rows)
    wrong = [
        row for row, (line, label) in enumerate(zip(whole.predictions, rows["y"], strict=True)) if line != label[0]
    ]
    rows.loc[[*range(50)], "y"] = ["", "  ", "NA", "nan", "NaN"] * 10
    said = predicted(models[SCORE], rows)
    right = 150 - len([row for row in wrong if row >= 50])
    assert said.err == f"accuracy {right / 150:.6g} on 150 rows (the target is missing in 50 others)\n"
    assert predicted.in_json(models[SCORE], rows)["metric"] == {
        "name": "accuracy",
        "value": right / 150,
        "rows": 150,
        "rowsWithoutTarget": 50,
    }
    said = predicted(models[SCORE], rows.assign(y=""))
    assert said.err == "not compared with the target 'y': it is missing in all rows\n"
    assert predicted.in_json(models[SCORE], rows.assign(y=""))["metric"] is None
    assert said.out == whole.out


def train(folder: Path, cells: dict[str, list[Any]], model: dict[str, Any], **dataset: Any) -> Path:
    """A model over a table; its column y is the target."""
    pd.DataFrame(cells).to_csv(folder / "train.csv", index=False)
    return EstimatorJob.on(folder, {"uri": "train.csv", "target": "y", **dataset}).publish(model)[0]


FOREST = {"randomForest": {"nEstimators": 5}}


@pytest.mark.parametrize("written", [("True", "False"), ("true", "false"), ("TRUE", "FALSE")])
def test_truth_values_have_one_spelling(tmp_path: Path, predicted: Predictor, written: tuple[str, str]) -> None:
    x = [float(number % 40) for number in range(80)]
    model = train(tmp_path, {"x": x, "y": [written[number < 20] for number in x]}, FOREST)
    for yes, no in (("True", "False"), ("TRUE", "FALSE"), (" true", "false ")):
        said = predicted(model, pd.DataFrame({"x": x, "y": [no if number < 20 else yes for number in x]}))
        assert (said.score, said.findings) == (1.0, [])
    said = predicted(model, as_parquet(pd.DataFrame({"x": x, "y": [number >= 20 for number in x]})))
    assert (said.score, said.findings) == (1.0, [])


def test_codes_with_leading_zeros_are_words(tmp_path: Path, predicted: Predictor) -> None:
    x = [float(number % 40) for number in range(80)]
    model = train(tmp_path, {"x": x, "y": ["01" if number < 20 else "10" for number in x]}, FOREST)
    assert predicted(model, pd.DataFrame({"x": x, "y": ["01 " if number < 20 else "10" for number in x]})).score == 1.0
    said = predicted(model, pd.DataFrame({"x": x, "y": ["1" if number < 20 else "10" for number in x]}))
    assert (
        said.score == 0.5 and "40 of 80 cells hold labels that training has not seen, first in row 1: '1'" in said.err
    )


def test_the_error_of_a_regression_takes_numbers_however_they_are_typed(tmp_path: Path, predicted: Predictor) -> None:
    x = [number / 7 for number in range(80)]
    y = [3 * number + 1e6 for number in x]
    model = train(tmp_path, {"x": x, "y": y}, {"ridge": {}})
    expected = predicted(model, pd.DataFrame({"x": x, "y": y}))
    assert 0 < expected.score < 10
    assert predicted(model, pd.DataFrame({"x": x, "y": [f" {number!r} " for number in y]})).err == expected.err
    assert predicted(model, as_parquet(pd.DataFrame({"x": x, "y": y}))).err == expected.err
    some = predicted(model, as_parquet(pd.DataFrame({"x": x, "y": [None, math.nan, *y[2:]]})))
    assert "on 78 rows (the target is missing in 2 others)" in some.err
    with pytest.raises(DataError, match=r"row 3, column 'y'.*'high' is not a number"):
        predicted(model, pd.DataFrame({"x": x, "y": [*map(str, y[:2]), "high", *map(str, y[3:])]}))


# --- words that training has not seen ---------------------------------------------------------------------------------


def test_blanks_around_a_word_do_not_matter(models: dict[str, Path], predicted: Predictor) -> None:
    trained, new = rows_of(WORDS, "train.csv"), rows_of(WORDS)
    said = predicted(models[WORDS], new)
    assert said.score == predicted(models[WORDS], trained).score > 0.97
    assert said.findings == []
    behind = trained.assign(c=[f"\t{word}\u00a0 " for word in trained["c"]])
    assert predicted(models[WORDS], behind).out == said.out


@pytest.mark.parametrize("form", ["csv", "parquet", "categorical"])
def test_unknown_words_are_counted_with_examples(models: dict[str, Path], predicted: Predictor, form: str) -> None:
    rows = numbers(rows_of(WORDS), "c", "y")
    rows.loc[[4, 9, 20, 21, 22, 23], "c"] = ["violet", "Red", "violet", "pink", "teal", " pink"]
    content = {
        "csv": as_csv(rows),
        "parquet": as_parquet(rows),
        "categorical": as_parquet(rows.assign(c=rows["c"].astype("category"))),
    }[form]
    said = predicted(models[WORDS], content)
    assert said.findings == [
        "column 'c': 6 of 200 cells hold words that training has not seen, first in row 5: 'violet', 'Red', 'pink' ..."
    ]
    assert len(said.lines) == 200
    found = predicted.in_json(models[WORDS], content)["columns"]
    assert found == {"c": {"unknown": 6, "examples": ["violet", "Red", "pink"]}}


def test_strict_refuses_an_unknown_word_before_the_first_line(
    models: dict[str, Path], predicted: Predictor, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = pd.concat([rows_of(WORDS)] * 11, ignore_index=True)
    assert predicted(models[WORDS], rows, strict=True).out == predicted(models[WORDS], rows).out
    rows.loc[2100, "c"] = "violet"
    with pytest.raises(DataError) as caught:
        predict(models[WORDS], predicted.file(rows), strict=True)
    assert caught.value.exit_code == 65
    assert caught.value.message == (
        "rows has cells that --strict refuses:\n"
        "  column 'c': 1 of 2,200 cells holds a word that training has not seen, first in row 2,101: 'violet'"
    )
    target = tmp_path / "predictions.csv"
    with pytest.raises(DataError):
        predict(models[WORDS], predicted.file(rows), output_file=target, strict=True)
    assert capsys.readouterr().out == "" and not target.exists()


def test_numbers_that_are_categories_have_one_spelling(tmp_path: Path, predicted: Predictor) -> None:
    zone = [number % 4 for number in range(120)]
    y = ["a" if number in (1, 2) else "b" for number in zone]
    model = train(tmp_path, {"zone": zone, "x": [1.0, 2.0] * 60, "y": y}, FOREST, categorical=["zone"])
    frame = pd.DataFrame({"zone": zone, "x": [1.0, 2.0] * 60, "y": y})
    for given in (
        frame,
        frame.assign(zone=frame["zone"].astype(float)),
        frame.assign(zone=[f" {number}.0" for number in zone]),
    ):
        for content in (as_csv(given), as_parquet(given)):
            said = predicted(model, content)
            assert (said.score, said.findings) == (1.0, [])
    said = predicted(model, as_parquet(frame.assign(zone=frame["zone"] + 0.5)))
    assert said.findings == [
        "column 'zone': 120 of 120 cells hold words that training has not seen, first in row 1: '0.5', '1.5', '2.5' ..."
    ]


# --- gaps that training has not seen ----------------------------------------------------------------------------------


def test_a_gap_first_seen_here_is_filled_and_counted(models: dict[str, Path], predicted: Predictor) -> None:
    whole, new = predicted(models[GAP], rows_of(GAP, "train.csv")), predicted(models[GAP], rows_of(GAP))
    assert new.findings == ["column 'v': 1 of 200 cells is empty and filled as training learned to, first in row 6"]
    assert len(new.lines) == 200 and new.score == pytest.approx(whole.score, abs=0.0051)
    assert [a for row, a in enumerate(new.lines) if row != 5] == [a for row, a in enumerate(whole.lines) if row != 5]
    assert predicted.in_json(models[GAP], rows_of(GAP))["columns"] == {"v": {"filled": 1}}


@pytest.mark.parametrize("gap", ["", "   ", "NA", "nan", "null"])
def test_gaps_however_they_are_written(models: dict[str, Path], predicted: Predictor, gap: str) -> None:
    rows = rows_of(GAP)
    rows.loc[5, "v"] = gap
    assert predicted(models[GAP], rows).out == predicted(models[GAP], rows_of(GAP)).out


@pytest.mark.parametrize("gap", [None, math.nan])
def test_gaps_of_a_parquet_file(models: dict[str, Path], predicted: Predictor, gap: float | None) -> None:
    rows = numbers(rows_of(GAP, "train.csv"), "y")
    table = pa.table({"x": rows["x"], "v": pa.array([*rows["v"][:5], gap, *rows["v"][6:]]), "y": rows["y"]})
    said, expected = predicted(models[GAP], as_parquet(table)), predicted(models[GAP], rows_of(GAP))
    assert (said.out, said.err) == (expected.out, expected.err)


def test_strict_refuses_gaps_and_unknown_words_together(models: dict[str, Path], predicted: Predictor) -> None:
    rows = rows_of(WORDS)
    rows.loc[3, "x"], rows.loc[[1, 7], "c"] = "", ["", "violet"]
    with pytest.raises(DataError) as caught:
        predicted(models[WORDS], rows, strict=True)
    assert caught.value.message.splitlines()[1:] == [
        "  column 'c': 1 of 200 cells is empty and filled as training learned to, first in row 2",
        "  column 'x': 1 of 200 cells is empty and filled as training learned to, first in row 4",
        "  column 'c': 1 of 200 cells holds a word that training has not seen, first in row 8: 'violet'",
    ]
    assert len(predicted(models[WORDS], rows).findings) == 3


def test_a_word_that_is_missing_counts_as_the_commonest_word(models: dict[str, Path], predicted: Predictor) -> None:
    column = json.loads((models[WORDS] / "preprocessing.json").read_text())["columns"][0]
    assert column["fill"] in column["words"] == ["blue", "green", "red"]
    rows = rows_of(WORDS, "train.csv")
    filled = predicted(models[WORDS], rows.assign(c=column["fill"]))
    assert predicted(models[WORDS], rows.assign(c=" ")).out == filled.out


# --- where rows come from ---------------------------------------------------------------------------------------------


def from_standard_input(content: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    return Path("-")


@pytest.mark.parametrize("case", [SCORE, WORDS, GAP])
@pytest.mark.parametrize("strict", [False, True])
def test_standard_input_is_like_a_file(
    models: dict[str, Path],
    predicted: Predictor,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    case: str,
    strict: bool,
) -> None:
    rows = numbers(rows_of(case, "train.csv"), "c", "y")
    expected = predicted(models[case], rows)
    for content in (as_csv(rows), as_parquet(rows)):
        predict(models[case], from_standard_input(content, monkeypatch), strict=strict)
        assert (found := capsys.readouterr()).out == expected.out
        assert found.err == expected.err
    with pytest.raises(DataError, match="standard input is empty"):
        predict(models[case], from_standard_input(b"", monkeypatch))
