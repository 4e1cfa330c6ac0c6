"""Networks that go on learning for weights of few bits, or for zeros."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import technique_support
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils
from technique_support import CLASSES, MEASURING, WIDTH, leave_trained

from steelyard.api.training import Training
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.kept_candidates import KeptCandidates
from steelyard_trainer.compression.making import Maker
from steelyard_trainer.compression.recipe import Recipe, Step
from steelyard_trainer.families.keras.batches import Batch
from steelyard_trainer.families.keras.grid import Grid, on_grid
from steelyard_trainer.families.keras.masks import Masks
from steelyard_trainer.families.keras.networks import TrainingNetwork
from steelyard_trainer.families.keras.optimizers import build_optimizer
from steelyard_trainer.families.keras.step import Stepper

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "Keras"
    leave_trained("Keras", folder)
    return folder


def made(trained: Path, finished: Path, *steps: Step, tells: list[str] | None = None) -> Artifact:
    kept = KeptCandidates(finished, "tested")
    kept.clean_up()
    with Maker.of(
        technique_support.trained_in(trained, "Keras"), kept, (tells if tells is not None else []).append
    ) as maker:
        return maker.make(Recipe(steps))


def few_bit_weights(file: Path, bits: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The whole numbers (outputs, inputs) and scales (outputs,) of each layer in a .tflite file."""
    model: Any = flatbuffer_utils.read_model_from_bytearray(file.read_bytes())
    (graph,) = model.subgraphs
    found = []
    for operator in graph.operators:
        tensor = graph.tensors[operator.inputs[1]] if len(operator.inputs) > 1 else None
        if tensor is not None and tensor.type == {4: schema.TensorType.INT4, 2: schema.TensorType.INT2}[bits]:
            packed = np.array(model.buffers[tensor.buffer].data, np.uint8)
            parts = np.stack([packed >> at & 2**bits - 1 for at in range(0, 8, bits)], 1).ravel().astype(np.int8)
            numbers = parts[: int(np.prod(tensor.shape))].reshape(tensor.shape)
            signed = np.where(numbers >= 2 ** (bits - 1), numbers - 2**bits, numbers)
            found.append((signed, tensor.quantization.scale))
    return found


def kernels_of(artifact: Artifact) -> list[np.ndarray]:
    model = keras.saving.load_model(artifact.file, compile=False)
    return [np.array(layer.kernel) for layer in model.layers if hasattr(layer, "kernel")]


# --- the grid ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bits", "levels"), [(4, 7), (2, 1)])
def test_a_kernel_is_put_on_the_nearest_points_of_each_channels_grid(bits: int, levels: int) -> None:
    kernel = RANDOM.normal(size=(3, 3, 5, 6)).astype(np.float32) * np.arange(6, dtype=np.float32)
    found = on_grid(kernel, bits).numpy()
    # As a converter finds it: the largest weight is the end of the grid.
    steps = np.abs(found).max(axis=(0, 1, 2)) / levels
    whole = found[..., 1:] / steps[1:]
    assert whole == pytest.approx(np.round(whole), abs=1e-5) and not found[..., 0].any()
    within = np.abs(kernel) <= levels * steps
    assert (np.abs(found - kernel)[within] <= np.broadcast_to(steps / 2 + 1e-6, kernel.shape)[within]).all()
    assert on_grid(found, bits).numpy() == pytest.approx(found, abs=1e-6)
    widest = np.abs(kernel).max(axis=(0, 1, 2)) / levels
    plain = np.round(kernel[..., 1:] / widest[1:]) * widest[1:]
    lost, most = (((each - kernel[..., 1:]) ** 2).sum(axis=(0, 1, 2)) for each in (found[..., 1:], plain))
    assert (lost <= most * 1.0001).all() and lost.sum() < (1 if bits == 4 else 0.6) * most.sum()


def linear_network() -> tuple[TrainingNetwork, Any]:
    features = keras.Input((3,))
    layer = keras.layers.Dense(1)
    network = TrainingNetwork(keras.Model(features, layer(features)), takes_row_mask=False)
    layer.set_weights([RANDOM.normal(size=(3, 1)), np.zeros(1)])
    return network, layer


def test_the_gradients_of_the_grid_move_the_weights_that_are_kept() -> None:
    network, layer = linear_network()
    rows, targets = RANDOM.normal(size=(8, 3)).astype(np.float32), RANDOM.normal(size=8).astype(np.float32)
    before = layer.kernel.numpy()
    gridded = on_grid(before, 2).numpy()
    assert gridded.tolist() != before.tolist()
    training = Training.model_validate({"optimizer": {"name": "SGD", "learningRate": 0.5}})
    stepper = Stepper(network, build_optimizer(training, 1), None, rule=Grid([(layer.kernel, 2)]))
    errors = (rows @ gridded)[:, 0] - targets
    loss, _, _ = stepper.evaluate(rows, targets, 8)
    assert loss == pytest.approx(np.mean(errors**2), rel=1e-5)
    assert layer.kernel.numpy().tolist() == before.tolist(), "it is asked on the grid, and kept off it"
    stepper.train(Batch(rows, targets, np.full(8, 1 / 8, np.float32), np.ones(8, bool), 8.0))
    gradient = 2 * rows.T @ errors[:, np.newaxis] / 8
    assert layer.kernel.numpy() == pytest.approx(before - 0.5 * gradient, rel=1e-4)


@pytest.mark.parametrize("bits", [4, 2])
def test_weights_that_were_learned_in_few_bits_are_written_as_such(bits: int, trained: Path, tmp_path: Path) -> None:
    tells: list[str] = []
    learned = Step.of("QuantizationAware", {"epochs": 5, "bits": bits})
    levels = 2 ** (bits - 1) - 1
    network = made(trained, tmp_path, learned, tells=tells)
    assert tells == [f"a network with {bits}-bit weights is fine-tuned to answer as the trained network"]
    for kernel in kernels_of(network):
        assert max(len(np.unique(channel.round(6))) for channel in kernel.T) <= 2 * levels + 1
    assert [kernel.shape for kernel in kernels_of(network)] == [(WIDTH, 2 * WIDTH), (2 * WIDTH, len(CLASSES))]
    written = made(trained, tmp_path, learned, Step.of(f"Int{bits}"))
    for kernel, (values, scales) in zip(kernels_of(network), few_bit_weights(written.file, bits), strict=True):
        assert scales == pytest.approx(np.abs(kernel).max(0) / levels, rel=1e-6)
        assert values.T * scales == pytest.approx(kernel, abs=1e-6), "nothing is lost"


# --- zeros ------------------------------------------------------------------------------------------------------------


def test_more_and_more_weights_become_zeros_and_stay_so() -> None:
    kernel = keras.Variable(np.arange(1.0, 101).reshape(10, 10).astype(np.float32))
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build([kernel])
    masks = Masks([kernel], optimizer, steps=40, sparsity=0.8, by_layer=False)
    shares = []
    for _ in range(40):
        kept = masks.enter()
        entered = float(np.mean(np.array(kernel) == 0))
        # As if the gradients of all weights were such that those that are zeros became large.
        optimizer.apply([tf.where(kernel.value == 0, -1000.0, 0.0)], [kernel])
        masks.settle(kept)
        shares.append(float(np.mean(np.array(kernel) == 0)))
        assert entered == shares[-1], "the network is asked with its zeros, and the optimizer brings none back"
    progress = np.minimum(np.arange(40) / 20, 1)
    assert shares == pytest.approx(0.8 * (1 - (1 - progress) ** 3), abs=0.006)
    assert np.array(kernel).ravel()[80:].tolist() == list(range(81, 101)), "the smallest are zeros"


@pytest.mark.parametrize("scope", ["Global", "Layer"])
def test_a_pruned_network_has_its_zeros_of_all_layers_or_of_each(scope: str, trained: Path, tmp_path: Path) -> None:
    kernels = kernels_of(made(trained, tmp_path, Step.of("Prune", {"sparsity": 0.6, "scope": scope, "epochs": 15})))
    shares = [float(np.mean(kernel == 0)) for kernel in kernels]
    if scope == "Layer":
        assert shares == pytest.approx([0.6, 0.6], abs=0.02)
    else:
        assert sum(int((kernel == 0).sum()) for kernel in kernels) == round(
            0.6 * sum(kernel.size for kernel in kernels)
        )
        assert shares[0] > shares[1] + 0.05, "the layer that is mostly zeros from the start has more of them"


def test_zeros_are_stored_as_such_in_16_bits(trained: Path, tmp_path: Path) -> None:
    """The file's overhead is more than these few weights: the larger network of the examples shrinks 10 times."""
    pruned = Step.of("Prune", {"sparsity": 0.75, "epochs": 5})
    sparse = made(trained, tmp_path, pruned, Step.of("Float16", {"sparse": True}))
    plain = made(trained, tmp_path, pruned, Step.of("Float16"))
    rows = MEASURING.read_validation().features.astype(np.float32)
    answers = [MEASURING.serve(each).predict(rows) for each in (sparse, plain)]
    assert np.array(answers[0]) == pytest.approx(np.array(answers[1]), abs=1e-3)
    assert sparse.file.read_bytes() != plain.file.read_bytes()
