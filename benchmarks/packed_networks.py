"""Trials of networks that share a process against a process each: `steelyard run` with `placement` Packed and Pods.

    python benchmarks/packed_networks.py            12 trials of an mlp on 2,500 rows, 2 at a time, 3 rounds in turn;
                                                    then the memory of a process over 100 trials
    python benchmarks/packed_networks.py --small    2 trials, one round; then 3 trials

Each trial has 5 epochs. Prints one JSON line a figure: wall and CPU time of each run, all of its processes included,
in the median; how many times more the processes of their own take; and by how much a packed process grows from one
trial to the next. The data is prepared by an earlier run, which is not measured. Fails where a single figure of the two
logs differs in a single bit.
"""

import argparse
import ctypes
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml

from steelyard.search.log import Entry, SearchDocument

ROWS, FEATURES = 2_500, 8
EPOCHS = 5
FIRST_TRIALS = 2
"""Of the run that prepares the data."""
WARM_TRIALS = 5
"""After so many a process has all that it keeps for good."""


def main() -> None:
    """Measures, checks, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="shows that it runs, measures nothing")
    small = parser.parse_args().small
    # Processes whose parent has ended become this one's, so that their CPU time is counted, too.
    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1)
    with tempfile.TemporaryDirectory(prefix="packed-networks-") as folder:
        compare(Path(folder), trials=2 if small else 12, rounds=1 if small else 3)
        grow(Path(folder), trials=3 if small else WARM_TRIALS + 100, warm=1 if small else WARM_TRIALS)


def compare(folder: Path, trials: int, rounds: int) -> None:
    """Both placements in turn."""
    measured: dict[str, list[tuple[float, float]]] = {"Packed": [], "Pods": []}
    logs = []
    for number in range(rounds):
        for placement, figures in measured.items():
            seconds, cpu, log = search(folder / f"{placement}-{number}", placement, trials)
            figures.append((seconds, cpu))
            logs.append(log)
    if any(log != logs[0] for log in logs):
        sys.exit(f"the logs differ:\n{logs}")
    for index, kind in enumerate(("time", "cpu")):
        for placement, figures in measured.items():
            tell(f"{placement}/{kind}", statistics.median(each[index] for each in figures), "s", trials)
        pairs = zip(measured["Pods"], measured["Packed"], strict=True)
        tell(f"Pods/{kind}Against/Packed", statistics.median(a[index] / b[index] for a, b in pairs), "ratio", trials)


def search(folder: Path, placement: str, trials: int) -> tuple[float, float, list[Entry]]:
    """Wall and CPU seconds of a run, and its log without times."""

    def read(trials: int) -> None:
        for _ in run(write(folder, placement=placement, maxTrials=trials, parallelTrials=2)):
            pass

    read(FIRST_TRIALS)
    began, before = time.perf_counter(), cpu_seconds()
    read(FIRST_TRIALS + trials)
    seconds = time.perf_counter() - began
    return seconds, cpu_seconds() - before, log_of(folder)


def grow(folder: Path, trials: int, warm: int) -> None:
    """The memory of the one process of a pack, after each of many trials."""
    manifest = write(folder / "memory", epochs=1, placement="Packed", maxTrials=trials, parallelTrials=1)
    resident: dict[int, float] = {}
    """After so many trials, in MB. The last sample may be missing: the process ends with the search."""
    ended = (event for event in run(manifest) if event["event"] == "trialEnded")
    for number, _ in enumerate(ended, start=1):
        for worker in workers():
            resident[number] = worker.memory_info().rss / 1e6
    last = max(resident)
    tell("Packed/memory", resident[last], "MB", trials)
    tell("Packed/memoryOfATrial", (resident[last] - resident[warm]) / (last - warm), "MB", trials)


def write(folder: Path, epochs: int = EPOCHS, **spec: Any) -> Path:
    """The table and the search's manifest."""
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(0)
    features = generator.normal(size=(ROWS, FEATURES))
    is_in = features[:, 0] * features[:, 1] + features[:, 2] > generator.normal(scale=0.3, size=ROWS)
    names = [f"x{number}" for number in range(FEATURES)]
    lines = [
        ",".join([*(f"{cell:.6f}" for cell in row), "in" if label else "out"])
        for row, label in zip(features, is_in, strict=True)
    ]
    (folder / "table.csv").write_text("\n".join([",".join([*names, "place"]), *lines]) + "\n")
    manifest = {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TuningJob",
        "metadata": {"name": "search"},
        "spec": {
            "objective": {"metric": "accuracy"},
            "parameters": [
                {"path": "training.optimizer.learningRate", "type": "Double", "min": 0.0003, "max": 0.03, "log": True},
                {"path": "model.mlp.hiddenUnits", "type": "Categorical", "values": [[32], [64], [64, 32]]},
                {"path": "model.mlp.dropout", "type": "Double", "min": 0.0, "max": 0.5},
            ],
            "algorithm": {"name": "Random", "seed": 1},
            "template": {
                "dataset": {"uri": "table.csv", "target": "place"},
                "model": {"mlp": {}},
                "training": {"epochs": epochs},
                "publish": [],
            },
            **spec,
        },
    }
    path = folder / "tuning-job.yaml"
    path.write_text(yaml.safe_dump(manifest))
    return path


def run(manifest: Path) -> Iterator[dict[str, Any]]:
    """The events of a run that must succeed, as they come."""
    command = [sys.executable, "-m", "steelyard.cli.main", "run", str(manifest), "-o", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield json.loads(line)
    if process.returncode != 0:
        sys.exit(f"{manifest}: the run ended with exit code {process.returncode}")


def workers() -> list[psutil.Process]:
    """The TensorFlow processes of a pack."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "steelyard_trainer.families.keras" in process.cmdline():
                found.append(process)
    return found


def cpu_seconds() -> float:
    """Of all processes that this one has started, and that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def log_of(folder: Path) -> list[Entry]:
    """The search's log, without times."""
    document = SearchDocument.from_json(json.loads((folder / ".steelyard/search/search.json").read_text()))
    return [replace(entry, seconds=0.0) for entry in document.entries]


def tell(name: str, value: float, unit: str, trials: int) -> None:
    """Prints one figure as a JSON line."""
    figure = {"benchmark": f"packedNetworks/{name}", "value": round(value, 2), "unit": unit, "trials": trials}
    print(json.dumps(figure), flush=True)


if __name__ == "__main__":
    main()
