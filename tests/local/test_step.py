"""Our step against plain Keras: the same batches give the same weights, for every optimizer and schedule."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from steelyard.api.loading import parse_training_job
from steelyard.api.models import Model
from steelyard.api.training import Training
from steelyard_trainer.data.shape import Category, Shape
from steelyard_trainer.families.keras.batches import Batches
from steelyard_trainer.families.keras.networks import serving_network, training_network
from steelyard_trainer.families.keras.optimizers import build_optimizer
from steelyard_trainer.families.keras.step import Stepper

ROWS, WIDTH, CLASSES, BATCH = 60, 5, 3, 20
RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(ROWS, WIDTH)).astype(np.float32)
LABELS = RANDOM.integers(0, CLASSES, ROWS).astype(np.int32)
NUMBERS = RANDOM.normal(size=ROWS).astype(np.float32)
# Of the five features, two and three are the words of a category each.
CATEGORIES = (Category("size", 0, 2), Category("color", 2, 5))
PENALTIES = {"l1": 0.001, "l2": 0.01}
CNN = {"cnn": {"inputShape": [5, 1, 1], "filters": [4, 6], "residual": True, "depthwise": True}}
WIDE = {"wideAndDeep": {"hiddenUnits": [4], "crosses": [["size", "color"]], "crossBuckets": 4}}
MLP = {"mlp": {"hiddenUnits": [8], "regularization": PENALTIES}}


def parse(model: dict, training: dict) -> tuple[Model, Training]:
    spec = {"dataset": {"uri": "sklearn:iris", "target": "target"}, "model": model, "training": training}
    manifest = {"apiVersion": "steelyard.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": "t"}, "spec": spec}
    job = parse_training_job(manifest)
    return job.spec.model, job.spec.training


def batches(targets: np.ndarray, weights: np.ndarray | None = None, batch: int = BATCH) -> Batches:
    return Batches(FEATURES, targets, np.ones(ROWS, np.float32) if weights is None else weights, batch, 1, 0, seed=1)


OPTIMIZERS = [
    {"name": "SGD", "learningRate": 0.1},
    {"name": "SGD", "learningRate": 0.1, "momentum": 0.9, "nesterov": True},
    {"name": "Adam", "beta1": 0.8},
    {"name": "AdamW", "weightDecay": 0.1},
    {"name": "RMSprop", "momentum": 0.5, "rho": 0.8},
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: "-".join(map(str, optimizer.values())))
@pytest.mark.parametrize("targets", [LABELS, NUMBERS], ids=["classification", "regression"])
def test_a_step_is_what_keras_fit_does(optimizer, targets):
    assert_steps_are_those_of_keras(MLP, optimizer, targets)


@pytest.mark.parametrize("model", [CNN, WIDE], ids=lambda model: next(iter(model)))
def test_a_step_of_each_network_is_what_keras_fit_does_with_its_penalties(model):
    ((kind, settings),) = model.items()
    # Keras's own normalization would count padding, of which there is none, and has the same moments.
    penalized = {kind: {**settings, "regularization": PENALTIES, "batchNormalization": False}}
    assert_steps_are_those_of_keras(penalized, {"name": "SGD", "learningRate": 0.02}, LABELS)


def assert_steps_are_those_of_keras(model, optimizer, targets):
    model_spec, training = parse(model, {"optimizer": optimizer, "epochs": 4})
    shape = Shape(WIDTH, CLASSES if targets is LABELS else None, CATEGORIES)
    ours = training_network(model_spec, shape, seed=3)
    theirs = training_network(model_spec, shape, seed=3).model
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True) if shape.classes else "mse"
    theirs.compile(build_optimizer(training, 3), loss)
    stepper = Stepper(ours, build_optimizer(training, 3), None)
    for epoch in range(4):
        for batch in batches(targets).epoch(epoch):
            figures = stepper.train(batch).numpy()
            expected = theirs.train_on_batch(batch.features, batch.targets)
            assert figures[0] == pytest.approx(expected, rel=1e-5)
    for mine, keras_own in zip(ours.model.get_weights(), theirs.get_weights(), strict=True):
        assert mine == pytest.approx(keras_own, abs=1e-6)


@pytest.mark.parametrize(
    "schedule",
    [None, {"cosine": {"warmupEpochs": 2, "finalFraction": 0.1}}, {"exponential": {"rate": 0.5, "everyEpochs": 2}}],
)
def test_the_learning_rate_follows_its_schedule(schedule):
    settings = {"epochs": 10, "optimizer": {"name": "SGD", "learningRate": 0.2}}
    _, training = parse(MLP, settings | ({"learningRateSchedule": schedule} if schedule else {}))
    optimizer = build_optimizer(training, steps_per_epoch=5)
    variable = keras.Variable(np.zeros(2))
    optimizer.build([variable])
    rates = []
    for _ in range(50):
        rates.append(float(optimizer.learning_rate))
        optimizer.apply([tf.zeros(2)], [variable])
    if schedule is None:
        assert rates == pytest.approx([0.2] * 50)
    elif "cosine" in schedule:
        assert rates[0] == 0
        assert max(rates) == pytest.approx(0.2)
        assert rates.index(max(rates)) == 10
        assert rates[-1] == pytest.approx(0.02, abs=0.002)
    else:
        assert rates[10] == pytest.approx(0.1)
        assert rates[40] == pytest.approx(0.2 * 0.5**4)


def test_a_weighted_loss_is_divided_by_the_sum_of_the_weights_and_padding_counts_nothing():
    model_spec, training = parse({"linear": {}}, {})
    network = training_network(model_spec, Shape(WIDTH, CLASSES), seed=3)
    weights = RANDOM.uniform(0.5, 2, ROWS).astype(np.float32)
    stepper = Stepper(network, build_optimizer(training, 1), None)
    # One batch of 64 for 60 rows: 4 rows of padding.
    (batch,) = batches(LABELS, weights, batch=64).epoch(0)
    logits = network(FEATURES, None, training=False).numpy()
    losses = keras.losses.sparse_categorical_crossentropy(LABELS, logits, from_logits=True).numpy()
    right = logits.argmax(1) == LABELS
    loss, accuracy = stepper.train(batch).numpy()
    assert loss == pytest.approx(np.average(losses, weights=weights), rel=1e-5)
    assert accuracy == pytest.approx(np.average(right, weights=weights), rel=1e-5)


def test_a_smoothed_loss_is_that_of_keras_with_weights_and_is_not_in_what_is_evaluated():
    model_spec, training = parse(MLP, {"labelSmoothing": 0.2, "optimizer": {"name": "SGD", "learningRate": 0.1}})
    shape = Shape(WIDTH, CLASSES)
    ours, theirs = (training_network(model_spec, shape, seed=3) for _ in range(2))
    stepper = Stepper(ours, build_optimizer(training, 1), None, training.label_smoothing)
    theirs.model.compile(
        build_optimizer(training, 1), keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2)
    )
    weights = RANDOM.uniform(0.5, 2, ROWS).astype(np.float32)
    (batch,) = batches(LABELS, weights, batch=64).epoch(0)
    # Keras divides by the rows of the batch.
    scaled = batch.weights * len(batch.weights)
    loss, _ = stepper.train(batch).numpy()
    expected = theirs.model.train_on_batch(batch.features, np.eye(CLASSES)[batch.targets], scaled)
    assert loss == pytest.approx(float(expected), abs=1e-6)
    for mine, keras_own in zip(ours.model.get_weights(), theirs.model.get_weights(), strict=True):
        assert mine == pytest.approx(keras_own, abs=1e-6)
    logits = ours(FEATURES, None, training=False).numpy()
    plain = keras.losses.sparse_categorical_crossentropy(LABELS, logits, from_logits=True).numpy().mean()
    assert stepper.evaluate(FEATURES, LABELS, ROWS)[0] == pytest.approx(plain, rel=1e-5)


def test_batch_normalization_leaves_padding_out():
    model_spec, training = parse({"mlp": {"hiddenUnits": [4], "batchNormalization": True}}, {})
    network = training_network(model_spec, Shape(WIDTH, CLASSES), seed=3)
    stepper = Stepper(network, build_optimizer(training, 1), None)
    (batch,) = batches(LABELS, batch=64).epoch(0)
    hidden = network.model.get_layer("hidden_1")(FEATURES).numpy()
    stepper.train(batch)
    normalization = network.model.get_layer("normalization_1")
    kept = normalization.momentum
    assert normalization.moving_mean.numpy() == pytest.approx(hidden.mean(0) * (1 - kept), abs=1e-5)
    assert normalization.moving_variance.numpy() == pytest.approx(kept + hidden.var(0) * (1 - kept), abs=1e-5)


def test_batch_normalization_of_pictures_is_over_all_places_of_the_rows_that_are_no_padding():
    model_spec, training = parse(CNN, {})
    network = training_network(model_spec, Shape(WIDTH, CLASSES), seed=3)
    stepper = Stepper(network, build_optimizer(training, 1), None)
    (batch,) = batches(LABELS, batch=64).epoch(0)
    convolved = network.model.get_layer("stem")(FEATURES.reshape(-1, 5, 1, 1)).numpy()
    stepper.train(batch)
    normalization = network.model.get_layer("stem_normalization")
    kept = normalization.momentum
    mean, variance = convolved.mean((0, 1, 2)), convolved.var((0, 1, 2))
    assert normalization.moving_mean.numpy() == pytest.approx(mean * (1 - kept), abs=1e-5)
    assert normalization.moving_variance.numpy() == pytest.approx(kept + variance * (1 - kept), abs=1e-5)


@pytest.mark.parametrize(
    ("model", "features", "classes", "weights"),
    [
        # As the reference's Keras models count them (github.com/mlcommons/tiny).
        ({"resNet8": {"inputShape": [32, 32, 3]}}, 32 * 32 * 3, 10, 78_666),
        ({"dsCnn": {"inputShape": [49, 10, 1]}}, 490, 12, 24_908),
    ],
)
def test_a_network_of_mlperf_tiny_has_as_many_weights_as_there(model, features, classes, weights):
    model_spec, _ = parse(model, {})
    network = training_network(model_spec, Shape(features, classes), seed=0)
    assert serving_network(model_spec, Shape(features, classes), network).count_params() == weights


def test_a_cross_of_two_categories_is_the_pair_of_their_words_or_its_bucket():
    words = np.array([[1, 0, 0, 0, 1], [0, 1, 1, 0, 0], [0, 1, 0, 0, 1], [0, 0, 0, 1, 0]], np.float32)
    # Of the six pairs the first column's words come first; an unknown word has none. Three buckets are as many as the
    # second column's words: it counts as one of four.
    for buckets, places in ((6, [2, 3, 5, None]), (4, [2, 3, 1, None]), (3, [2, 1, 0, None])):
        model_spec, _ = parse({"wideAndDeep": {**WIDE["wideAndDeep"], "crossBuckets": buckets}}, {})
        network = training_network(model_spec, Shape(WIDTH, CLASSES, CATEGORIES), seed=0)
        crossed = keras.Model(network.model.inputs, network.model.get_layer("cross_1").output)(words).numpy()
        expected = np.zeros((4, buckets))
        for row, place in enumerate(places):
            expected[row, slice(0) if place is None else place] = 1
        assert crossed == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "model",
    [
        {"linear": {}},
        {"mlp": {"hiddenUnits": [8, 4], "batchNormalization": True, "dropout": 0.5, "activation": "gelu"}},
        {"cnn": {**CNN["cnn"], "hiddenUnits": [3], "dropout": 0.5, "activation": "silu"}},
        {"wideAndDeep": {**WIDE["wideAndDeep"], "batchNormalization": True, "dropout": 0.5}},
    ],
)
def test_the_network_that_serves_says_what_the_trained_one_says(model):
    model_spec, training = parse(model, {})
    for shape, targets in [(Shape(WIDTH, CLASSES, CATEGORIES), LABELS), (Shape(WIDTH, None, CATEGORIES), NUMBERS)]:
        network = training_network(model_spec, shape, seed=3)
        stepper = Stepper(network, build_optimizer(training, 3), None)
        for batch in batches(targets).epoch(0):
            stepper.train(batch)
        raw = network(FEATURES, np.ones(ROWS, bool), training=False).numpy()
        served = serving_network(model_spec, shape, network)
        assert {type(layer).__module__.split(".")[0] for layer in served.layers} == {"keras"}
        expected = tf.nn.softmax(raw).numpy() if shape.classes else raw
        assert served(FEATURES).numpy() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_first_weights_are_a_function_of_the_seed():
    model_spec, _ = parse(MLP, {})

    def first(seed: int) -> list[np.ndarray]:
        return training_network(model_spec, Shape(WIDTH, CLASSES), seed).model.get_weights()

    assert all(np.array_equal(a, b) for a, b in zip(first(7), first(7), strict=True))
    assert not np.array_equal(first(7)[0], first(8)[0])
