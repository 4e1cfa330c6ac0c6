"""How nearest neighbors are found: KDTree and BallTree against Brute, over rows and features.

    python benchmarks/neighbors.py            1,000 to 30,000 rows, 2 to 64 features, median of 5 rounds in turn
    python benchmarks/neighbors.py --small    300 rows, 2 and 32 features, one round

Prints one JSON line a figure: the time of fitting and of predicting 500 rows, as a ratio to Brute's in the same round;
below 1 is faster. Fails where the neighbors' distances differ.
"""

import argparse
import json
import statistics
import time

import numpy as np

from steelyard.api.training_job import TrainingJobSpec
from steelyard_trainer.families.sklearn.build import build_estimator

ALGORITHMS = ("Brute", "KDTree", "BallTree")
ASKED_ROWS = 500


def main() -> None:
    """Measures every size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="shows that it runs, measures nothing")
    small = parser.parse_args().small
    for rows in (300,) if small else (1_000, 10_000, 30_000):
        for features in (2, 32) if small else (2, 8, 16, 64):
            _measure(rows, features, rounds=1 if small else 5)


def _measure(rows: int, features: int, rounds: int) -> None:
    generator = np.random.default_rng(0)
    known, asked = generator.normal(size=(rows, features)), generator.normal(size=(ASKED_ROWS, features))
    targets = generator.normal(size=rows)
    seconds: dict[str, list[float]] = {algorithm: [] for algorithm in ALGORITHMS}
    distances = {}
    for _ in range(rounds):
        for algorithm in ALGORITHMS:
            model = build_estimator(_spec(algorithm), "Regression", None)
            began = time.perf_counter()
            model.fit(known, targets)
            model.predict(asked)
            seconds[algorithm].append(time.perf_counter() - began)
            distances[algorithm], _ = model.kneighbors(asked)
    for algorithm in ALGORITHMS[1:]:
        np.testing.assert_allclose(distances[algorithm], distances["Brute"], rtol=1e-6, atol=1e-9)
        ratio = statistics.median(
            mine / brute for mine, brute in zip(seconds[algorithm], seconds["Brute"], strict=True)
        )
        figure = {"value": round(ratio, 3), "unit": "ratio", "rows": rows, "features": features, "rounds": rounds}
        print(json.dumps({"benchmark": f"neighbors/{algorithm}/timeAgainst/Brute", **figure}), flush=True)


def _spec(algorithm: str) -> TrainingJobSpec:
    return TrainingJobSpec.model_validate(
        {
            "dataset": {"uri": "sklearn:diabetes", "target": "target"},
            "model": {"nearestNeighbors": {"algorithm": algorithm}},
        }
    )


if __name__ == "__main__":
    main()
