"""The prepare stage against pandas.read_csv and polars.read_csv on the same generated file: time and peak memory.

    python benchmarks/prepare.py                  1,000,000 rows
    python benchmarks/prepare.py --gigabytes 2    a file of at least 2 GiB

Prints one JSON line a figure. pandas and polars only read the file into memory; prepare also checks it, counts
duplicates, splits it stratified, learns the preprocessing with medians, and writes shards. All run as processes of
their own, one after the other in turn; times are those of the whole process, imports included, and the median of
`--rounds`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.csv

from steelyard.contract.stages import Env

COLUMNS = 32
CHUNK_ROWS = 100_000
MANIFEST = {
    "apiVersion": "steelyard.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {"name": "benchmark"},
    "spec": {
        "dataset": {
            "uri": "table.csv",
            "target": "target",
            "missingValues": {"strategy": "Median"},
            "split": {"stratify": True},
            "checks": {"maxDuplicateFraction": 0.5},
        },
        "model": {"linear": {}},
    },
}


@dataclass(frozen=True)
class Measured:
    """One process, from its start to its end."""

    seconds: float
    peak_bytes: int
    """Of the resident memory of the process and all its descendants together."""


def generate(path: Path, rows: int, size: int) -> int:
    """Writes at least so many rows and bytes: COLUMNS number columns, 1 % of the cells empty, and 3 classes.

    Returns:
        The number of rows.
    """
    random = np.random.default_rng(0)
    written = 0
    with path.open("wb") as file:
        while written < rows or file.tell() < size:
            count = CHUNK_ROWS if size else min(CHUNK_ROWS, rows - written)
            columns = {
                f"x{index}": pa.array(random.normal(size=count).round(6), mask=random.random(count) < 0.01)
                for index in range(COLUMNS)
            }
            table = pa.table({**columns, "target": random.integers(0, 3, count)})
            pa.csv.write_csv(table, file, pa.csv.WriteOptions(include_header=written == 0))
            written += count
    return written


def measure(command: list[str], environment: dict[str, str] | None = None) -> Measured:
    """Runs a command to its end. Raises CalledProcessError where it fails."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL)
    watched = psutil.Process(process.pid)
    peak = 0
    while True:
        peak = max(peak, _tree_bytes(watched))
        # The kernel's own figure of the process is exact; the samples are for what it may have started.
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        time.sleep(0.02)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Measured(seconds, max(peak, usage.ru_maxrss * 1024))


def _tree_bytes(process: psutil.Process) -> int:
    total = 0
    try:
        for member in [process, *process.children(recursive=True)]:
            total += member.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total


def measure_prepare(folder: Path, round_: int) -> Measured:
    """The stage as a runner starts it, in a workspace of its own."""
    spec_file = folder / "job.json"
    spec_file.write_text(json.dumps(MANIFEST), encoding="utf-8")
    with tempfile.TemporaryDirectory(dir=folder) as workspace:
        environment = {
            Env.SPEC_FILE: str(spec_file),
            Env.WORKSPACE: workspace,
            Env.BASE_DIR: str(folder),
            Env.STAGE_KEY: f"round {round_}",
        }
        return measure(
            [sys.executable, "-m", "steelyard_trainer", "prepare"],
            {str(name): value for name, value in environment.items()},
        )


def main() -> None:
    """Generates the file, measures, prints, and leaves nothing behind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the file (default 1,000,000)")
    parser.add_argument("--gigabytes", type=float, default=0, help="rather a file of at least so many GiB")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, each of all three in turn (default 3)")
    parser.add_argument("--folder", type=Path, default=None, help="where the files go while it runs")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        table = folder / "table.csv"
        rows = generate(table, 0 if arguments.gigabytes else arguments.rows, int(arguments.gigabytes * 2**30))
        read = "import sys, {0}; assert {0}.read_csv(sys.argv[1]).shape == ({1}, {2})"
        runs: dict[str, list[Measured]] = {"prepare": [], "pandas": [], "polars": []}
        for round_ in range(arguments.rounds):
            runs["prepare"].append(measure_prepare(folder, round_))
            for library in ("pandas", "polars"):
                code = read.format(library, rows, COLUMNS + 1)
                runs[library].append(measure([sys.executable, "-c", code, str(table)]))
        report(runs, rows, table.stat().st_size)


def report(runs: dict[str, list[Measured]], rows: int, size: int) -> None:
    """Prints one JSON line a figure."""
    seconds = {name: statistics.median(run.seconds for run in measured) for name, measured in runs.items()}
    peaks = {name: max(run.peak_bytes for run in measured) for name, measured in runs.items()}
    context = {"rows": rows, "columns": COLUMNS + 1, "fileBytes": size, "rounds": len(runs["prepare"])}
    for name in runs:
        print_figure(f"prepare/{name}/rowsPerSecond", rows / seconds[name], "rows/s", context)
        print_figure(f"prepare/{name}/peakMemory", peaks[name] / 1e6, "MB", context)
    for library in ("pandas", "polars"):
        print_figure(f"prepare/timeAgainst/{library}", seconds["prepare"] / seconds[library], "ratio", context)
        print_figure(f"prepare/memoryAgainst/{library}", peaks["prepare"] / peaks[library], "ratio", context)


def print_figure(name: str, value: float, unit: str, context: dict[str, int]) -> None:
    """One line of JSON."""
    print(json.dumps({"benchmark": name, "value": round(value, 4), "unit": unit, **context}), flush=True)


if __name__ == "__main__":
    main()
