"""A step of the trainer against a step of plain Keras `fit`, and two workers against one; a JSON line per figure.

Same model, rows, optimizer, batch size, validation and one line of report an epoch for both; each side runs in a
process of its own, as a user would run it: in turn, `--rounds` times, after an epoch of warm-up. Figures are medians of
the rounds' ratios: absolute times of a shared machine mean nothing.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@dataclass(frozen=True)
class Case:
    """What is trained."""

    rows: int
    width: int
    classes: int
    hidden_units: list[int]
    batch_size: int
    epochs: int


CASES = {
    # As the digits example has it: 1,257 rows to train on.
    "digits": Case(1257, 64, 10, [256, 128], 32, 40),
    # 1.05 million parameters.
    "mlp-1m": Case(8192, 256, 10, [1024, 720], 128, 6),
}


def main() -> None:
    """Prints the figures, or, as a child, measures one side."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--small", action="store_true", help="one round of few epochs: shows that it runs")
    arguments.add_argument("--side", choices=["keras", "steelyard"], help=argparse.SUPPRESS)
    arguments.add_argument("--case", choices=list(CASES), help=argparse.SUPPRESS)
    arguments.add_argument("--workers", type=int, default=1, help=argparse.SUPPRESS)
    arguments.add_argument("--worker", type=int, default=0, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.side:
        seconds = {"keras": keras_seconds, "steelyard": steelyard_seconds}[given.side]
        print(json.dumps({"secondsPerEpoch": seconds(CASES[given.case], given)}))
        return
    rounds = 1 if given.small else given.rounds
    for name in ["digits"] if given.small else CASES:
        compare(name, rounds, given.small)


def compare(name: str, rounds: int, small: bool) -> None:
    """The sides in turn."""
    ratios: dict[str, list[float]] = {"stepsPerSecondAgainstKeras": [], "rowsPerSecondTwoWorkersAgainstOne": []}
    for _ in range(rounds):
        ours = measure("steelyard", name, small)
        theirs = measure("keras", name, small)
        two = measure("steelyard", name, small, workers=2)
        ratios["stepsPerSecondAgainstKeras"].append(theirs / ours)
        ratios["rowsPerSecondTwoWorkersAgainstOne"].append(ours / two)
    for figure, values in ratios.items():
        print(
            json.dumps(
                {
                    "benchmark": "training",
                    "case": name,
                    "figure": figure,
                    "median": round(statistics.median(values), 3),
                    "rounds": [round(value, 3) for value in values],
                }
            ),
            flush=True,
        )


def measure(side: str, case: str, small: bool, workers: int = 1) -> float:
    """Seconds of an epoch, in processes of their own; the longest of several workers'."""
    ports = [free_port() for _ in range(workers)]
    children = []
    for worker in range(workers):
        environment = dict(os.environ)
        if workers > 1:
            cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
            environment["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": worker}})
            environment["STEELYARD_THREADS"] = str(max(1, (os.cpu_count() or 1) // workers))
        command = [sys.executable, __file__, "--side", side, "--case", case]
        command += ["--workers", str(workers), "--worker", str(worker), *(["--small"] if small else [])]
        children.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
    outputs = [child.communicate() for child in children]
    for child, (_, errors) in zip(children, outputs, strict=True):
        if child.returncode:
            sys.exit(f"a run of {side} failed:\n{errors.decode()[-3000:]}")
    return max(json.loads(output.decode().splitlines()[-1])["secondsPerEpoch"] for output, _ in outputs)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        port: int = candidate.getsockname()[1]
        return port


def rows_of(case: Case) -> tuple[Any, Any, Any, Any]:
    """Random rows with something to learn: training features and labels, then a tenth as many for validation."""
    import numpy as np

    random = np.random.default_rng(0)
    centres = random.normal(size=(case.classes, case.width))
    labels = random.integers(0, case.classes, case.rows + case.rows // 10).astype(np.int32)
    features = (centres[labels] + random.normal(size=(len(labels), case.width))).astype(np.float32)
    return features[: case.rows], labels[: case.rows], features[case.rows :], labels[case.rows :]


def manifest(case: Case, workers: int, epochs: int) -> dict[str, Any]:
    """The case as a TrainingJob; its dataset is not read."""
    spec = {
        "dataset": {"uri": "sklearn:digits", "target": "target"},
        "model": {"mlp": {"hiddenUnits": case.hidden_units}},
        "training": {"workers": workers, "batchSize": case.batch_size, "epochs": epochs},
    }
    return {"apiVersion": "steelyard.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": "b"}, "spec": spec}


class Clock:
    """Reports each epoch and times those after the first."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def report(self, epoch: int, figures: dict[str, float]) -> None:
        print(json.dumps({"epoch": epoch, **figures}), flush=True)
        self.ends.append(time.perf_counter())

    @property
    def seconds_per_epoch(self) -> float:
        return statistics.median(end - start for start, end in zip(self.ends[:-1], self.ends[1:], strict=True))


def keras_seconds(case: Case, given: argparse.Namespace) -> float:
    """Plain Keras: compile and fit."""
    import keras

    features, labels, more_features, more_labels = rows_of(case)
    model = keras.Sequential([keras.Input((case.width,))])
    for units in case.hidden_units:
        model.add(keras.layers.Dense(units, activation="relu"))
    model.add(keras.layers.Dense(case.classes))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    clock = Clock()
    model.fit(
        features,
        labels,
        batch_size=case.batch_size,
        epochs=3 if given.small else case.epochs,
        validation_data=(more_features, more_labels),
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: clock.report(epoch + 1, logs))],
    )
    return clock.seconds_per_epoch


def steelyard_seconds(case: Case, given: argparse.Namespace) -> float:
    """Our loop, as the train stage builds it, checkpoints included."""
    import numpy as np

    from steelyard.api.loading import parse_training_job
    from steelyard_trainer.data.shape import Shape
    from steelyard_trainer.families.keras.batches import Batches, share
    from steelyard_trainer.families.keras.checkpoints import Checkpoints
    from steelyard_trainer.families.keras.epoch_metrics import EpochMetrics
    from steelyard_trainer.families.keras.loop import Loop, Validation
    from steelyard_trainer.families.keras.networks import training_network
    from steelyard_trainer.families.keras.optimizers import build_optimizer
    from steelyard_trainer.families.keras.step import Stepper
    from steelyard_trainer.families.keras.worker import connect

    strategy = connect()
    job = parse_training_job(manifest(case, given.workers, 3 if given.small else case.epochs))
    training = job.spec.training
    features, labels, more_features, more_labels = rows_of(case)
    batches = Batches(
        features, labels, np.ones(len(labels), np.float32), case.batch_size, given.workers, given.worker, seed=0
    )
    clock = Clock()
    with strategy.scope() if strategy else nullcontext():
        network = training_network(job.spec.model, Shape(case.width, case.classes), seed=0)
        optimizer = build_optimizer(training, batches.steps)
        stepper = Stepper(network, optimizer, strategy)
    own = share(len(more_labels), given.workers, given.worker)
    with tempfile.TemporaryDirectory() as folder:
        Loop(
            spec=training,
            model=network.model,
            optimizer=optimizer,
            stepper=stepper,
            batches=batches,
            validation=Validation(more_features[own], more_labels[own], len(more_labels)),
            checkpoints=Checkpoints(Path(folder), "benchmark"),
            metric="accuracy",
            metric_scale=1.0,
            metrics=EpochMetrics((), None, more_labels, [str(label) for label in range(case.classes)]),
            report=clock.report,
            is_leaving=lambda: False,
        ).run()
    return clock.seconds_per_epoch


if __name__ == "__main__":
    main()
