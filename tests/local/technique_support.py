"""Trained models that techniques are applied to, the same in every process, by what runs them."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from steelyard.api.metrics import Measure
from steelyard.api.models import Model
from steelyard.api.training import Training
from steelyard_trainer.compression import making
from steelyard_trainer.compression.artifact import Artifact, Runtime
from steelyard_trainer.compression.candidates import Measuring
from steelyard_trainer.compression.kept_candidates import KeptCandidates
from steelyard_trainer.compression.making import Maker, Trained
from steelyard_trainer.compression.recipe import Recipe, Step
from steelyard_trainer.compression.techniques import technique_named
from steelyard_trainer.compression.techniques.base import HowTrained
from steelyard_trainer.families.sklearn.features import LabelledRows
from steelyard_trainer.families.sklearn.saving import load_estimator
from steelyard_trainer.families.sklearn.skops_files import estimator_bytes
from steelyard_trainer.families.sklearn.teaching import unlearned_answers

WIDTH, CLASSES = 8, ("low", "middle", "high")


def rows(seed: int) -> LabelledRows:
    """Classes by a sum of two features, which a small model learns."""
    features = np.random.default_rng(seed).normal(size=(400, WIDTH))
    return LabelledRows(features, np.digitize(features[:, 0] + features[:, 1], [-0.5, 0.5]))


MEASURING = Measuring("Classification", CLASSES, None, [Measure("accuracy")], lambda: rows(1), costs=frozenset())


TOLD = {
    "Distill": {"epochs": 30},
    "QuantizationAware": {"epochs": 5},
    "Prune": {"epochs": 15, "sparsity": 0.5},
    "DistillMlp": {"epochs": 40, "hiddenUnits": [16]},
}
"""What techniques are told that are made for larger networks and tables than these."""


def alone(name: str) -> Recipe:
    """A recipe of one technique."""
    return Recipe((Step.of(name, TOLD.get(name)),))


def leave_trained(runtime: Runtime, folder: Path) -> None:
    """Writes a trained model's file."""
    folder.mkdir()
    artifact, learned = Artifact(folder, runtime), rows(0)
    if runtime == "Skops":
        forest = RandomForestClassifier(40, random_state=0).fit(learned.features, learned.targets)
        artifact.file.write_bytes(estimator_bytes(forest))
        return
    assert runtime == "Keras"
    regression = LogisticRegression(C=100).fit(learned.features, learned.targets)
    import keras

    features = keras.Input((WIDTH,), name="features")
    hidden = keras.layers.Dense(2 * WIDTH, activation="relu", name="hidden_1")
    outer = keras.layers.Dense(len(CLASSES), activation="softmax", name="output")
    model = keras.Model(features, outer(hidden(features)))
    # max(x, 0) - max(-x, 0) is x.
    hidden.set_weights([np.hstack([np.eye(WIDTH), -np.eye(WIDTH)]), np.zeros(2 * WIDTH)])
    outer.set_weights([np.vstack([regression.coef_.T, -regression.coef_.T]), regression.intercept_])
    model.save(artifact.file)


def trained_in(folder: Path, runtime: Runtime) -> Trained:
    """What `leave_trained` left."""
    training = Training.model_validate({"epochs": 15, "optimizer": {"learningRate": 0.01}})
    kind = {"mlp": {"hiddenUnits": [2 * WIDTH]}} if runtime == "Keras" else {"randomForest": {}}
    how_trained = HowTrained(
        Model.model_validate(kind),
        training,
        lambda targets: np.ones(len(targets), np.float32),
        answers=None
        if runtime == "Keras"
        else lambda artifact, given: unlearned_answers(artifact.opened(load_estimator), given, len(CLASSES)),
    )
    return Trained(Artifact(folder, runtime), WIDTH, len(CLASSES), None, lambda: rows(0), how_trained)


def made_of(recipe: Recipe, trained: Path, runtime: Runtime, finished: Path) -> Artifact:
    """What a recipe makes, as a process does that is started anew."""
    kept = KeptCandidates(finished, "tested")
    kept.clean_up()
    with Maker.of(trained_in(trained, runtime), kept) as maker:
        return maker.make(recipe)


def made_slowly(arguments: Sequence[str]) -> None:
    """The same for another process, which says that the files are written, and waits before they are put in place.

    Args:
        arguments: the technique, the folder of the trained model, its runtime, the folder for what is made.
    """
    name, trained, runtime, finished = arguments
    put = KeptCandidates.put

    @dataclass(frozen=True)
    class Slow(KeptCandidates):
        def put(self, recipe, make):  # type: ignore[no-untyped-def]
            def slow(folder: Path) -> Artifact:
                made: Artifact = make(folder)
                print("written", flush=True)
                time.sleep(600)
                return made

            return put(self, recipe, slow)

    kept = Slow(Path(finished), "tested")
    kept.clean_up()
    assert making.technique_named(name) is technique_named(name)
    with Maker.of(trained_in(Path(trained), runtime), kept) as maker:  # type: ignore[arg-type]
        maker.make(alone(name))


if __name__ == "__main__":
    made_slowly(sys.argv[1:])
