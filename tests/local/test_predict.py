"""`steelyard predict` on really published models: raw rows in, the published figures out, TensorFlow nowhere."""

import csv
import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finish_support import FinishStage

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.cli.output import OutputFormat
from steelyard.cli.predict import predict
from steelyard.contract.stages import Reason

SMALL = {"candidates": ["DynamicRange"], "maxMetricDrop": 0.05}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> FinishStage:
    stage = FinishStage.ready(tmp_path_factory.mktemp("digits"), {"uri": "sklearn:digits", "target": "target"})
    stage.finish(publish=[{"uri": "model"}], compression=SMALL)
    return stage


@pytest.fixture(scope="module")
def diabetes(tmp_path_factory: pytest.TempPathFactory) -> FinishStage:
    stage = FinishStage.ready(tmp_path_factory.mktemp("diabetes"), {"uri": "sklearn:diabetes", "target": "target"})
    stage.finish(publish=[{"uri": "model"}], compression=SMALL)
    return stage


@pytest.fixture(scope="module")
def flats(tmp_path_factory: pytest.TempPathFactory) -> FinishStage:
    """A table with words, empty cells and labels that look like missing values."""
    folder = tmp_path_factory.mktemp("flats")
    random = np.random.default_rng(0)
    lines = ["size,place,note,label"]
    for row in range(200):
        size, place = random.normal(70, 20), random.choice(["Bern", "Köln", ""])
        label = "None" if size + 20 * (place == "Bern") > 75 else "NA"
        lines.append(f"{'' if row % 9 == 0 else round(size, 2)},{place},n{row},{label}")
    (folder / "flats.csv").write_text("\n".join(lines) + "\n")
    dataset = {"uri": "flats.csv", "target": "label", "exclude": ["note"], "missingValues": {"strategy": "Median"}}
    stage = FinishStage.ready(folder, dataset)
    stage.finish(publish=[{"uri": "model"}])
    return stage


def write(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def raw_rows(stage: FinishStage, path: Path, split: str = "test") -> Path:
    """The raw rows of a part, the target included, as a user would have them."""
    table = stage.prepared().read_raw(split)
    return write(path, table, zip(*table.values(), strict=True))


def published(stage: FinishStage) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((stage.folder / "model/steelyard.json").read_text())
    return document


def predicted(stage: FinishStage, rows: Path, capsys: pytest.CaptureFixture[str]) -> tuple[list[dict[str, str]], str]:
    """The lines of the CSV, and what was said beside it."""
    capsys.readouterr()
    predict(stage.folder / "model", rows)
    out, said = capsys.readouterr()
    return list(csv.DictReader(io.StringIO(out))), said


def in_json(stage: FinishStage, rows: Path, capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    capsys.readouterr()
    predict(stage.folder / "model", rows, output=OutputFormat.JSON, **options)
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


@pytest.mark.parametrize("name", ["digits", "flats"])
def test_the_raw_test_rows_give_the_published_test_accuracy(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = request.getfixturevalue(name)
    expected = published(stage)["metrics"]["test"]["accuracy"]["value"]
    rows = raw_rows(stage, tmp_path / "rows.csv")
    document = in_json(stage, rows, capsys)
    count = published(stage)["dataset"]["rows"]["test"]
    assert document["metric"] == {"name": "accuracy", "value": expected, "rows": count}
    assert document["rows"] == count == len(document["predictions"])
    assert 0.7 < expected <= 1
    lines, said = predicted(stage, rows, capsys)
    truth = stage.prepared().read_raw("test")[stage.prepared().target]
    assert sum(line["prediction"] == label for line, label in zip(lines, truth, strict=True)) / count == expected
    assert said.splitlines()[-1] == f"accuracy {expected:.6g} on {count} rows"
    assert len(said.splitlines()) == (1 if name == "digits" else 3)


def test_the_raw_test_rows_give_the_published_error_of_a_regression(
    diabetes: FinishStage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = published(diabetes)["metrics"]["test"]["rmse"]["value"]
    rows = raw_rows(diabetes, tmp_path / "rows.csv")
    metric = in_json(diabetes, rows, capsys)["metric"]
    assert (metric["name"], metric["value"]) == ("rmse", pytest.approx(expected, rel=1e-9))
    lines, _ = predicted(diabetes, rows, capsys)
    truth = np.array(diabetes.prepared().read_raw("test")["target"])
    # Nothing is lost in print.
    error = np.array([float(line["prediction"]) for line in lines]) - truth
    assert np.sqrt((error**2).mean()) == pytest.approx(expected, rel=1e-6)
    assert list(lines[0]) == ["prediction"]


def test_probabilities_belong_to_the_labels(
    digits: FinishStage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, _ = predicted(digits, raw_rows(digits, tmp_path / "rows.csv"), capsys)
    assert list(lines[0]) == ["prediction", "probability", *(f"probability_{digit}" for digit in range(10))]
    for line in lines:
        probabilities = {str(digit): float(line[f"probability_{digit}"]) for digit in range(10)}
        assert max(probabilities, key=lambda digit: probabilities[digit]) == line["prediction"]
        assert float(line["probability"]) == probabilities[line["prediction"]]
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_the_latency_of_one_row_is_told(
    digits: FinishStage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = raw_rows(digits, tmp_path / "rows.csv")
    assert 0 < in_json(digits, rows, capsys)["medianMicroseconds"] < 10_000


def test_columns_may_come_in_any_order_with_others_and_without_the_target(
    flats: FinishStage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted, _ = predicted(flats, write(tmp_path / "a.csv", ["size", "place"], [[50, "Bern"], [90, "Köln"]]), capsys)
    mixed = write(tmp_path / "b.csv", ["x", "place", "size"], [["?", "Bern", 50], ["?", "Köln", 90]])
    lines, said = predicted(flats, mixed, capsys)
    assert lines == wanted
    assert said == "not used: the column 'x'\n"
    assert in_json(flats, mixed, capsys)["metric"] is None


def test_order_is_kept_over_batches(digits: FinishStage, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = digits.prepared().read_raw("train")
    rows = list(zip(*table.values(), strict=True))
    many = (rows * 3)[: 3 * 1024 + 7]
    single, _ = predicted(digits, write(tmp_path / "once.csv", table, rows), capsys)
    lines, _ = predicted(digits, write(tmp_path / "many.csv", table, many), capsys)
    assert [line["prediction"] for line in lines] == [line["prediction"] for line in single * 3][: len(many)]


def test_empty_cells_get_what_training_put_there(
    flats: FinishStage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fills = {column.name: column.fill for column in flats.prepared().preprocessing.columns}
    # In a text column only the empty cell is missing, in a column of numbers NA and its kind as well.
    given = write(tmp_path / "given.csv", ["size", "place"], [["", "Bern"], ["NA", "Bern"], ["nan", "Bern"], [60, ""]])
    filled = write(tmp_path / "filled.csv", ["size", "place"], [[fills["size"], "Bern"]] * 3 + [[60, fills["place"]]])
    expected, said = predicted(flats, filled, capsys)
    assert said == ""
    assert predicted(flats, given, capsys) == (
        expected,
        "column 'size': 3 of 4 cells are empty and filled as training learned to, first in row 1\n"
        "column 'place': 1 of 4 cells is empty and filled as training learned to, first in row 4\n",
    )


def test_files_of_other_kinds(digits: FinishStage, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = raw_rows(digits, tmp_path / "rows.csv")
    expected = predicted(digits, rows, capsys)
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(rows.read_bytes()))
    (tmp_path / "rows.tsv").write_text(rows.read_text().replace(",", "\t"))
    (tmp_path / "mark.csv").write_text("\ufeff" + rows.read_text().replace("\n", "\r\n") + "\r\n\r\n", newline="")
    for name in ("rows.csv.gz", "rows.tsv", "mark.csv"):
        assert predicted(digits, tmp_path / name, capsys) == expected, name


def test_the_output_goes_into_a_file_that_is_complete_or_absent(
    digits: FinishStage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = raw_rows(digits, tmp_path / "rows.csv")
    capsys.readouterr()
    predict(digits.folder / "model", rows)
    expected = capsys.readouterr().out
    target = tmp_path / "out" / "predictions.csv"
    target.parent.mkdir()
    document = in_json(digits, rows, capsys, output_file=target)
    assert target.read_text() == expected
    assert document["output"] == str(target)
    assert "predictions" not in document
    target.unlink()
    with rows.open("a") as file:
        file.write("too,few\n")
    with pytest.raises(DataError):
        predict(digits.folder / "model", rows, output_file=target)
    assert list(target.parent.iterdir()) == []


def test_a_device_is_written_to_and_not_replaced(digits: FinishStage, tmp_path: Path) -> None:
    rows = raw_rows(digits, tmp_path / "rows.csv")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["wc", "-l", pipe], stdout=subprocess.PIPE, text=True) as reader:
        predict(digits.folder / "model", rows, output_file=pipe)
        assert reader.stdout is not None
        assert reader.stdout.read().split()[0] == "361"
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("place\nBern\n", ["lacks the column 'size'", "it has the column 'place'"]),
        ("size,place\n50,Bern\nlarge,Bern\n", ["row 2", "'size'", "'large'", "not a number"]),
        ("size,place\n50,Bern\n50\n", ["row 2", ": 1 cell, but the header names 2 columns"]),
        ("size,place,size\n1,Bern,2\n", ["'size' twice"]),
        ("size,place\n", ["has a header but no rows"]),
        ("", ["is empty"]),
        ('size,place\n50,"Bern\n', ["not a CSV file"]),
        ("size,place\ninf,Bern\n", ["row 1", "not a finite number"]),
    ],
)
def test_bad_rows(flats: FinishStage, tmp_path: Path, text: str, said: list[str]) -> None:
    (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(DataError) as caught:
        predict(flats.folder / "model", tmp_path / "rows.csv")
    assert caught.value.exit_code == 65
    for words in said:
        assert words in caught.value.message


def test_a_mistake_in_a_later_batch_is_named_by_its_row(flats: FinishStage, tmp_path: Path) -> None:
    rows = [["50", "Bern"]] * 3000
    rows[2500] = ["5O", "Bern"]
    with pytest.raises(DataError, match=r"row 2501, column 'size'"):
        predict(flats.folder / "model", write(tmp_path / "rows.csv", ["size", "place"], rows))


def test_an_empty_cell_that_a_model_of_an_older_version_can_not_fill_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published = Path(__file__).parents[1] / "data/published/diabetes-network"
    header, *rows = list(csv.reader((published / "rows.csv").read_text().splitlines()))
    rows[4][2] = ""
    with pytest.raises(DataError, match=f"row 5, column '{header[2]}'.*empty"):
        predict(published / "model", write(tmp_path / "rows.csv", header, rows))
    assert capsys.readouterr().out == ""


def test_a_target_that_is_missing_or_no_number(
    diabetes: FinishStage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = diabetes.prepared().read_raw("test")
    place = list(table).index("target")
    rows = [list(row) for row in zip(*table.values(), strict=True)]
    rows[1][place] = ""
    path = write(tmp_path / "rows.csv", table, rows)
    assert in_json(diabetes, path, capsys)["metric"]["rows"] == len(rows) - 1
    rows[3][place] = "high"
    with pytest.raises(DataError, match=r"row 4, column 'target': 'high' is not a number"):
        predict(diabetes.folder / "model", write(path, table, rows))


def test_files_that_are_not_rows(flats: FinishStage, tmp_path: Path) -> None:
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    for place, said in (("nowhere.csv", "does not exist"), (".", "is a folder"), ("picture.csv", "not a CSV file")):
        with pytest.raises(DataError, match=said):
            predict(flats.folder / "model", tmp_path / place)


def test_a_damaged_model_is_not_used(flats: FinishStage, tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.csv", ["size", "place"], [[50, "Bern"]])
    with pytest.raises(ConfigurationError, match="does not exist"):
        predict(tmp_path / "nowhere", rows)
    preprocessing = flats.folder / "model/preprocessing.json"
    whole = preprocessing.read_bytes()
    try:
        preprocessing.write_bytes(whole.replace(b"Bern", b"Born"))
        with pytest.raises(DataError, match=r"preprocessing.json is wrong") as caught:
            predict(flats.folder / "model", rows)
    finally:
        preprocessing.write_bytes(whole)
    assert caught.value.reason == Reason.MODEL_NOT_INTACT


def test_the_command_imports_litert_and_none_of_the_training_libraries(digits: FinishStage, tmp_path: Path) -> None:
    rows = raw_rows(digits, tmp_path / "rows.csv")
    script = (
        "import sys; from steelyard.cli.main import app\n"
        "app(sys.argv[1:], standalone_mode=False)\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    arguments = ["predict", str(digits.folder / "model"), "--input", str(rows), "-o", "json"]
    ended = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout)["rows"] == 360
    # One line only: LiteRT's own remarks are kept away.
    (modules,) = ended.stderr.splitlines()
    assert {"numpy", "ai_edge_litert"} <= set(modules.split())
    heavy = {"tensorflow", "keras", "sklearn", "skops", "onnxruntime", "pandas", "pyarrow", "steelyard_trainer"}
    assert not set(modules.split()) & heavy


def test_the_command_says_mistakes_without_a_traceback(flats: FinishStage, tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.csv", ["place"], [["Bern"]])
    command = [sys.executable, "-m", "steelyard.cli.main", "predict", str(flats.folder / "model"), "--input", str(rows)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (65, "")
    assert ended.stderr.startswith("error: rows.csv lacks the column 'size'")
    assert "Traceback" not in ended.stderr
