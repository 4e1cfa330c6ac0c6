"""Whether the promise of a compressed model is kept: of those that are called proved, how many truly lose more than
the budget.

    python benchmarks/promise.py            5 generated sets, 300 draws each: minutes
    python benchmarks/promise.py --small    2 sets, 10 draws: seconds

Candidates are made once for each set: a network of scikit-learn's, students of fewer units, and the weights of all of
them rounded to 8, 6, 4 and 3 bits, as formats do. Their answers to all held-out rows are stored. Then search rows and
validation rows are drawn anew, the rule and the choice are replayed by the code that the stage finish runs, and the
rows that were not drawn judge.

One JSON line for each set and number of rows, and one for all: the share of publications that are called proved and
truly lose more than the budget, with its lower 95 % bound, which must be at most 5 %; the same without a bound for
`proof: Point`; the share of draws that publish something smaller than the baseline.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import beta
from sklearn.datasets import make_classification, make_friedman1
from sklearn.neural_network import MLPClassifier, MLPRegressor

from steelyard.api.metrics import Measure
from steelyard_trainer.compression.choice import Choice, Measured, choose
from steelyard_trainer.compression.paired import bound
from steelyard_trainer.compression.proving import Bounds, Proof
from steelyard_trainer.evaluation.metrics import Figure, value_of

HELD_OUT, SEARCH, ROWS, DRAWS = 20_000, 2000, (180, 360, 1000, 3000), 300
BUDGET, CONFIDENCE, MOST_BROKEN = 0.01, 0.95, 0.05
BITS = (8, 6, 4, 3)

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Made:
    """A set's candidates: what they answer to all held-out rows, and how large they are."""

    name: str
    measure: Measure
    targets: Array
    answers: dict[str, Array]
    """By name; the baseline first."""
    sizes: dict[str, int]


def rounded(model: Any, bits: int) -> tuple[list[Array], float]:
    """The weights of a network on a grid of so many bits per unit, and the bytes that they take."""
    steps, kept, size = 2 ** (bits - 1) - 1, [], 0.0
    for weights in model.coefs_:
        scale = np.maximum(np.abs(weights).max(axis=0), 1e-12) / steps
        kept.append(np.round(weights / scale) * scale)
        size += weights.size * bits / 8 + 4 * weights.shape[1]
    return kept, size


def answers_of(model: Any, features: Array) -> Array:
    """Probabilities, or numbers in one column."""
    if isinstance(model, MLPClassifier):
        return np.asarray(model.predict_proba(features))
    return np.asarray(model.predict(features))[:, None]


def made(name: str, units: int, features: Array, targets: Array, *, is_small: bool) -> Made:
    """Trains a network and its students on what is not held out, and rounds them."""
    kind = MLPClassifier if targets.dtype.kind == "i" else MLPRegressor
    held, learned = slice(0, HELD_OUT), slice(HELD_OUT, None)
    answers, sizes = {}, {}
    for width in (units, units // 4, units // 8, units // 16):
        model = kind(hidden_layer_sizes=(width,), max_iter=5 if is_small else 30, random_state=0, early_stopping=False)
        model.fit(features[learned], targets[learned])
        weights = model.coefs_
        whole = "Baseline" if width == units else f"width {width}"
        answers[whole], sizes[whole] = answers_of(model, features[held]), 4 * sum(each.size for each in weights)
        for bits in BITS:
            model.coefs_, size = rounded(model, bits)
            each = f"width {width}, {bits} bits"
            answers[each], sizes[each] = answers_of(model, features[held]), int(size)
            model.coefs_ = weights
    measure = Measure("accuracy" if kind is MLPClassifier else "r2")
    return Made(name, measure, targets[held], answers, sizes)


def sets(*, is_small: bool) -> Iterator[Made]:
    """The tables: classes in clusters, which no linear model tells apart, and a regression that is not linear."""
    rows = HELD_OUT + (4000 if is_small else 20_000)
    for name, classes, clusters, noise in (
        ("two classes", 2, 8, 0.02),
        ("four classes", 4, 4, 0.02),
        ("ten classes", 10, 2, 0.0),
        ("labels that err", 2, 4, 0.15),
    )[: 1 if is_small else 4]:
        features, targets = make_classification(
            rows,
            20,
            n_informative=10,
            n_redundant=0,
            n_classes=classes,
            n_clusters_per_class=clusters,
            flip_y=noise,
            class_sep=1.5,
            random_state=1,
        )
        yield made(name, 128, features, targets.astype(np.int64), is_small=is_small)
    features, targets = make_friedman1(rows, 10, noise=1.0, random_state=1)
    yield made("numbers", 128, features, (targets - targets.mean()) / targets.std(), is_small=is_small)


def value(each: Made, name: str, rows: Array) -> float:
    """A candidate's metric on some rows."""
    return value_of(each.measure, each.targets[rows], each.answers[name][rows], None)


def replayed(each: Made, search: Array, validation: Array, *, by_point: bool) -> Choice:
    """The choice that the stage finish would make of these rows."""
    measured = [
        Measured(name, each.sizes[name], 1.0, {each.measure.name: Figure(value(each, name, validation), 0.0)})
        for name in each.answers
    ]

    def on(rows: Array, name: str) -> Any:
        outputs = each.answers["Baseline"][rows], each.answers[name][rows]
        return bound(each.measure, each.targets[rows], *outputs, CONFIDENCE)

    proof = None
    if not by_point:
        tested = {name: Bounds(on(search, name), on(validation, name)) for name in each.answers if name != "Baseline"}
        proof = Proof(CONFIDENCE, on(validation, "Baseline"), tested)
    return choose(measured, each.measure, BUDGET, "Size", "float32", proof)


class Figures(defaultdict[str, float]):
    """Sums over draws."""

    def __init__(self) -> None:
        super().__init__(float)

    def add(self, others: Mapping[str, float]) -> None:
        """Adds those of other draws."""
        for name, value in others.items():
            self[name] += value


def lower(broken: int, count: int) -> float:
    """The lower 95 % bound of a share (Clopper and Pearson, 1934)."""
    return float(beta.ppf(0.05, broken, count - broken + 1)) if broken else 0.0


def told(counts: Figures, draws: int) -> dict[str, Any]:
    """A line's figures."""
    proved, broken = int(counts["proved"]), int(counts["broken"])
    return {
        "draws": draws,
        "proved": proved,
        "broken": broken,
        "atLeast": round(lower(broken, proved), 4) if proved else 0.0,
        "smaller": round(counts["smaller"] / draws, 3),
        "bytes": round(counts["bytes"] / draws, 3),
        "byPointBroken": round(counts["point broken"] / draws, 3),
    }


def main() -> None:
    """Prints a line for each set and number of rows; ends with 1 where the promise is broken too often."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    draws, sizes = (10, ROWS[:2]) if given.small else (given.draws, ROWS)
    random, failed, whole = np.random.default_rng(0), False, {rows: Figures() for rows in sizes}
    for each in sets(is_small=given.small):
        for rows in sizes:
            counts = Figures()
            for _ in range(draws):
                order = random.permutation(HELD_OUT)
                search, validation, judges = np.split(order, [SEARCH, SEARCH + rows])

                def lost(name: str, judges: Array = judges, each: Made = each) -> float:
                    return each.measure.loss(value(each, name, judges), value(each, "Baseline", judges))

                choice = replayed(each, search, validation, by_point=False)
                name = choice.chosen.measured.name
                counts["smaller"] += name != "Baseline"
                counts["bytes"] += each.sizes[name] / each.sizes["Baseline"]
                if choice.chosen.is_proved:
                    counts["proved"] += 1
                    counts["broken"] += lost(name) > BUDGET
                point = replayed(each, search, validation, by_point=True).chosen.measured.name
                counts["point broken"] += lost(point) > BUDGET
            whole[rows].add(counts)
            print(json.dumps({"set": each.name, "rows": rows, **told(counts, draws)}), flush=True)
    for rows, counts in whole.items():
        line = told(counts, draws * (2 if given.small else 5))
        failed |= line["atLeast"] > MOST_BROKEN or (rows == 1000 and line["smaller"] < 0.9)
        print(json.dumps({"set": "all", "rows": rows, **line}), flush=True)
    sys.exit(1 if failed and not given.small else 0)


if __name__ == "__main__":
    main()
