"""Where `predict` takes rows from: CSV, Parquet and standard input; nothing is written before the first have passed."""

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from predict_support import Predictor, as_csv, as_parquet
from predict_support import predicted as predicted
from sklearn_support import EstimatorJob

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.cli.predict import predict


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two numbers and a word."""
    folder = tmp_path_factory.mktemp("model")
    table().to_csv(folder / "train.csv", index=False)
    return EstimatorJob.on(folder, {"uri": "train.csv", "target": "y"}).publish({"randomForest": {"nEstimators": 5}})[0]


def table(rows: int = 200, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"a.b": random.normal(size=rows).round(3), "n": random.integers(0, 9, rows)})
    frame["town"] = random.choice(["Bern", "Köln"], rows)
    frame["y"] = np.where((frame["a.b"] > 0) ^ (frame["town"] == "Bern"), "yes", "no")
    return frame


def test_parquet_says_what_csv_says_over_many_batches(model: Path, predicted: Predictor) -> None:
    rows = table(3000, seed=1)
    expected = predicted(model, rows)
    assert len(expected.lines) == 3000 and expected.score > 0.9
    whole = predicted(model, as_parquet(rows))
    assert (whole.out, whole.err) == (expected.out, expected.err)
    # Columns in another order, with one that is of no use, and types that the training table did not have.
    other = rows.assign(extra=1, n=rows["n"].astype("int8"), town=rows["town"].astype("category"))
    said = predicted(model, as_parquet(other[["extra", "y", "town", "n", "a.b"]]))
    assert (said.out, said.err) == (expected.out, f"not used: the column 'extra'\n{expected.err}")


@pytest.mark.parametrize("kind", [pa.float32(), pa.float16(), pa.decimal128(9, 3), pa.string(), pa.large_string()])
def test_numbers_of_every_type(model: Path, predicted: Predictor, kind: pa.DataType) -> None:
    rows = table(seed=2)
    rows["a.b"] = (rows["a.b"] * 8).round() / 8
    expected = predicted(model, rows)
    plain = pa.Table.from_pandas(rows, preserve_index=False)
    given = plain.set_column(0, "a.b", pa.array(rows["a.b"]).cast(kind))
    said = predicted(model, as_parquet(given))
    assert (said.out, said.err) == (expected.out, expected.err)


FAR = pa.table({"a.b": [0.5], "n": pa.array([10**7], pa.date32()), "town": ["Bern"]})
"""A date of which Python has none."""

STYLES: dict[str, tuple[dict[str, Any], Callable[[str], bytes]]] = {
    "semicolons": ({"delimiter": ";"}, lambda text: text.replace(",", ";").encode()),
    "Latin-1": ({"encoding": "ISO-8859-1"}, lambda text: text.encode("latin-1")),
    "a title above": ({"headerRow": 3}, lambda text: f"Towns\n,,\n{text}".encode()),
    "remarks": ({"comment": "#"}, lambda text: "".join(f"# so\n{line}\n" for line in text.splitlines()).encode()),
    "decimal commas": (
        {"delimiter": ";", "decimal": ",", "thousands": "."},
        lambda text: text.replace(",", ";").replace("a.b", "a_b").replace(".", ",").replace("a_b", "a.b").encode(),
    ),
}


@pytest.mark.parametrize("style", STYLES)
def test_csv_is_read_as_the_training_table_was_written(style: str, predicted: Predictor, tmp_path: Path) -> None:
    said, write = STYLES[style]
    text = as_csv(table()).decode()
    (tmp_path / "train.csv").write_bytes(write(text))
    dataset = {"uri": "train.csv", "target": "y", "csv": said}
    model = EstimatorJob.on(tmp_path, dataset).publish({"randomForest": {"nEstimators": 5}})[0]
    expected = predicted(model, write(text))
    assert expected.score > 0.9 and expected.findings == []
    assert predicted(model, gzip.compress(write(text))).out == expected.out
    assert predicted(model, as_parquet(table())).out == expected.out
    # A plain file is read as what it is; but what its characters and numbers look like is not guessed.
    if style == "Latin-1":
        assert "words that training has not seen, first in row 2: 'KÃ¶ln'" in predicted(model, table()).findings[0]
    elif style != "decimal commas":
        assert predicted(model, table()).out == expected.out


def test_words_beyond_the_most_frequent_are_told_and_not_refused(predicted: Predictor, tmp_path: Path) -> None:
    rows = table(300)
    rows["town"] = [f"place {row}" if row < 60 else town for row, town in enumerate(rows["town"])]
    rows.to_csv(tmp_path / "train.csv", index=False)
    dataset = {"uri": "train.csv", "target": "y", "categories": {"max": 2}}
    model = EstimatorJob.on(tmp_path, dataset).publish({"randomForest": {"nEstimators": 5}})[0]
    said = predicted(model, rows, strict=True)
    assert said.findings == [
        "column 'town': 60 of 300 cells hold words that training has not seen and that count as 'other', first in "
        "row 1: 'place 0', 'place 1', 'place 2' ..."
    ]
    rows.loc[5, "n"] = None
    with pytest.raises(DataError, match=r"refuses:\n  column 'n': 1 of 300 cells is empty") as caught:
        predicted(model, rows, strict=True)
    assert "town" not in caught.value.message


def test_row_groups_and_empty_ones(model: Path, predicted: Predictor, tmp_path: Path) -> None:
    rows = table(50)
    plain = pa.Table.from_pandas(rows, preserve_index=False)
    with pa.parquet.ParquetWriter(tmp_path / "rows", plain.schema) as file:
        for start, end in ((0, 7), (7, 7), (7, 50)):
            file.write_table(plain.slice(start, end - start))
    assert predicted(model, (tmp_path / "rows").read_bytes()).out == predicted(model, rows).out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (as_parquet(table())[:500], "rows is not a whole Parquet file"),
        (as_parquet(table(0)), "rows has a header but no rows"),
        (as_parquet(table().drop(columns="n")), "rows lacks the column 'n', which the model was trained on"),
        (as_parquet(table().assign(n="many")), "row 1, column 'n': 'many' is not a number"),
        (gzip.compress(as_csv(table()), mtime=0)[:200], "rows is not a CSV file in UTF-8"),
        (as_parquet(FAR), "column 'n' holds a date outside the years 1 to 9999"),
    ],
    ids=["cut", "no rows", "no column", "no number", "cut gzip", "far date"],
)
def test_what_is_wrong_is_said(model: Path, predicted: Predictor, content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        predicted(model, content)
    assert caught.value.exit_code == 65
    assert predicted.capsys.readouterr().out == ""


def test_nothing_is_written_before_the_first_rows_have_passed(model: Path, predicted: Predictor) -> None:
    rows = table(3000).astype({"n": str})
    rows.loc[1023, "n"] = "many"
    with pytest.raises(DataError, match="row 1024, column 'n': 'many' is not a number"):
        predicted(model, rows)
    assert predicted.capsys.readouterr().out == ""
    rows.loc[[1023, 1024], "n"] = ["1", "many"]
    with pytest.raises(DataError, match="row 1025"):
        predicted(model, rows)
    assert len(predicted.capsys.readouterr().out.splitlines()) == 1025
    with pytest.raises(DataError, match="row 1025"):
        predicted(model, rows, strict=True)
    assert predicted.capsys.readouterr().out == ""


def command(model: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "steelyard.cli.main", "predict", str(model), "--input", *options]


def test_the_command_reads_standard_input_whatever_it_is(model: Path, predicted: Predictor) -> None:
    rows = table()
    expected = predicted(model, rows)
    for content in (as_csv(rows), as_parquet(rows), gzip.compress(as_csv(rows))):
        ended = subprocess.run(command(model, "-", "--strict"), input=content, capture_output=True, check=True)
        assert (ended.stdout.decode(), ended.stderr.decode()) == (expected.out, expected.err)


def test_the_command_ends_with_65_where_strict_refuses(model: Path) -> None:
    content = as_csv(table().assign(town="Ulm"))
    ended = subprocess.run(command(model, "-", "--strict"), input=content, capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (65, b"")
    assert ended.stderr.decode() == (
        "error: standard input has cells that --strict refuses:\n"
        "  column 'town': 200 of 200 cells hold words that training has not seen, first in row 1: 'Ulm'\n"
    )


def test_a_pipe_is_read_once_and_looked_at_twice(model: Path, predicted: Predictor, tmp_path: Path) -> None:
    expected = predicted(model, table())
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(as_parquet(table()),))
    writer.start()
    predict(model, pipe, strict=True)
    writer.join()
    assert predicted.capsys.readouterr().out == expected.out


def test_without_pyarrow_a_parquet_file_says_what_to_install(model: Path, tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(as_parquet(table()))
    script = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from steelyard.cli.main import main\n"
        f"sys.argv = ['steelyard', *{command(model, str(tmp_path / 'rows'))[3:]!r}]\n"
        "main()"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (ConfigurationError("").exit_code, "")
    assert ended.stderr == (
        "error: reading Parquet needs the library pyarrow, which is not installed; install it: pip install pyarrow\n"
    )
