"""How often the bounds of a compressed model's loss are wrong: where the true loss is exactly the budget, at most 5 of
100 draws of rows may accept at a confidence of 95%.

    python benchmarks/bounds.py                 every metric, 5,000 draws a cell: half an hour on one core
    python benchmarks/bounds.py --draws 500     minutes
    python benchmarks/bounds.py --small         seconds

A cell is a table of 100,000 rows with the answers of two models, of which a share of the rows differ; what the second
loses on all of them is the budget. 150, 360, 1,000 and 3,000 rows are drawn with replacement. One JSON line a cell:
the share of draws that accept by the bound, and by comparing the two numbers. Fails where a bound accepts in more than
6.5%. A cell of which the first 500 draws accept in at most 2% is judged by these: of one that accepts in 6.5%, 2 in a
million would be.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from steelyard.api.metrics import METRICS_OF_TASK, OF_LABELS, Measure
from steelyard_trainer.compression.paired import bound
from steelyard_trainer.evaluation.metrics import class_index_of, value_of

POPULATION, CONFIDENCE, MOST_WRONG = 100_000, 0.95, 0.065
ROWS, SHARES = (150, 360, 1000, 3000), (0.005, 0.02, 0.1)
CLASSES = tuple("abcd")
LOOK, FEW = 500, 0.02
"""So many draws judge a cell that accepts so seldom."""
RARE = 0.1
"""The share of the rarer of two classes."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Table:
    """The answers of a model and of what was made of it."""

    name: str
    measures: tuple[Measure, ...]
    classes: tuple[str, ...] | None
    targets: Array
    before: Array
    after: Array


def classification(kind: str, share: float, differ: str, random: np.random.Generator) -> Table:
    """Four classes alike, or two of which one is rare. Of the rows that differ the probabilities of the right class and
    of another one are swapped where the model was right (loses), or they are another row's (other)."""
    names = CLASSES if kind == "four" else CLASSES[:2]
    odds = np.full(len(names), 1 / len(names)) if kind == "four" else np.array([1 - RARE, RARE])
    targets = random.choice(len(names), POPULATION, p=odds).astype(np.int32)
    scores = random.normal(size=(POPULATION, len(names)))
    scores[np.arange(POPULATION), targets] += 3.0
    before = np.exp(scores)
    before /= before.sum(axis=1, keepdims=True)
    after, best = before.copy(), before.argmax(axis=1)
    rows = random.choice(POPULATION, int(share * POPULATION), replace=False)
    if differ == "other":
        after[rows] = before[random.integers(0, POPULATION, len(rows))]
    else:
        rows = rows[best[rows] == targets[rows]]
        others = (best[rows] + random.integers(1, len(names), len(rows))) % len(names)
        after[rows, best[rows]], after[rows, others] = before[rows, others], before[rows, best[rows]]
    measures = [Measure(name) for name in METRICS_OF_TASK["Classification"]]
    measures += [Measure(name, CLASSES[1]) for name in OF_LABELS]
    return Table(f"{kind} {differ}", tuple(measures), names, targets, before, after)


def regression(kind: str, share: float, differ: str, random: np.random.Generator) -> Table:
    """Numbers with errors that are normal, or both with long tails. The answers of the rows that differ are another
    row's (other), or off by as much again as the model is (noise)."""
    if kind == "normal":
        targets, errors = random.normal(10.0, 3.0, POPULATION), random.normal(size=POPULATION)
    else:
        targets, errors = np.exp(random.normal(size=POPULATION)) + 0.5, random.standard_t(4, POPULATION) / 3
    before = targets + errors
    after = before.copy()
    rows = random.choice(POPULATION, int(share * POPULATION), replace=False)
    if differ == "other":
        after[rows] = before[random.integers(0, POPULATION, len(rows))]
    else:
        after[rows] += random.permutation(errors)[: len(rows)] * random.choice([-1, 1], len(rows))
    measures = tuple(Measure(name) for name in METRICS_OF_TASK["Regression"])
    return Table(f"{kind} {differ}", measures, None, targets, before[:, None], after[:, None])


def tables(random: np.random.Generator) -> Iterator[tuple[float, Table]]:
    """All of them, with the share of rows that differ."""
    for share in SHARES:
        for differ in ("loses", "other"):
            for kind in ("four", "rare"):
                yield share, classification(kind, share, differ, random)
        for differ in ("other", "noise"):
            for kind in ("normal", "tails"):
                yield share, regression(kind, share, differ, random)


def true_loss(table: Table, measure: Measure) -> float:
    """What the second model loses on all rows."""
    index = class_index_of(measure, table.classes)
    values = [value_of(measure, table.targets, each, index) for each in (table.before, table.after)]
    return measure.loss(values[1], values[0])


def accepted(
    table: Table, measure: Measure, rows: int, draws: int, random: np.random.Generator
) -> tuple[int, float, float]:
    """How many draws judge, and the shares that accept a budget of the true loss: by the bound, by the two numbers."""
    budget, by_bound, by_point = true_loss(table, measure), 0, 0
    for drawn_before in range(draws):
        if drawn_before == LOOK and by_bound <= FEW * LOOK:
            draws = LOOK
            break
        drawn = random.integers(0, POPULATION, rows)
        told = bound(measure, table.targets[drawn], table.before[drawn], table.after[drawn], CONFIDENCE, table.classes)
        by_bound += told.upper <= budget
        by_point += told.drop <= budget
    return draws, by_bound / draws, by_point / draws


def main() -> None:
    """Prints a line a cell; ends with 1 where a bound is wrong too often."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=5000)
    parser.add_argument("--metrics", nargs="+", help="only these, such as f1 or f1[b]")
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    draws, sizes = (20, ROWS[:2]) if given.small else (given.draws, ROWS)
    random, wrong = np.random.default_rng(0), 0
    for share, table in tables(random):
        for measure in table.measures:
            # All that counts for one class only is of the rare one.
            if (measure.label and "four" in table.name) or (given.metrics and measure.name not in given.metrics):
                continue
            if measure.metric == "f1" and measure.label is None:
                continue
            for rows in sizes:
                judged, by_bound, by_point = accepted(table, measure, rows, draws, random)
                is_wrong = by_bound > MOST_WRONG and not given.small
                wrong += is_wrong
                line = {
                    "table": table.name,
                    "metric": measure.name,
                    "differing": share,
                    "rows": rows,
                    "draws": judged,
                    "loss": round(true_loss(table, measure), 6),
                    "accepted": round(by_bound, 4),
                    "acceptedByPoint": round(by_point, 4),
                }
                print(json.dumps(line | ({"wrong": True} if is_wrong else {})), flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
