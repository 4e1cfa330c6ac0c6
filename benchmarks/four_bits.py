"""What learning in 4 bits saves: what narrow students lose by 4 bits without training, and with it.

    python benchmarks/four_bits.py            students of an eighth and a sixteenth on three tasks, 3 seeds
    python benchmarks/four_bits.py --small    one task, one seed, few epochs: shows that it runs

Prints one JSON line a task and seed, and one of all: what is lost against the student in float32 on the test rows, in
points (of a regression in hundredths of r2). Fails where learning leaves more than a third of it, in the mean.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from compression_running import PUBLISHED, Opened, run, step, template
from compression_tasks import TASKS, Benchmarked

from steelyard.contract.stages import Env
from steelyard_trainer.compression.recipe import Recipe

NAMES, WIDTHS, SEEDS, MOST_LEFT = ("waves-mlp", "clusters-mlp", "friedman-mlp"), (8, 16), 3, 1 / 3


def recipes(width: int) -> dict[str, Recipe]:
    """A student as it is, in 4 bits, and learned in 4 bits."""
    student, four = step("Distill", width=1 / width), step("Int4")
    return {
        "float": Recipe((student, step("LiteRT"))),
        "without": Recipe((student, four)),
        "learned": Recipe((student, step("QuantizationAware"), four)),
    }


def lost(task: Benchmarked, seed: int, widths: tuple[int, ...]) -> dict[str, list[float]]:
    """Points that students of each width lose by 4 bits on the test rows."""
    with tempfile.TemporaryDirectory(prefix="four-bits-") as folder:
        spec = template(task, seed, Path(folder))
        path, _ = run("TrainingJob", {**spec, "publish": [{"uri": PUBLISHED}]}, Path(folder))
        opened, found = Opened.of(path), {"without": list[float](), "learned": list[float]()}
        for width in widths:
            values = {name: opened.value(opened.answers(made)) for name, made in opened.made(recipes(width)).items()}
            for name, points in found.items():
                points.append(100 * (values["float"] - values[name]))
    return found


def main() -> None:
    """Measures, prints; ends with 1 where learning leaves too much."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(NAMES))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--small", action="store_true", help="shows that it runs")
    given = parser.parse_args()
    os.environ.setdefault(Env.THREADS, "1")
    names, seeds, widths = (given.tasks[:1], 1, WIDTHS[:1]) if given.small else (given.tasks, given.seeds, WIDTHS)
    every: dict[str, list[float]] = {"without": [], "learned": []}
    for name in names:
        task = replace(TASKS[name], training={"epochs": 2}) if given.small else TASKS[name]
        for seed in range(seeds):
            found = lost(task, seed, widths)
            for how, points in found.items():
                every[how] += points
            rounded = {how: [round(each, 2) for each in points] for how, points in found.items()}
            print(json.dumps({"task": name, "seed": seed, "widths": widths, **rounded}), flush=True)
    without, learned = (statistics.mean(every[how]) for how in ("without", "learned"))
    print(json.dumps({"task": "all", "without": round(without, 2), "learned": round(learned, 2)}), flush=True)
    sys.exit(1 if learned > max(0.0, without) * MOST_LEFT and not given.small else 0)


if __name__ == "__main__":
    main()
