"""What people met in their tables, as small inputs, and three neighbors of each: columns that are misread end a job or
are read right, and predict reads them as training did."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from cells_support import Case, parquet
from predict_support import Predictor, as_parquet, rows_of
from predict_support import predicted as predicted
from sklearn_support import EstimatorJob

from steelyard.api.errors import DataError

INDEX = "04-parquet-pandas-index"
THOUSANDS = "07-thousands-currency"
BLANK = "09-label-blank"
GAP = "16-target-gap"


def test_a_saved_index_is_left_out_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = Case(tmp_path, INDEX)
    assert case.prepared.columns == (("noise", "Number"),)
    assert case.prepared.findings["leftOut"] == ["__index_level_0__"]
    assert "left out: '__index_level_0__', pandas' saved index" in capsys.readouterr().out
    assert 0.25 < case.score("accuracy") < 0.75


@pytest.mark.parametrize("index", ["two", "named", "text", "nameless"])
def test_indexes_of_other_kinds_are_left_out(tmp_path: Path, index: str) -> None:
    frame = pd.DataFrame(
        {"noise": np.arange(60) % 7, "y": ["a", "b"] * 30, "k": range(60), "t": [f"k{i}" for i in range(60)]}
    )
    frame = frame.set_index({"two": ["k", "t"], "named": ["k"], "text": ["t"], "nameless": ["k"]}[index])
    if index == "nameless":
        frame.index.name = ""
    case = Case(tmp_path, INDEX, parquet(tmp_path / "own.parquet", frame))
    kept = {"two": (), "text": (("k", "Number"),)}.get(index, (("t", "Category"),))
    assert dict(case.prepared.columns) == {"noise": "Number", **dict(kept)}


def test_an_index_without_a_column_and_one_that_is_named_are_no_matter(tmp_path: Path) -> None:
    frame = pd.DataFrame({"noise": np.arange(60) % 7, "y": ["a", "b"] * 30})
    case = Case(tmp_path, INDEX, parquet(tmp_path / "own.parquet", frame))
    assert (case.prepared.columns, case.prepared.findings["leftOut"]) == ((("noise", "Number"),), [])
    frame.index = pd.Index([number % 5 for number in range(60)], name="code")
    (tmp_path / "b").mkdir()
    case = Case(tmp_path / "b", INDEX, parquet(tmp_path / "own2.parquet", frame), categorical=["code"])
    assert dict(case.prepared.columns) == {"noise": "Number", "code": "Category"}


def test_a_column_of_numbers_in_other_clothes_is_refused_with_the_lines_to_write(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        Case(tmp_path, THOUSANDS)
    for part in (
        "'population'",
        "100%",
        "'1,008,294'",
        "numbers: {population: {thousands: ','}}",
        "dataset.categorical: [population]",
    ):
        assert part in refused.value.message


@pytest.mark.parametrize("said", [{"numbers": {"population": {"thousands": ","}}}, {"csv": {"thousands": ","}}])
def test_what_the_message_says_reads_them(tmp_path: Path, predicted: Predictor, said: dict[str, Any]) -> None:
    case = Case(tmp_path, THOUSANDS, **said)
    assert case.score("r2") > 0.99
    rows = rows_of(THOUSANDS, "t.csv")
    assert predicted(case.folder, rows).score < 0.01 * rows["y"].astype(float).std()
    # A number is a number, in another file and format.
    plain = rows.assign(population=[int(cell.replace(",", "")) for cell in rows["population"]])
    assert predicted(case.folder, plain).out == predicted(case.folder, rows).out
    assert predicted(case.folder, as_parquet(plain)).out == predicted(case.folder, rows).out


def amounts(count: int = 200) -> tuple[list[float], list[float]]:
    values = np.random.default_rng(5).integers(1000, 9_999_999, count) / 100
    return values.tolist(), (values * 2 + 1).tolist()


@pytest.mark.parametrize(
    ("form", "style"),
    [
        (lambda x: f"${x:,.2f}", {"prefix": "$", "thousands": ","}),
        (
            lambda x: f"{x:,.2f} €".replace(",", " ").replace(".", ","),
            {"decimal": ",", "thousands": " ", "suffix": "€"},
        ),
        (lambda x: f"{x:.2f}%", {"suffix": "%"}),
        (lambda x: f"{x:.2f}".replace(".", ","), {"decimal": ","}),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_other_ways_to_write_numbers(tmp_path: Path, kind: str, form: Any, style: dict[str, str]) -> None:
    values, targets = amounts()
    frame = pd.DataFrame({"amount": [form(value) for value in values], "y": targets})
    table = tmp_path / f"own.{kind}"
    frame.to_csv(table, index=False) if kind == "csv" else frame.to_parquet(table, index=False)
    with pytest.raises(DataError, match="100% of its different values read as") as refused:
        Case(tmp_path, THOUSANDS, table)
    # The line that the message says is the line that works.
    line = refused.value.message.split("write under dataset: ")[1].split("; if they are names")[0]
    assert yaml.safe_load(line) == {"numbers": {"amount": style}}
    shutil.rmtree(tmp_path / "workspace")
    case = Case(tmp_path, THOUSANDS, table, **yaml.safe_load(line))
    assert case.score("r2") > 0.999


@pytest.mark.parametrize("gap", ["?", "-", "unknown"])
def test_words_for_gaps_among_numbers(tmp_path: Path, predicted: Predictor, gap: str) -> None:
    values, targets = amounts()
    cells = [gap if row % 4 == 0 else f"{value}" for row, value in enumerate(values)]
    frame = pd.DataFrame({"amount": cells, "more": values, "y": targets})
    with pytest.raises(DataError, match=r"write under dataset: numbers: .* and missingMarkers: ") as refused:
        Case(tmp_path, THOUSANDS, frame)
    assert repr(gap) in refused.value.message or f"[{gap}]" in refused.value.message
    shutil.rmtree(tmp_path / "workspace")
    case = Case(tmp_path, THOUSANDS, frame, missingMarkers=[gap], missingValues={"strategy": "Mean"})
    assert case.prepared.findings["missing"] == {"amount": 50}
    case.score("r2")
    assert (
        predicted(case.folder, frame).findings[0].startswith("amount: 50") or "50" in predicted(case.folder, frame).err
    )


def test_few_words_among_numbers_name_the_place_and_the_field(tmp_path: Path) -> None:
    values, targets = amounts()
    frame = pd.DataFrame(
        {"amount": ["?" if row == 50 else str(value) for row, value in enumerate(values)], "y": targets}
    )
    with pytest.raises(
        DataError, match=r"row 51 \(line 52\), column 'amount': '\?' is not a number.*missingMarkers: \['\?'\]"
    ):
        Case(tmp_path, THOUSANDS, frame)


@pytest.mark.parametrize("cells", [["007", "012", "100"], ["00501", "90210", "10001"]])
def test_codes_of_one_width_are_words_without_asking(tmp_path: Path, cells: list[str]) -> None:
    frame = pd.DataFrame({"zip": cells * 40, "x": range(120), "y": [1.5, 2.5, 3.5] * 40})
    assert Case(tmp_path, THOUSANDS, frame).prepared.preprocessing.columns[0].words == tuple(sorted(cells))


def test_codes_whose_zeros_come_late_are_words_too(tmp_path: Path) -> None:
    zips = [f"{90000 + row % 50}" for row in range(8000)] + ["00501"] * 2000
    frame = pd.DataFrame({"zip": zips, "y": np.arange(10_000) + 0.5})
    assert "00501" in Case(tmp_path, THOUSANDS, frame).prepared.preprocessing.columns[0].words


def test_codes_with_letters_are_words_when_the_manifest_says_so(tmp_path: Path) -> None:
    frame = pd.DataFrame({"code": ["12A", "13", "14", "15"] * 30, "y": np.arange(120) + 0.5})
    with pytest.raises(DataError, match=r"75% of its different values.*dataset.categorical: \[code\]"):
        Case(tmp_path, THOUSANDS, frame)
    shutil.rmtree(tmp_path / "workspace")
    case = Case(tmp_path, THOUSANDS, frame, categorical=["code"])
    assert case.prepared.preprocessing.columns[0].words == ("12A", "13", "14", "15")


def test_blanks_around_labels_make_no_classes(tmp_path: Path) -> None:
    case = Case(tmp_path, BLANK)
    assert case.prepared.classes == ("no", "yes")
    assert case.score("accuracy") >= 0.95


def separated(labels: list[str], **columns: Any) -> pd.DataFrame:
    """One number that tells the labels apart."""
    order = sorted(set(labels))
    return pd.DataFrame(
        {"x": [order.index(label) * 5.0 + row % 3 for row, label in enumerate(labels)], **columns, "y": labels}
    )


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["1", "1.0", "0", "0.0 "], ("0", "1")),
        (["true", "False", " TRUE", "false"], ("false", "true")),
        (["\tup", "up ", "down", "down\u00a0"], ("down", "up")),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_labels_of_one_value_are_one_class(
    tmp_path: Path, kind: str, labels: list[str], classes: tuple[str, ...]
) -> None:
    frame = separated(labels * 30)
    table = tmp_path / f"own.{kind}"
    frame.to_csv(table, index=False) if kind == "csv" else frame.to_parquet(table, index=False)
    assert Case(tmp_path, BLANK, table).prepared.classes == classes


def test_words_of_features_lose_their_blanks_too(tmp_path: Path, predicted: Predictor) -> None:
    frame = pd.DataFrame({"w": ["a", "a ", " b", "b"] * 30, "y": ["n", "n", "p", "p"] * 30})
    case = Case(tmp_path, BLANK, frame)
    assert case.prepared.preprocessing.feature_names == ["w=a", "w=b"]
    assert case.score("accuracy") == 1
    assert predicted(case.folder, frame.assign(w=["a", "  a", "b  ", "b"] * 30)).score == 1


def test_labels_that_look_alike_are_told_with_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = Case(tmp_path, BLANK, separated(["Yes", "yes", "no", "01", "1"] * 30))
    assert case.prepared.classes == ("01", "1", "Yes", "no", "yes")
    assert case.prepared.findings["lookAlikeLabels"] == [{"01": 30, "1": 30}, {"Yes": 30, "yes": 30}]
    assert "labels that look alike are different classes: 'Yes' (30 rows), 'yes' (30 rows)" in capsys.readouterr().out


def test_rows_without_a_target_end_the_job_and_the_message_names_the_field(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing in 1 of 200 rows.*dataset.missingValues: \{target: DropRow\}"):
        Case(tmp_path, GAP)


def test_rows_without_a_target_are_left_out_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = Case(tmp_path, GAP, missingValues={"target": "DropRow"})
    assert case.prepared.findings["droppedTargets"] == 1
    assert sum(case.prepared.rows.values()) == 199 == case.prepared.source_rows - case.prepared.dropped_rows
    assert "1 row is left out, as its target is missing" in capsys.readouterr().out
    assert case.score("accuracy") > 0.9


@pytest.mark.parametrize(
    ("gaps", "dataset"),
    [(["", "  "], {}), (["NaN", "?"], {"missingMarkers": ["?"]}), (["", "n.a."], {"missingMarkers": ["n.a."]})],
)
@pytest.mark.parametrize("kind", ["words", "numbers"])
@pytest.mark.parametrize("file", ["csv", "parquet"])
def test_targets_are_missing_in_many_ways(
    tmp_path: Path, file: str, kind: str, gaps: list[str], dataset: dict[str, Any]
) -> None:
    given = ["p", "n"] * 50 if kind == "words" else [f"{row}.5" for row in range(100)]
    frame = pd.DataFrame({"x": range(102), "y": [*gaps, *given]})
    table = tmp_path / f"own.{file}"
    frame.to_csv(table, index=False) if file == "csv" else frame.to_parquet(table, index=False)
    job = EstimatorJob.on(
        tmp_path, {"uri": str(table), "target": "y", "missingValues": {"target": "DropRow"}, **dataset}
    )
    assert job.prepared.dropped_rows == job.prepared.findings["droppedTargets"] == 2
    assert job.prepared.classes == (("n", "p") if kind == "words" else None)
    assert min(job.prepared.read("train").rows) >= 2


def test_target_and_feature_gaps_can_be_left_out_together(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": ["", *range(1, 100)], "y": ["a", None, *["a", "b"] * 49]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    missing = {"target": "DropRow", "strategy": "DropRow"}
    job = EstimatorJob.on(tmp_path, {"uri": "t.csv", "target": "y", "missingValues": missing})
    assert (job.prepared.dropped_rows, job.prepared.findings["droppedTargets"]) == (2, 1)


def test_a_gap_that_only_prediction_meets_is_filled_whatever_the_strategy(tmp_path: Path, predicted: Predictor) -> None:
    for number, strategy in enumerate(("Fail", "DropRow")):
        folder = tmp_path / str(number)
        folder.mkdir()
        case = Case(folder, BLANK, missingValues={"strategy": strategy})
        case.score("accuracy")
        rows = rows_of(BLANK, "t.csv")
        rows.loc[3, "x"] = ""
        said = predicted(case.folder, rows)
        assert len(said.predictions) == len(rows) and "x" in said.findings[0]
