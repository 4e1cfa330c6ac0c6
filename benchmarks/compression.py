"""How small models become, and what they lose: tasks that a linear model does not solve, by `steelyard run` alone.

    python benchmarks/compression.py                        all tasks, 3 seeds: hours; goes on where it was stopped
    python benchmarks/compression.py --tasks waves-mlp --seeds 1
    python benchmarks/compression.py --summary              what is there already, as lines; runs nothing
    python benchmarks/compression.py --small                one small task, one seed: shows that it runs

What each task and seed came to is appended to a file of JSON lines (`--results`, default
~/.cache/steelyard/benchmarks/compression.jsonl), and not run again: hours may be split over many runs. Figures of
another commit are told apart, and made anew with `--fresh`.

Prints one JSON line a task, medians over the seeds: the bytes that the runtime loads, of the float32 (or skops) file
and of the published one, and their ratio; the metric on the test rows, before and after, and what is lost at least and
at most with 95 %; microseconds of one row, and per row in batches of 256, before and after; minutes; beside it plain
`Optimize.DEFAULT` of the same network, the same network in 8 and in 4 bits, the best linear model, a constant guess,
and the smallest model that a search over sizes alone finds within the budget of the same teacher, as it is and in its
best format; of the cnn also what is published where the least time is the objective. One line of all says what is
asked of the medians; ends with 1 where one is short of it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from compression_running import CONFIDENCE, PUBLISHED, Opened, run, template, trials
from compression_tasks import TASKS, Benchmarked

from steelyard.api.compression import BASELINE
from steelyard.contract.report import CandidateReport
from steelyard.contract.stages import Env
from steelyard_trainer.compression.recipe import Recipe
from steelyard_trainer.compression.techniques.base import CannotBeMadeError

BUDGET = 0.01
SMALL, SEEDS = "cancer-mlp", 3
LEAST_BYTES = 50_000
"""Of the float32 file of a network that the ratios are asked of."""
LEAST = {
    "medianRatio": 20,
    "leastRatio": 6,
    "medianRatioOfTrees": 4,
    "medianRatioDistilled": 10,
    "cnnRowFaster": 4,
    "cnnBatchFaster": 4,
    "resNet8OverInt8": 2,
    "dsCnnOverInt8": 2,
}
"""What is asked of the medians."""
RESULTS = Path("~/.cache/steelyard/benchmarks/compression.jsonl")
BESIDE = {"dynamic": "DynamicRange", "int8": "Int8", "int4": "Int4"}
"""Formats of the same network, by what they are called in lines."""

Line = dict[str, Any]


def recipe(name: str, *steps: tuple[str, Line]) -> Line:
    """A candidate, as manifests list it."""
    return {"name": name, "steps": [{"technique": technique, **settings} for technique, settings in steps]}


def mlps() -> list[Any]:
    """Networks that learn from trees: another model, which no search tries unasked."""
    found: list[Any] = ["Onnx"]
    for units in ([128, 64], [64, 32], [32, 16], [16, 8]):
        learned = ("DistillMlp", {"hiddenUnits": units})
        found += [recipe(f"mlp-{units[0]}-{form}", learned, (form, {})) for form in ("DynamicRange", "Int4")]
    return found


def chosen(
    name: str, task: Benchmarked, seed: int, folder: Path, candidates: list[Any], objective: str = "Size"
) -> Line:
    """What a task's job publishes, and what stands beside it."""
    spec = template(task, seed, folder)
    compression: Line = {
        "candidates": candidates,
        "maxMetricDrop": BUDGET,
        "proof": task.proof,
        "objective": objective,
    }
    if task.proof != "Point":
        compression["confidence"] = CONFIDENCE
    path, took = run("TrainingJob", {**spec, "compression": compression, "publish": [{"uri": PUBLISHED}]}, folder)
    opened = Opened.of(path)
    report, choice = opened.report, opened.report.choice
    if opened.is_network:
        beside = opened.made({BASELINE: Recipe.of("LiteRT")})
        for extra, technique in BESIDE.items():
            try:
                beside |= opened.made({extra: Recipe.of(technique)})
            except CannotBeMadeError as error:
                print(f"{name}: {extra}: {error}", file=sys.stderr)
        before = opened.answers(beside.pop(BASELINE))
    else:
        beside = {}
        before = opened.skops()
    after = opened.chosen()
    lost, least, most = opened.lost(before, after)
    costs = {candidate.name: candidate for candidate in choice.candidates}
    line: Line = {
        "task": name,
        "seed": seed,
        "metric": choice.primary_metric,
        "rows": report.dataset.rows,
        "chosen": choice.chosen,
        "proved": choice.proved,
        "bytesBefore": choice.baseline_bytes,
        "bytesAfter": choice.bytes,
        "before": opened.value(before),
        "after": opened.value(after),
        "lost": lost,
        "lostAtLeast": least,
        "lostAtMost": most,
        **_times(costs[BASELINE], costs[choice.chosen]),
        "minutes": took.minutes,
        "cpuMinutes": took.cpu_minutes,
        **opened.headroom(),
        **({"trainings": choice.searched.trainings, "work": choice.searched.work} if choice.searched else {}),
        "candidates": {each.name: [each.bytes, each.drop, each.drop_at_most] for each in choice.candidates},
        "validation": {
            each.name: each.validation and each.validation[choice.primary_metric].value for each in choice.candidates
        },
    }
    for extra, artifact in beside.items():
        line |= {f"{extra}Bytes": artifact.bytes, f"{extra}Lost": opened.lost(before, opened.answers(artifact))[0]}
    return line


def distilled(name: str, task: Benchmarked, seed: int, folder: Path) -> Line:
    """What is published where networks may be made of trees."""
    line = chosen(name, task, seed, folder, mlps())
    return {
        "distilled": line["chosen"],
        "distilledBytes": line["bytesAfter"],
        "distilledLost": line["lost"],
        "distilledRowAfter": line.get("rowAfter"),
    }


def fastest(name: str, task: Benchmarked, seed: int, folder: Path) -> Line:
    """What is published where the least time is asked for: by names that begin with `fast`."""
    line = chosen(name, task, seed, folder, ["Auto"], "Latency")
    told = ("chosen", "proved", "bytesAfter", "lost", "lostAtMost", "minutes", *_TIMES)
    return {f"fast{key[0].upper()}{key[1:]}": line[key] for key in told}


_TIMES = ("rowBefore", "rowAfter", "batchBefore", "batchAfter")


def _times(before: CandidateReport, after: CandidateReport) -> Line:
    found: Line = {}
    for when, each in (("Before", before), ("After", after)):
        if each.times is not None:
            found[f"row{when}"] = each.times.row.median
            # Models that are slow are not timed in batches.
            found[f"batch{when}"] = each.times.batch and each.times.batch.median
    return found


def smallest(task: Benchmarked, seed: int, folder: Path, there: Line) -> Line:
    """The smallest model that a search over sizes alone finds; the trained one, where none smaller is good enough.

    Args:
        task: the task.
        seed: of every trial.
        folder: an empty one.
        there: what `chosen` found.
    """
    least = there["validation"][BASELINE] - BUDGET
    spec = template(task, seed, folder)
    parameters = [{"path": path, "type": "Categorical", "values": values} for path, values in task.widths.items()]
    search = {
        "objective": {"metric": "accuracy" if task.is_classification else "r2"},
        "parameters": parameters,
        "algorithm": {"name": "Grid"},
        "maxTrials": 100,
        "template": {**spec, "publish": []},
    }
    found, took = run("TuningJob", search, folder, "sizes")
    good = [each for each in trials(found) if each["value"] is not None and each["value"] >= least]
    line: Line = {"searchMinutes": took.minutes, "searchCpuMinutes": took.cpu_minutes}
    if not good:
        formats = [there.get(f"{name}Bytes") for name in BESIDE if there.get(f"{name}Lost", 1) <= BUDGET]
        whole = there["bytesBefore"]
        return {**line, "smallest": {}, "smallestBytes": whole, "smallestBest": min([whole, *formats])}
    best = min(good, key=lambda each: _size(each["parameters"]))
    for path, value in best["parameters"].items():
        _put(spec, path, value)
    listed = list(BESIDE.values()) if task.is_network else ["Onnx"]
    compression = {"candidates": listed, "maxMetricDrop": 1, "proof": "Point"}
    path, _ = run("TrainingJob", {**spec, "compression": compression, "publish": [{"uri": PUBLISHED}]}, folder)
    choice = Opened.of(path).report.choice
    within = [
        each for each in choice.candidates if each.validation and each.validation[choice.primary_metric].value >= least
    ]
    return {
        **line,
        "smallest": best["parameters"],
        "smallestBytes": choice.baseline_bytes,
        "smallestBest": min((each.bytes or choice.baseline_bytes for each in within), default=choice.baseline_bytes),
    }


def _size(parameters: Line) -> float:
    """Grows with the model: larger numbers are larger models, but for leaves."""
    size = 1.0
    for path, value in parameters.items():
        of_list = sum(value) if isinstance(value, list) else value
        size *= 1 / of_list if path.endswith("minSamplesLeaf") else of_list
    return size


def _put(spec: Line, path: str, value: Any) -> None:
    *folders, last = path.split(".")
    for folder in folders:
        spec[folder] = dict(spec[folder])
        spec = spec[folder]
    spec[last] = value


def commit() -> str:
    """Of the code that is measured."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def read(results: Path) -> dict[tuple[str, int], Line]:
    """What is there, the latest of each task and seed: the figures of all its parts."""
    found: dict[tuple[str, int], Line] = {}
    for text in results.read_text().splitlines() if results.exists() else []:
        # A run that was killed may have left half a line.
        if text.endswith("}"):
            line = json.loads(text)
            found.setdefault((line["task"], line["seed"]), {}).update(line)
    return found


def told(name: str, lines: list[Line]) -> Line:
    """A task's line: medians over its seeds."""
    numbers = sorted(
        {key for line in lines for key, value in line.items() if isinstance(value, int | float)} - {"seed"}
    )
    medians = {
        key: round(statistics.median(line[key] for line in lines if line.get(key) is not None), 4) for key in numbers
    }
    return {
        "task": name,
        "seeds": len(lines),
        "chosen": [line["chosen"] for line in lines],
        "proved": sum(bool(line["proved"]) for line in lines),
        **{key: value for key, value in medians.items() if key != "proved"},
        "ratio": round(statistics.median(line["bytesBefore"] / line["bytesAfter"] for line in lines), 1),
        **_ratio("overSmallest", "smallestBest", "bytesAfter", lines),
        **_ratio("distilledRatio", "bytesBefore", "distilledBytes", lines),
        **_ratio("overInt8", "int8Bytes", "bytesAfter", lines),
        **_ratio("rowFaster", "rowBefore", "rowAfter", lines),
        **_ratio("batchFaster", "batchBefore", "batchAfter", lines),
        **_ratio("fastRowFaster", "fastRowBefore", "fastRowAfter", lines),
        **_ratio("fastBatchFaster", "fastBatchBefore", "fastBatchAfter", lines),
        "headroom": round(100 * statistics.median(line["before"] - line["linear"] for line in lines), 1),
        "commits": sorted({line["chosenCommit"] for line in lines}),
    }


def _ratio(name: str, over: str, under: str, lines: list[Line]) -> Line:
    found = [line[over] / line[under] for line in lines if line.get(over) and line.get(under)]
    return {name: round(statistics.median(found), 1)} if found else {}


def summary(lines: list[Line]) -> Line:
    """What is asked of the medians: of networks whose float32 file has at least LEAST_BYTES, of forests and boosting,
    of the cnn's latency, of the networks of MLPerf Tiny against their own 8 bits. `short` names what is not reached."""
    proved = [line for line in lines if TASKS[line["task"]].proof != "Point"]
    networks = [line for line in proved if TASKS[line["task"]].is_network and line["bytesBefore"] >= LEAST_BYTES]
    trees = [line for line in proved if not TASKS[line["task"]].is_network]
    cnn = [line for line in lines if TASKS[line["task"]].kind == "cnn"]
    found: Line = {"task": "all", "tasks": len(lines), "withHeadroom": sum(line["headroom"] >= 3 for line in lines)}
    if networks:
        ratios = [line["ratio"] for line in networks]
        found |= {"networks": len(networks), "medianRatio": statistics.median(ratios), "leastRatio": min(ratios)}
        found |= {"mostLost": max(line["lost"] for line in networks)}
    if trees:
        found |= {"trees": len(trees), "medianRatioOfTrees": statistics.median(line["ratio"] for line in trees)}
        ratios = [line["distilledRatio"] for line in trees if "distilledRatio" in line]
        found |= {"medianRatioDistilled": statistics.median(ratios)} if ratios else {}
    for line in cnn:
        fast = {"cnnRowFaster": "fastRowFaster", "cnnBatchFaster": "fastBatchFaster"}
        found |= {asked: line[key] for asked, key in fast.items() if key in line}
    for line in lines:
        if TASKS[line["task"]].kind in ("resNet8", "dsCnn") and "overInt8" in line:
            found[f"{TASKS[line['task']].kind}OverInt8"] = line["overInt8"]
    found["short"] = [name for name, least in LEAST.items() if found.get(name, least) < least]
    if found.get("mostLost", 0) > BUDGET:
        found["short"].append("mostLost")
    return found


def measure(name: str, task: Benchmarked, seed: int, results: Path, *, fresh: bool) -> None:
    """Runs what is not there of a task and a seed, and appends it, each part as soon as it is finished."""
    now = commit()
    parts: dict[str, tuple[str, Callable[[Path, Line], Line]]] = {
        "chosen": ("bytesAfter", lambda folder, _: chosen(name, task, seed, folder, ["Auto"])),
        "smallest": (
            "searchMinutes",
            lambda folder, there: smallest(task, seed, folder, there),
        ),
    }
    if task.kind == "cnn":
        parts["fastest"] = ("fastBytesAfter", lambda folder, _: fastest(name, task, seed, folder))
    if not task.is_network:
        parts["distilled"] = ("distilledBytes", lambda folder, _: distilled(name, task, seed, folder))
    for part, (figure, make) in parts.items():
        there = read(results).get((name, seed), {})
        if figure in there and not (fresh and there.get(f"{part}Commit") != now):
            continue
        with tempfile.TemporaryDirectory(prefix="compression-") as folder:
            line = {"task": name, "seed": seed, **make(Path(folder), there), f"{part}Commit": now}
        results.parent.mkdir(parents=True, exist_ok=True)
        with results.open("a") as file:
            file.write(json.dumps(line) + "\n")


def main() -> None:
    """Measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="shows that it runs")
    parser.add_argument("--summary", action="store_true", help="prints what is there, and runs nothing")
    parser.add_argument("--fresh", action="store_true", help="makes figures of other commits anew")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    os.environ.setdefault(Env.THREADS, "1")
    with tempfile.TemporaryDirectory(prefix="compression-") as folder:
        results = Path(folder, "results.jsonl") if given.small else given.results.expanduser()
        tasks, seeds = {name: TASKS[name] for name in given.tasks}, 0 if given.summary else given.seeds
        if given.small:
            few = {path: values[-1:] for path, values in TASKS[SMALL].widths.items()}
            tasks, seeds = {SMALL: replace(TASKS[SMALL], training={"epochs": 3}, widths=few)}, 1
        for seed in range(seeds):
            for name, task in tasks.items():
                measure(name, task, seed, results, fresh=given.fresh)
        there = read(results)
        lines = [
            told(name, found)
            for name in tasks
            if (found := [line for (task, _), line in there.items() if task == name])
        ]
        for line in lines:
            print(json.dumps(line), flush=True)
        whole = summary(lines)
        print(json.dumps(whole), flush=True)
    sys.exit(1 if whole["short"] and not given.small else 0)


if __name__ == "__main__":
    main()
