"""A grid search over a random forest: `steelyard run` against scikit-learn's GridSearchCV.

    python benchmarks/grid_search.py            36 forests on 5 folds of the digits, 3 rounds in turn
    python benchmarks/grid_search.py --small    4 small forests, one round

Prints one JSON line a figure. Both are whole processes, imports included: the command with the data's preparation and
its files, placement Packed with two processes, and a Python program that does the same with n_jobs=2. Both see the same
rows in the same order: all but the test part, in the source's order. Fails where a single fold's score differs in a
single bit, or where the best is another one.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from steelyard.search.best import best_of
from steelyard.search.log import SearchDocument

GRID: dict[str, list[Any]] = {
    "n_estimators": [50, 100, 200],
    "max_depth": [None, 10, 20, 30],
    "min_samples_split": [2, 5, 10],
}
SMALL_GRID: dict[str, list[Any]] = {"n_estimators": [5, 10], "max_depth": [None, 4], "min_samples_split": [2]}
PATHS = {
    "n_estimators": "model.randomForest.nEstimators",
    "max_depth": "model.randomForest.maxDepth",
    "min_samples_split": "model.randomForest.minSamplesSplit",
}
PARALLEL = 2
FOLDS = 5
TEST, SEED = 0.2, 42

# What every user of scikit-learn would write.
REFERENCE = """
import json, sys
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, train_test_split

grid, folds, jobs, test, seed = json.loads(sys.argv[1])
data, target = load_digits(return_X_y=True)
rows, _ = train_test_split(np.arange(len(data)), test_size=test, random_state=seed, stratify=target)
rows.sort()
search = GridSearchCV(RandomForestClassifier(random_state=42), grid, cv=folds, n_jobs=jobs, refit=False)
search.fit(data[rows], target[rows])
found = search.cv_results_
json.dump({
    "parameters": found["params"],
    "scores": [[float(found[f"split{fold}_test_score"][row]) for fold in range(folds)]
               for row in range(len(found["params"]))],
    "best": search.best_params_,
    "bestScore": float(search.best_score_),
}, sys.stdout)
"""


def manifest(grid: dict[str, list[Any]]) -> dict[str, Any]:
    """The search as a TuningJob that publishes nothing, as GridSearchCV does with refit=False."""
    combinations = 1
    for values in grid.values():
        combinations *= len(values)
    return {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TuningJob",
        "metadata": {"name": "grid"},
        "spec": {
            "objective": {"metric": "accuracy"},
            "parameters": [
                {"path": PATHS[name], "type": "Categorical", "values": values} for name, values in grid.items()
            ],
            "algorithm": {"name": "Grid"},
            "maxTrials": combinations,
            "parallelTrials": PARALLEL,
            "placement": "Packed",
            "template": {
                "dataset": {
                    "uri": "sklearn:digits",
                    "target": "target",
                    "split": {"test": TEST, "validation": 0.1, "seed": SEED},
                },
                "model": {"randomForest": {}},
                "training": {"seed": 42},
                "evaluation": {"crossValidation": {"folds": FOLDS}},
                "publish": [],
            },
        },
    }


def run_reference(grid: dict[str, list[Any]]) -> tuple[float, dict[str, Any]]:
    """Seconds, and what scikit-learn found."""
    arguments = json.dumps([grid, FOLDS, PARALLEL, TEST, SEED])
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", REFERENCE, arguments], capture_output=True, text=True, check=True)
    return time.perf_counter() - began, json.loads(done.stdout)


def run_steelyard(grid: dict[str, list[Any]], folder: Path) -> tuple[float, SearchDocument]:
    """Seconds, and the search's log; in a fresh folder, so that nothing is known of it."""
    (folder / "grid.yaml").write_text(json.dumps(manifest(grid)))
    command = [sys.executable, "-m", "steelyard.cli.main", "run", str(folder / "grid.yaml"), "-o", "json"]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        sys.exit(f"steelyard run failed: {done.stderr}")
    document = json.loads((folder / ".steelyard/grid/search.json").read_text())
    return seconds, SearchDocument.from_json(document)


def check_equal(found: SearchDocument, expected: dict[str, Any]) -> int:
    """The number of fold scores, all of them equal bit for bit, in the same order. Exits where one is not."""
    scores = [[value for _, value in entry.steps] for entry in found.entries]
    parameters = [{name: entry.values[path] for name, path in PATHS.items()} for entry in found.entries]
    best = best_of(found.entries, "Maximize")
    if best is None or best.value is None:
        sys.exit("steelyard found no best")
    for name, ours, theirs in (
        ("parameters", parameters, expected["parameters"]),
        ("scores of the folds", scores, expected["scores"]),
        ("best score", best.value, expected["bestScore"]),
        ("best parameters", parameters[best.number], expected["best"]),
    ):
        if ours != theirs:
            sys.exit(f"the {name} differ:\n{ours}\n{theirs}")
    return sum(map(len, scores))


def main() -> None:
    """Measures, checks, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="shows that it runs, measures nothing")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    grid, rounds = (SMALL_GRID, 1) if options.small else (GRID, options.rounds)
    seconds: dict[str, list[float]] = {"steelyard": [], "gridSearchCV": []}
    equal = 0
    for _ in range(rounds):
        own, expected = run_reference(grid)
        seconds["gridSearchCV"].append(own)
        with tempfile.TemporaryDirectory(prefix="steelyard-") as folder:
            own, found = run_steelyard(grid, Path(folder))
        seconds["steelyard"].append(own)
        equal = check_equal(found, expected)
    context = {"trials": len(expected["parameters"]), "folds": FOLDS, "rounds": rounds}
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    for name, median in medians.items():
        print_figure(f"gridSearch/{name}", median, "s", context)
    print_figure(
        "gridSearch/timeAgainst/gridSearchCV", medians["steelyard"] / medians["gridSearchCV"], "ratio", context
    )
    print_figure("gridSearch/equalFoldScores", equal, "scores", context)


def print_figure(name: str, value: float, unit: str, context: dict[str, int]) -> None:
    """Prints one figure as a JSON line."""
    print(json.dumps({"benchmark": name, "value": round(value, 4), "unit": unit, **context}), flush=True)


if __name__ == "__main__":
    main()
