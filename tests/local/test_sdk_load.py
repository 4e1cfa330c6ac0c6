"""`steelyard.load`: published models, and predictions of every kind of table."""

import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import steelyard
from steelyard.sdk.model import BATCH_ROWS
from steelyard.serving.runtimes import RUNTIMES

PUBLISHED = Path(__file__).parents[1] / "data/published"
FOREST, RIDGE, NETWORK, FLATS = (
    PUBLISHED / name for name in ("wine-forest", "rent-ridge", "diabetes-network", "flats-network")
)


def test_loading_a_network_and_predicting_import_neither_tensorflow_nor_pandas() -> None:
    program = (
        f"import sys, steelyard; model = steelyard.load({str(NETWORK / 'model')!r}); "
        "model.predict({name: [0.5] for name in model.features}); "
        "print([name for name in ('tensorflow', 'keras', 'pandas', 'sklearn', 'pyarrow') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert found.stdout.strip() == "[]"


# --- load -------------------------------------------------------------------------------------------------------------


def rows_of(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "rows.csv", keep_default_na=False, na_values=[""])


def predictions_of(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "predictions.csv", keep_default_na=False)


@pytest.mark.parametrize("kind", [str, Path])
def test_a_folder_may_be_a_text_or_a_path(kind: type) -> None:
    assert steelyard.load(kind(FOREST / "model")).task == "Classification"


def test_metadata_is_what_was_published() -> None:
    model = steelyard.load(FOREST / "model")
    assert model.metadata["metrics"]["test"]["accuracy"]["value"] == 1.0
    assert model.target == "target" and model.features[:2] == ["alcohol", "malic_acid"]
    assert repr(model) == "<Model forest: Classification of 3 classes of 'target'>"
    model.metadata.clear()
    assert model.metadata


def test_verify_gives_the_digest_and_names_what_is_wrong(tmp_path: Path) -> None:
    folder = shutil.copytree(FOREST / "model", tmp_path / "model")
    model = steelyard.load(folder)
    assert model.verify() == model.verify(model.digest) == model.digest
    with pytest.raises(steelyard.DataError, match="SHA256SUMS has another digest"):
        model.verify("0" * 64)
    (folder / "README.md").write_text("better")
    with pytest.raises(steelyard.DataError, match=r"README\.md is wrong"):
        model.verify()
    (folder / "model.onnx").write_bytes(b"")
    with pytest.raises(steelyard.DataError, match=r"model\.onnx is wrong"):
        steelyard.load(folder)


def test_what_is_no_model_is_an_error_of_the_library(tmp_path: Path) -> None:
    with pytest.raises(steelyard.ConfigurationError, match="does not exist") as caught:
        steelyard.load(tmp_path / "none")
    assert caught.value.exit_code == 78 and isinstance(caught.value, steelyard.SteelyardError)
    with pytest.raises(steelyard.ConfigurationError, match="holds no published model"):
        steelyard.load(tmp_path)


def test_nothing_in_the_folder_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shutil.copytree(FOREST / "model", tmp_path / "model")
    evil = f"open({str(tmp_path / 'executed')!r}, 'w')"
    for name in ("__init__", "model", "numpy", "onnxruntime", "skops", "sitecustomize", "steelyard", "preprocessing"):
        (folder / f"{name}.py").write_text(evil)
    pickled = b"cbuiltins\neval\n(S" + repr(evil).encode() + b"\ntR."
    for name in ("model.pkl", "model.joblib", "model.pickle"):
        (folder / name).write_bytes(pickled)
    monkeypatch.chdir(folder)
    program = (
        "import sys; sys.path.pop(0); import steelyard; model = steelyard.load('.'); "
        "model.predict({name: [1.0] for name in model.features})"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
    assert not (tmp_path / "executed").exists()


def test_another_version_of_scikit_learn_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    skops = replace(RUNTIMES["Skops"], note=lambda _report: "made with another version")
    monkeypatch.setitem(RUNTIMES, "Skops", skops)
    with pytest.warns(steelyard.DataWarning, match="another version") as caught:
        steelyard.load(RIDGE / "model")
    assert caught[0].filename == __file__


def test_a_library_that_is_absent_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.delitem(sys.modules, "steelyard.serving.model", raising=False)
    with pytest.raises(steelyard.ConfigurationError, match=r"ai_edge_litert.*pip install --editable '.*\[serving\]'"):
        steelyard.load(NETWORK / "model")


# --- predict ----------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::steelyard.sdk.model.DataWarning")
@pytest.mark.parametrize("folder", [FOREST, RIDGE, NETWORK, FLATS], ids=lambda folder: folder.name)
def test_it_predicts_what_the_command_did(folder: Path) -> None:
    model, wanted = steelyard.load(folder / "model"), predictions_of(folder)
    found = model.predict(rows_of(folder))
    if model.task == "Regression":
        assert found.dtype == np.float64 and found.shape == (len(wanted),)
        np.testing.assert_allclose(found, wanted["prediction"], rtol=1e-6)
        with pytest.raises(steelyard.ConfigurationError, match="regression"):
            model.predict_proba(rows_of(folder))
    else:
        assert found.tolist() == wanted["prediction"].tolist()
        probabilities = model.predict_proba(rows_of(folder))
        columns = [f"probability_{label}" for label in model.classes]
        np.testing.assert_allclose(probabilities, wanted[columns], atol=1e-6)


TABLES = {
    "pandas": lambda table: table,
    "pandas, other order": lambda table: table.iloc[:, ::-1],
    "pandas, objects": lambda table: table.astype(object),
    "pandas, nullable": lambda table: table.convert_dtypes(),
    "pandas, categories": lambda table: table.astype({"place": "category"}),
    "pandas, Arrow": lambda table: table.convert_dtypes(dtype_backend="pyarrow"),
    "pandas, an index": lambda table: table.set_index(pd.Index(range(7, 7 + len(table)))),
    "pandas, one more column": lambda table: table.assign(more=[[1]] * len(table)),
    "polars": pl.from_pandas,
    "arrow": pa.Table.from_pandas,
    "arrow, dictionaries": lambda table: pa.Table.from_pandas(table.astype({"place": "category"})),
    "arrow, a batch": pa.RecordBatch.from_pandas,
    "arrow, by its interface": lambda table: Stream(pa.Table.from_pandas(table)),
    "a dictionary of lists": lambda table: table.to_dict("list"),
    "a dictionary of arrays": lambda table: {name: table[name].to_numpy() for name in table},
    "a dictionary of series": lambda table: dict(table.items()),
    "a dictionary of tuples": lambda table: {name: tuple(table[name]) for name in table},
    "texts": lambda table: {
        name: ["" if pd.isna(cell) else str(cell) for cell in table[name]] for name in table.columns
    },
}


class Stream:
    """Some library's table: Arrow's interface is all that is known of it."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("kind", TABLES)
def test_every_kind_of_table_gives_the_same_predictions_and_counts(kind: str) -> None:
    model, table = steelyard.load(RIDGE / "model"), rows_of(RIDGE)
    with pytest.warns(steelyard.DataWarning) as wanted:
        expected = model.predict(table)
    with pytest.warns(steelyard.DataWarning) as found:
        assert model.predict(TABLES[kind](table)).tolist() == expected.tolist()
    assert [str(each.message) for each in found] == [str(each.message) for each in wanted]


def test_a_date_of_arrow_that_python_has_not_is_told_with_its_column() -> None:
    table = pa.Table.from_pandas(rows_of(FLATS)).slice(0, 1)
    name = steelyard.load(FLATS / "model").features[0]
    far = table.set_column(table.column_names.index(name), name, pa.array([10**7], pa.date32()))
    with pytest.raises(steelyard.DataError, match=f"column '{name}' holds a date outside the years 1 to 9999"):
        steelyard.load(FLATS / "model").predict(far)


def test_no_rows_give_no_predictions() -> None:
    model = steelyard.load(FOREST / "model")
    empty = rows_of(FOREST).iloc[:0]
    assert model.predict(empty).shape == (0,) and model.predict_proba(empty).shape == (0, 3)


def test_a_table_of_many_batches_is_predicted_in_order_and_errors_name_its_row() -> None:
    model, table = steelyard.load(NETWORK / "model"), rows_of(NETWORK)
    times = BATCH_ROWS // len(table) + 2
    many = pd.concat([table] * times, ignore_index=True)
    np.testing.assert_array_equal(model.predict(many), np.tile(model.predict(table), times))
    cells: list[Any] = many["age"].tolist()
    cells[BATCH_ROWS + 4] = "old"
    with pytest.raises(steelyard.DataError, match=f"row {BATCH_ROWS + 5}, column 'age': 'old' is not a number"):
        model.predict(many.to_dict("list") | {"age": cells})


# --- what is counted --------------------------------------------------------------------------------------------------


def some_rows() -> dict[str, list[Any]]:
    return {"size": [50, 60, None, 70], "rooms": [2, 3, 3, 4], "place": ["north", "Basel", "Oslo", "Basel"]}


def known(model: Any) -> str:
    return next(column.words[0] for column in model._published.preprocessing.columns if column.name == "place")


def test_unknown_words_and_gaps_are_one_warning_with_counts() -> None:
    model = steelyard.load(RIDGE / "model")
    rows = some_rows()
    rows["place"][0] = known(model)
    with pytest.warns(steelyard.DataWarning) as caught:
        model.predict(rows)
    assert len(caught) == 1 and caught[0].filename == __file__
    message = str(caught[0].message)
    assert (
        "column 'place': 3 of 4 cells hold words that training has not seen, first in row 2: 'Basel', 'Oslo'" in message
        and "'Basel', 'Oslo'" in message
    )
    assert "column 'size': 1 of 4 cells is empty and filled as training learned to, first in row 3" in message


def test_strict_makes_either_an_error_and_clean_rows_say_nothing() -> None:
    model = steelyard.load(RIDGE / "model")
    rows = some_rows()
    with pytest.raises(steelyard.DataError, match="'north', 'Basel', 'Oslo'"):
        model.predict(rows, strict=True)
    rows["place"] = [known(model)] * 4
    with pytest.raises(steelyard.DataError, match="column 'size': 1 of 4 cells is empty"):
        model.predict(rows, strict=True)
    rows["size"][2] = 65
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(rows, strict=True)
