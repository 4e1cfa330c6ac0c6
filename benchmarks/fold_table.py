"""Makes the tables of fold scores on which searches are tried out without fitting anything (tests/data).

    python benchmarks/fold_table.py              both; a minute or two on one core
    python benchmarks/fold_table.py --check 10   fits 10 combinations of each anew and compares them with the files

diabetes_forest.json: a random forest on scikit-learn's diabetes set, r2 on 5 folds, five parameters, 256 combinations.
digits_forest.json: the grid search that everybody knows, on its digits, accuracy on 5 folds, 36 combinations.

Each file holds the values of each parameter, and the scores of all combinations in the order of their product, the last
parameter's value changing fastest. Forests that differ in the number of trees only are grown once: the first 50 trees
of 200 are the forest of 50, bit for bit.
"""

import argparse
import itertools
import json
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.datasets import load_diabetes, load_digits
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.model_selection import check_cv, cross_val_score

FOLDER = Path(__file__).parents[1] / "tests" / "data"
FOLDS = 5
TREES = "nEstimators"
ARGUMENTS = {
    TREES: "n_estimators",
    "maxDepth": "max_depth",
    "minSamplesSplit": "min_samples_split",
    "minSamplesLeaf": "min_samples_leaf",
    "maxFeatures": "max_features",
}


@dataclass(frozen=True)
class Table:
    """What is fitted."""

    file: str
    metric: str
    space: dict[str, list[Any]]
    """The values of each parameter of model.randomForest; the number of trees comes first."""
    seed: int

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and targets."""
        rows, targets = (load_diabetes if self.metric == "r2" else load_digits)(return_X_y=True)
        return rows, targets

    def forest(self, values: dict[str, Any]) -> Any:
        """A forest that is not grown yet."""
        kind = RandomForestRegressor if self.metric == "r2" else RandomForestClassifier
        return kind(random_state=self.seed, **{ARGUMENTS[name]: value for name, value in values.items()})


TABLES = (
    Table(
        "diabetes_forest.json",
        "r2",
        {
            TREES: [10, 25, 50, 100],
            "maxDepth": [None, 3, 5, 8],
            "minSamplesSplit": [2, 20],
            "minSamplesLeaf": [1, 2, 4, 8],
            "maxFeatures": [0.4, 1.0],
        },
        seed=0,
    ),
    Table(
        "digits_forest.json",
        "accuracy",
        {TREES: [50, 100, 200], "maxDepth": [None, 10, 20, 30], "minSamplesSplit": [2, 5, 10]},
        seed=42,
    ),
)


def combinations(table: Table) -> Iterator[dict[str, Any]]:
    """All of them, in the file's order."""
    for values in itertools.product(*table.space.values()):
        yield dict(zip(table.space, values, strict=True))


def make(table: Table) -> dict[str, Any]:
    """The file's content."""
    rows, targets = table.data()
    numbers = table.space[TREES]
    rest = {name: values for name, values in table.space.items() if name != TREES}
    scores: dict[int, list[list[float]]] = {number: [] for number in numbers}
    for values in itertools.product(*rest.values()):
        forest = table.forest({TREES: max(numbers), **dict(zip(rest, values, strict=True))})
        folds: dict[int, list[float]] = {number: [] for number in numbers}
        for learned, judged in check_cv(FOLDS, targets, classifier=is_classifier(forest)).split(rows, targets):
            forest.set_params(n_estimators=max(numbers)).fit(rows[learned], targets[learned])
            trees = forest.estimators_
            for number in numbers:
                forest.estimators_ = trees[:number]
                folds[number].append(float(forest.score(rows[judged], targets[judged])))
        for number in numbers:
            scores[number].append(folds[number])
    return {
        "metric": table.metric,
        "parameters": {f"model.randomForest.{name}": values for name, values in table.space.items()},
        "scores": [folds for number in numbers for folds in scores[number]],
    }


def differences(table: Table, count: int) -> Iterator[str]:
    """Where the file says something else than scikit-learn's cross_val_score, of some combinations."""
    document = json.loads((FOLDER / table.file).read_text())
    known = list(zip(combinations(table), document["scores"], strict=True))
    for values, scores in random.Random(0).sample(known, count):
        found = cross_val_score(table.forest(values), *table.data(), cv=FOLDS).tolist()
        if found != scores:
            yield f"{table.file}: {values}: {scores} in the file, {found} now"


def write(table: Table) -> None:
    """Makes the file."""
    document = make(table)
    scores = document.pop("scores")
    lines = ",\n".join(json.dumps(folds) for folds in scores)
    text = json.dumps(document, indent=1).removesuffix("\n}") + f',\n "scores": [\n{lines}\n]\n}}\n'
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / table.file).write_text(text)
    means = np.mean(scores, axis=1)
    near = int((means >= means.max() - 0.002).sum())
    figures = {"combinations": len(means), "best": means.max(), "within_0.002": near, "share": near / len(means)}
    print(json.dumps({"table": table.file, **figures}))


def main() -> int:
    """Makes the tables, or checks them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", type=int, metavar="N", help="fit N combinations of each table anew and compare")
    count = parser.parse_args().check
    if count is None:
        for table in TABLES:
            write(table)
        return 0
    found = [line for table in TABLES for line in differences(table, count)]
    print("\n".join(found) or json.dumps({"compared": count * len(TABLES), "different": 0}))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
