"""Convolutions in LiteRT, which may be silently wrong: the file says what Keras says, whatever the options of the
network, and every candidate of a convolutional network is made and judged."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from candidates_support import kept_candidates
from finish_support import SHARPNESS, FinishStage

from steelyard.api.models import Model
from steelyard.serving.model import LiteRtModel
from steelyard.stores.integrity import verify
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.kept_candidates import KeptCandidates
from steelyard_trainer.compression.making import Maker, Trained
from steelyard_trainer.data.shape import Category, Shape
from steelyard_trainer.families.keras.bench import BASELINE_RECIPE
from steelyard_trainer.families.keras.networks import serving_network, training_network

CLASSES = 3
# The kernel, the picture's shape, and whether blocks are residual and their convolutions separable: sizes that are odd,
# even, larger than the picture, lines.
CONVOLUTIONS = [
    (2, [7, 5, 2], True, False),
    (3, [8, 6, 1], False, True),
    (3, [5, 7, 3], True, True),
    (4, [6, 5, 1], False, False),
    (5, [9, 1, 1], False, True),
]
NETWORKS: list[dict[str, Any]] = [
    *(
        {
            "cnn": {
                "inputShape": shape,
                "kernelSize": kernel,
                "residual": residual,
                "depthwise": depthwise,
                "filters": [4, 6],
                "batchNormalization": kernel != 4,
                "hiddenUnits": [5] if depthwise else [],
                "activation": "silu" if residual else "relu",
            }
        }
        for kernel, shape, residual, depthwise in CONVOLUTIONS
    ),
    {"dsCnn": {"inputShape": [9, 4, 1], "width": 0.25}},
    {"wideAndDeep": {"hiddenUnits": [4], "crosses": [["a", "b"], ["c", "a"]], "crossBuckets": 8}},
]


def network_of(spec: dict[str, Any], name: str) -> keras.Model:
    """With weights, and with what it normalizes by, that differ from place to place."""
    model = Model.model_validate(spec)
    shape = Shape(12, CLASSES, (Category("a", 0, 4), Category("b", 5, 8), Category("c", 8, 10)))
    if not model.wide_and_deep:
        shape = Shape(int(np.prod(next(iter(spec.values()))["inputShape"])), CLASSES)
    rows = 1 + np.random.default_rng(1).normal(size=(32, shape.width)).astype(np.float32)
    trained = training_network(model, shape, seed=1)
    for _ in range(3):
        trained(rows, np.ones(len(rows), bool), training=True)
    served = serving_network(model, shape, trained, name)
    output = served.get_layer("output")
    output.set_weights([50 * weights for weights in output.get_weights()])
    return served


def test_a_litert_file_says_what_keras_says_of_one_row_and_of_many(tmp_path: Path) -> None:
    """All of them are in one file, as converting it is what takes long."""
    networks = [network_of(spec, f"network_{number}") for number, spec in enumerate(NETWORKS)]
    width = max(network.input_shape[-1] for network in networks)
    features = keras.Input((width,))
    together = keras.layers.Concatenate()([network(features[:, : network.input_shape[-1]]) for network in networks])
    whole = Artifact.in_memory(tmp_path, "Keras", keras.Model(features, together))
    trained = Trained(whole, width, len(networks) * CLASSES, None, lambda: pytest.fail("no rows are needed"))
    kept = KeptCandidates(tmp_path, "tested")
    kept.clean_up()
    with Maker.of(trained, kept) as maker:
        lite = LiteRtModel(maker.make(BASELINE_RECIPE).file.read_bytes())
    rows = np.random.default_rng(0).normal(size=(32, width)).astype(np.float32)
    for count in (1, len(rows)):
        said = np.split(lite.predict(rows[:count]), len(networks), axis=1)
        for network, spec, outputs in zip(networks, NETWORKS, said, strict=True):
            expected = np.asarray(network(rows[:, : network.input_shape[-1]]))
            assert np.ptp(expected) > 0.05, "what it says must differ from row to row"
            assert outputs == pytest.approx(expected[:count], abs=1e-4), spec


def test_every_candidate_of_a_convolutional_network_is_made_and_judged(tmp_path: Path) -> None:
    stage = FinishStage.ready(tmp_path, {"uri": "sklearn:digits", "target": "target"})
    model = digits_cnn(stage)
    model.save(stage.workspace.model_file)
    compression = {"candidates": ["DynamicRange", "Float16", "Int8"], "maxMetricDrop": 0.02}
    summary = stage.finish(publish=[{"uri": "model"}], compression=compression).summary
    measured = {each["name"]: each for each in summary["candidates"]}
    assert list(measured) == ["Baseline", "DynamicRange", "Float16", "Int8"]
    # Whether this network, which is not trained, bears activations of 8 bits is for its parity to say.
    assert all(measured[name]["bytes"] for name in ("Baseline", "DynamicRange", "Float16"))
    assert summary["chosen"] in ("DynamicRange", "Int8") and verify(tmp_path / "model") == []
    rows = stage.prepared().read("validation").features
    expected = np.asarray(model(rows))
    for name, folder in kept_candidates(stage.workspace).items():
        if measured[name]["bytes"] is None:
            continue
        assert measured[name]["bytes"] < 0.6 * measured["Baseline"]["bytes"] or name == "Baseline"
        outputs = LiteRtModel((folder / "model/model.tflite").read_bytes()).predict(rows)
        if name == "Baseline":
            assert outputs == pytest.approx(expected, abs=1e-5)
        assert (outputs.argmax(1) == expected.argmax(1)).mean() > 0.95


def digits_cnn(stage: FinishStage) -> keras.Model:
    """A network whose convolutions are random, and whose last layer is the best for them: it takes no training."""
    dataset = stage.prepared()
    spec = Model.model_validate({"cnn": {"inputShape": [8, 8, 1], "filters": [16, 32, 96]}})
    shape, examples = Shape.of(dataset.preprocessing), dataset.read("train")
    model = serving_network(spec, shape, training_network(spec, shape, seed=0))
    pooled = np.asarray(keras.Model(model.inputs, model.get_layer("pooled").output)(examples.features))
    design = np.hstack([pooled, np.ones((len(pooled), 1))])
    goal = SHARPNESS * np.eye(shape.outputs)[examples.targets]
    solution = np.linalg.solve(design.T @ design + np.eye(design.shape[1]), design.T @ goal)
    model.get_layer("output").set_weights([solution[:-1], solution[-1]])
    return model
