"""How small networks become, and what they lose: recipes of compression on several tasks, judged on rows of their own.

    python benchmarks/compression.py                      all tasks, 3 seeds, medians
    python benchmarks/compression.py --tasks digits-mlp --seeds 1
    python benchmarks/compression.py --small              one small task, one seed: shows that it runs

Each task is prepared and trained by `steelyard run`; then every recipe is made of the trained network as the stage
finish makes it. Prints one JSON line a task and recipe, medians over the seeds: the bytes of the file that the runtime
loads, how many times fewer than the float32 file that is, the metric on the test rows before and after, what is lost
(in points; of a regression in hundredths of r2), and the seconds that the recipe's last steps took. One line a task
says the smallest recipe that loses no more than a point on the validation rows, and the headroom: what the best linear
model and a constant guess reach on the same rows. One line of all says what learning in 4 bits saves: what narrow
students lose by 4 bits without training and with it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from sklearn.linear_model import LogisticRegression, Ridge

from steelyard.api.loading import load_training_job
from steelyard.api.metrics import Measure, Task
from steelyard.contract.stages import Env
from steelyard.contract.workspace import Workspace
from steelyard_trainer.compression.making import Maker
from steelyard_trainer.compression.recipe import Recipe, Step
from steelyard_trainer.compression.techniques.base import CannotBeMadeError
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.evaluation.metrics import evaluate

MOST_LOST = 0.01
"""On the validation rows, of the recipe that is called the smallest."""
WIDTHS = (1 / 2, 1 / 4, 1 / 8, 1 / 16)
SPLIT = {"test": 0.2, "validation": 0.2, "seed": 42}

Table = dict[str, np.ndarray]


def of_a_network(rows: int) -> Table:
    """Six classes of 24 features, by a random network of 32 hidden units: no linear model tells them apart well."""
    random = np.random.default_rng(0)
    features = random.normal(size=(rows, 24))
    hidden = np.tanh(features @ random.normal(size=(24, 32)) * 0.6)
    labels = (hidden @ random.normal(size=(32, 6))).argmax(1)
    return {**_columns(features), "target": labels}


def of_friedman(rows: int) -> Table:
    """A regression of 10 features, 5 of which say nothing (Friedman, 1991, doi:10.1214/aos/1176347963)."""
    random = np.random.default_rng(0)
    features = random.uniform(size=(rows, 10))
    product, curve = np.sin(np.pi * features[:, 0] * features[:, 1]), (features[:, 2] - 0.5) ** 2
    target = 10 * product + 20 * curve + 10 * features[:, 3] + 5 * features[:, 4] + random.normal(0, 0.5, rows)
    return {**_columns(features), "target": target}


def _columns(features: np.ndarray) -> Table:
    return {f"f{number}": column for number, column in enumerate(features.T)}


@dataclass(frozen=True)
class Benchmarked:
    """A task."""

    model: dict[str, Any]
    training: dict[str, Any]
    dataset: str | Callable[[], Table]
    """A set that scikit-learn ships, or what makes a table."""
    stratify: bool = True


TASKS = {
    "digits-mlp": Benchmarked({"mlp": {"hiddenUnits": [256, 128]}}, {"epochs": 30, "batchSize": 64}, "sklearn:digits"),
    "cancer-mlp": Benchmarked(
        {"mlp": {"hiddenUnits": [64, 32]}}, {"epochs": 40, "batchSize": 32}, "sklearn:breast_cancer"
    ),
    "digits-cnn": Benchmarked(
        {"cnn": {"inputShape": [8, 8, 1], "filters": [32, 64], "hiddenUnits": [64]}},
        {"epochs": 15, "batchSize": 64},
        "sklearn:digits",
    ),
    "network-mlp": Benchmarked(
        {"mlp": {"hiddenUnits": [256, 128]}}, {"epochs": 20, "batchSize": 128}, lambda: of_a_network(15_000)
    ),
    "friedman-mlp": Benchmarked(
        {"mlp": {"hiddenUnits": [256, 128]}},
        {"epochs": 20, "batchSize": 128},
        lambda: of_friedman(15_000),
        stratify=False,
    ),
}
SMALL = "digits-mlp"


def recipes(*, has_convolutions: bool) -> dict[str, Recipe]:
    """All that is made of a network, by its name."""
    learned, four = Step.of("QuantizationAware"), Step.of("Int4")
    found = {
        "float32": Recipe.of("LiteRT"),
        "DynamicRange": Recipe.of("DynamicRange"),
        "Int8": Recipe.of("Int8"),
        "Int4": Recipe((four,)),
        "QuantizationAware, Int4": Recipe((learned, four)),
        "Prune, Float16": Recipe((Step.of("Prune"), Step.of("Float16", {"sparse": True}))),
    }
    for width in WIDTHS:
        student, name = Step.of("Distill", {"width": width}), f"1/{1 / width:.0f}"
        found[name] = Recipe((student, Step.of("LiteRT")))
        found[f"{name}, Int8"] = Recipe((student, Step.of("Int8")))
        found[f"{name}, Int4"] = Recipe((student, four))
        found[f"{name}, QuantizationAware, Int4"] = Recipe((student, learned, four))
        if has_convolutions:
            all_learned, all_four = (
                Step.of(technique, {"convolutions": "Int4"}) for technique in ("QuantizationAware", "Int4")
            )
            found[f"{name}, all Int4"] = Recipe((student, all_four))
            found[f"{name}, QuantizationAware, all Int4"] = Recipe((student, all_learned, all_four))
    return found


@dataclass(frozen=True)
class Judged:
    """A recipe's file."""

    bytes: int
    validation: float
    test: float
    seconds: float
    """Of the steps that no recipe before it has made."""


def run(task: Benchmarked, seed: int, folder: Path) -> tuple[Path, Workspace]:
    """Prepares and trains: the manifest and the workspace."""
    uri = task.dataset
    if callable(uri):
        pq.write_table(pa.table(uri()), folder / "rows.parquet")
        uri = "rows.parquet"
    manifest = {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "benchmark"},
        "spec": {
            "task": "Classification" if task.stratify else "Regression",
            "dataset": {"uri": uri, "target": "target", "split": {**SPLIT, "stratify": task.stratify}},
            "model": task.model,
            "training": {**task.training, "seed": seed},
            "publish": [],
        },
    }
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump(manifest))
    command = [sys.executable, "-m", "steelyard.cli.main", "run", str(path), "--workspace", str(folder / "workspace")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"steelyard run: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return path, Workspace(folder / "workspace")


def judge(path: Path, workspace: Workspace) -> tuple[dict[str, Judged], dict[str, float]]:
    """Every recipe, and what a linear model and a constant guess reach on the test rows."""
    # Brings TensorFlow.
    from steelyard_trainer.families.keras.bench import Workbench

    job, dataset = load_training_job(path), PreparedDataset.load(workspace)
    bench = Workbench(workspace.model_file, workspace.finished, dataset, job.spec)
    candidates = bench.candidates
    candidates.kept.clean_up()
    measure = job.spec.measure(dataset.task)
    parts = {name: dataset.read(name) for name in ("train", "validation", "test")}

    def value(part: str, outputs: np.ndarray) -> float:
        figures = evaluate(dataset.task, parts[part].targets, outputs, [measure], dataset.classes)
        assert figures is not None
        return figures[measure.name].value

    found: dict[str, Judged] = {}
    with Maker.of(candidates.trained(), candidates.kept) as maker:
        for name, recipe in recipes(has_convolutions=job.spec.model.cnn is not None).items():
            began = time.monotonic()
            try:
                artifact = maker.make(recipe)
            except CannotBeMadeError as error:
                print(f"{name}: {error}", file=sys.stderr)
                continue
            seconds = time.monotonic() - began
            model = candidates.measuring.serve(artifact)
            scores = [value(part, model.predict(parts[part].features)) for part in ("validation", "test")]
            found[name] = Judged(artifact.bytes, *scores, seconds)
    return found, headroom(dataset.task, measure, parts, value)


def headroom(
    task: Task, measure: Measure, parts: dict[str, Any], value: Callable[[str, np.ndarray], float]
) -> dict[str, float]:
    """What a linear model reaches on the test rows, the best of three penalties on the validation rows, and a guess."""
    train = parts["train"]
    scores: list[tuple[float, float]] = []
    for strength in (0.1, 1.0, 10.0):
        if task == "Classification":
            model = LogisticRegression(C=1 / strength, max_iter=2000).fit(train.features, train.targets)
            outputs = {part: model.predict_proba(parts[part].features) for part in ("validation", "test")}
        else:
            model = Ridge(strength).fit(train.features, train.targets)
            outputs = {part: model.predict(parts[part].features) for part in ("validation", "test")}
        scores.append((value("validation", outputs["validation"]), value("test", outputs["test"])))
    if task == "Classification":
        shares = np.bincount(train.targets) / len(train.targets)
        guess = np.tile(shares, (len(parts["test"].targets), 1))
    else:
        guess = np.full(len(parts["test"].targets), train.targets.mean())
    assert measure.info.goal == "Maximize"
    return {"linear": max(scores)[1], "constant": value("test", guess)}


def lines(name: str, found: list[dict[str, Judged]], limits: list[dict[str, float]]) -> Iterator[dict[str, Any]]:
    """What is printed of a task: medians over its seeds."""
    first = found[0]

    def median(recipe: str, figure: Callable[[Judged], float]) -> float:
        return statistics.median(figure(each[recipe]) for each in found)

    for recipe in first:
        size, base = median(recipe, lambda each: each.bytes), median("float32", lambda each: each.bytes)
        lost = statistics.median(each["float32"].test - each[recipe].test for each in found)
        yield {
            "task": name,
            "recipe": recipe,
            "bytes": int(size),
            "ratio": round(base / size, 1),
            "before": round(median("float32", lambda each: each.test), 4),
            "after": round(median(recipe, lambda each: each.test), 4),
            "lost_points": round(100 * lost, 2),
            "seconds": round(median(recipe, lambda each: each.seconds), 1),
        }
    within = [
        recipe
        for recipe in first
        if statistics.median(each["float32"].validation - each[recipe].validation for each in found) <= MOST_LOST
    ]
    best = min(within, key=lambda recipe: first[recipe].bytes)
    size = median(best, lambda each: each.bytes)
    yield {
        "task": name,
        "smallest_within_a_point": best,
        "bytes": int(size),
        "ratio": round(median("float32", lambda each: each.bytes) / size, 1),
        "lost_points": round(100 * statistics.median(each["float32"].test - each[best].test for each in found), 2),
        **{key: round(statistics.median(each[key] for each in limits), 4) for key in limits[0]},
    }


def of_four_bits(found: dict[str, list[dict[str, Judged]]]) -> dict[str, Any]:
    """What students of an eighth and a sixteenth lose by 4 bits on the test rows, in points: means over tasks and
    seeds, less what the others gain."""
    pairs: list[tuple[float, float]] = []
    for each in (judged for seeds in found.values() for judged in seeds):
        for student in ("1/8", "1/16"):
            without, trained = f"{student}, Int4", f"{student}, QuantizationAware, Int4"
            pairs.append((each[student].test - each[without].test, each[student].test - each[trained].test))
    without, trained = (100 * statistics.mean(pair[place] for pair in pairs) for place in (0, 1))
    return {
        "lost_by_4_bits": round(without, 2),
        "lost_when_learned_in_4_bits": round(trained, 2),
        "share": round(trained / without, 2) if without > 0 else None,
        "students": len(pairs),
    }


def main() -> None:
    """Measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="shows that it runs")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    names, seeds = ([SMALL], 1) if asked.small else (asked.tasks, asked.seeds)
    os.environ.setdefault(Env.THREADS, "1")
    from steelyard_trainer.families.keras.repeatable import make_repeatable

    make_repeatable()
    found: dict[str, list[dict[str, Judged]]] = {}
    for name in names:
        judged, limits = [], []
        for seed in range(seeds):
            with tempfile.TemporaryDirectory(prefix="compression-") as folder:
                figures, limit = judge(*run(TASKS[name], seed, Path(folder)))
            judged.append(figures)
            limits.append(limit)
        found[name] = judged
        for line in lines(name, judged, limits):
            print(json.dumps(line), flush=True)
    print(json.dumps(of_four_bits(found)), flush=True)


if __name__ == "__main__":
    main()
