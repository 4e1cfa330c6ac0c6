"""What `compression.py` makes small: tables, made by code or shipped with scikit-learn, and the models that learn them.

All but those that say so have headroom: no linear model comes near. Rows are independent of each other, and drawn once,
by a seed of their own. Of classes that scores decide, rows whose two highest scores nearly tie are left out.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import make_classification

Table = dict[str, np.ndarray]
Array = npt.NDArray[Any]


def of_waves(rows: int, _random: np.random.Generator) -> Table:
    """Five classes of 6 features, by sums of 12 waves across them."""
    random = np.random.default_rng(1)
    features = random.normal(size=(2 * rows, 6))
    waves = np.sin(features @ random.normal(size=(6, 12)) * 0.45 + random.uniform(0, 2 * np.pi, 12))
    scores = waves @ random.normal(size=(12, 5))
    scores -= scores.mean(0)
    clear = _clearest(scores, rows)
    return {**_columns(features[clear]), "target": scores[clear].argmax(1)}


def of_clusters(rows: int, _random: np.random.Generator) -> Table:
    """Five classes of four clusters each, in 12 features, a third of which say nothing."""
    features, targets = make_classification(
        rows,
        12,
        n_informative=8,
        n_redundant=0,
        n_classes=5,
        n_clusters_per_class=4,
        flip_y=0,
        class_sep=3,
        random_state=3,
    )
    return {**_columns(features), "target": targets}


def of_friedman(rows: int, random: np.random.Generator) -> Table:
    """A regression of 10 features, 5 of which say nothing (Friedman, 1991, doi:10.1214/aos/1176347963)."""
    features = random.uniform(size=(rows, 10))
    product, curve = np.sin(np.pi * features[:, 0] * features[:, 1]), (features[:, 2] - 0.5) ** 2
    target = 10 * product + 20 * curve + 10 * features[:, 3] + 5 * features[:, 4] + random.normal(0, 0.5, rows)
    return {**_columns(features), "target": target}


def of_an_arm(rows: int, random: np.random.Generator) -> Table:
    """How far the hand of a flat arm of six joints is from a point, by the joints' angles and the point's place."""
    angles, place = random.uniform(-0.8, 0.8, size=(rows, 6)), random.uniform(-1, 1, size=(rows, 2))
    directions, lengths = angles.cumsum(axis=1), 0.8 ** np.arange(6)
    hand = np.stack([(lengths * np.cos(directions)).sum(1), (lengths * np.sin(directions)).sum(1)], axis=1)
    target = np.hypot(*(hand - 2 * place).T) + random.normal(0, 0.05, rows)
    return {**_columns(np.concatenate([angles, place], axis=1)), "target": target}


def of_rules(rows: int, random: np.random.Generator) -> Table:
    """Four classes by thresholds of pairs of features, as trees find them; 3 of 100 labels err."""
    features = random.uniform(size=(rows, 12))
    high = features > 0.5
    targets = 2 * (high[:, 0] ^ high[:, 1]) + (high[:, 2] ^ (features[:, 3] > 0.4))
    erring = random.uniform(size=rows) < 0.03
    return {**_columns(features), "target": np.where(erring, random.integers(0, 4, rows), targets)}


def of_crosses(rows: int, random: np.random.Generator) -> Table:
    """Two classes by how the words of six categories go together in pairs, and by two of four numbers."""
    words, pairs = 12, ((0, 1), (2, 3), (4, 5))
    given = random.integers(0, words, size=(2 * rows, 6))
    numbers = random.normal(size=(2 * rows, 4))
    meaning = random.normal(size=(6, words, 2))
    score = 1.5 * np.sin(2 * numbers[:, 0]) * numbers[:, 1]
    for one, other in pairs:
        score = score + (meaning[one, given[:, one]] * meaning[other, given[:, other]]).sum(1)
    clear = _clearest(np.stack([score, -score], axis=1), rows)
    names = np.array([f"w{number}" for number in range(words)])
    categories = {f"c{number}": names[given[clear, number]] for number in range(6)}
    return {**categories, **_columns(numbers[clear]), "target": (score[clear] > 0).astype(np.int64)}


def of_shapes(rows: int, random: np.random.Generator, side: int = 12, channels: int = 1) -> Table:
    """Six shapes drawn as lines, dark or bright, of any size and at any place, under noise."""
    kinds = random.integers(0, len(_SHAPES), rows)
    radius = random.uniform(0.24, 0.4, rows) * side
    middle = random.uniform(radius[:, None] - 0.5, side - 0.5 - radius[:, None], (rows, 2))
    up, across = np.mgrid[:side, :side]
    v, u = ((grid - middle[:, axis, None, None]) / radius[:, None, None] for axis, grid in ((0, up), (1, across)))
    far = np.stack([shape(u, v) for shape in _SHAPES])[kinds, np.arange(rows)]
    drawn = np.exp(-((far * radius[:, None, None] / 0.7) ** 2))[..., None]
    colors = random.choice([-1.0, 1.0], (rows, 1, 1, channels)) * random.uniform(0.5, 1, (rows, 1, 1, channels))
    images = drawn * colors + random.normal(0, 0.1, (rows, side, side, channels))
    return {**_columns(images.reshape(rows, -1)), "target": kinds}


def _ex(u: Array, v: Array) -> Array:
    return np.maximum(np.abs(np.abs(u) - np.abs(v)) * 0.7, np.maximum(np.abs(u), np.abs(v)) - 0.9)


_SHAPES: tuple[Callable[[Array, Array], Array], ...] = (
    lambda u, v: np.abs(np.hypot(u, v) - 0.95),
    lambda u, v: np.abs(np.maximum(np.abs(u), np.abs(v)) - 0.9),
    lambda u, v: np.abs(np.maximum(v - 0.8, 0.9 * np.abs(u) - 0.45 * v - 0.45)),
    lambda u, v: np.maximum(np.minimum(np.abs(u), np.abs(v)), np.maximum(np.abs(u), np.abs(v)) - 1),
    _ex,
    lambda u, v: np.maximum(np.abs(np.abs(u) - 0.7), np.abs(v) - 0.9),
)
"""How far a place is from a shape's line: circle, square, triangle, plus, ex, two bars."""


def of_sounds(rows: int, random: np.random.Generator, frames: int = 24, bands: int = 10) -> Table:
    """Spectra over time, in which a tone rises, falls, does both, stays, jumps or pauses: eight kinds, of any pitch,
    loudness and length, at any time, under noise."""
    kinds = random.integers(0, 8, rows)
    length = random.uniform(0.4, 0.75, rows) * frames
    begin = random.uniform(0, frames - length)
    at = (np.arange(frames) - begin[:, None]) / length[:, None]
    bend = np.abs(2 * at - 1)
    moves = np.stack([at, 1 - at, 1 - bend, bend, 0.5 + 0 * at, at > 0.5, at <= 0.5, 0.5 + 0 * at])
    span, low = random.uniform(0.45, 0.7, rows) * bands, random.uniform(0, 0.25, rows) * bands
    pitch = low[:, None] + span[:, None] * moves[kinds, np.arange(rows)]
    sounds = (at >= 0) & (at <= 1) & ~((kinds == 7)[:, None] & (np.abs(at - 0.5) < 0.2))
    loud = random.uniform(0.7, 1.3, rows)[:, None, None]
    spectra = loud * sounds[..., None] * np.exp(-(((np.arange(bands) - pitch[..., None]) / 0.8) ** 2))
    spectra += random.normal(0, 0.2, spectra.shape)
    return {**_columns(spectra.reshape(rows, -1)), "target": kinds}


def _clearest(scores: Array, rows: int) -> Array:
    """Rows whose highest score is furthest above the next, in the order in which they were drawn."""
    highest = np.sort(scores, axis=1)
    return np.sort(np.argsort(highest[:, -2] - highest[:, -1], kind="stable")[:rows])


def _columns(features: Array) -> Table:
    # Zeros in front keep the order of images' columns wherever names are sorted.
    return {f"f{number:04}": column for number, column in enumerate(features.T)}


@dataclass(frozen=True)
class Benchmarked:
    """A task."""

    model: dict[str, Any]
    training: dict[str, Any]
    dataset: str | Callable[[], Table]
    """A set that scikit-learn ships, or what makes a table."""
    widths: dict[str, list[Any]]
    """Values by paths of the manifest: the grid of sizes in which a search looks for the smallest model."""
    is_classification: bool = True
    proof: str = "HeldOut"
    """Point where there are too few rows to prove anything by."""
    split: dict[str, Any] = field(default_factory=lambda: {"test": 0.25, "validation": 0.25})

    @property
    def kind(self) -> str:
        """The kind of model."""
        return next(iter(self.model))

    @property
    def is_network(self) -> bool:
        """Whether Keras trains it."""
        return self.kind not in ("randomForest", "gradientBoosting")


def _made(maker: Callable[..., Table], rows: int, **settings: int) -> Callable[[], Table]:
    return lambda: maker(rows, np.random.default_rng(0), **settings)


def _learned(epochs: int, batch: int, rate: float = 0.002) -> dict[str, Any]:
    """The learning rate falls to 0: what the last epochs give does not depend on when one stops."""
    schedule = {"learningRateSchedule": {"cosine": {}}, "optimizer": {"learningRate": rate}}
    return {"epochs": epochs, "batchSize": batch, **schedule}


_MLP, _HALVES = {"mlp": {"hiddenUnits": [256, 128]}}, [[128, 64], [64, 32], [32, 16], [16, 8]]
_OF_MLP = {"model.mlp.hiddenUnits": _HALVES}
_OF_TREES = {"model.randomForest.nEstimators": [10, 30], "model.randomForest.minSamplesLeaf": [1, 5, 20]}
_FEW = {"test": 0.2, "validation": 0.2}

TASKS = {
    "digits-mlp": Benchmarked(_MLP, _learned(30, 64), "sklearn:digits", _OF_MLP, proof="Point", split=_FEW),
    "cancer-mlp": Benchmarked(
        {"mlp": {"hiddenUnits": [64, 32]}},
        _learned(40, 32),
        "sklearn:breast_cancer",
        {"model.mlp.hiddenUnits": [[32, 16], [16, 8], [8, 4]]},
        proof="Point",
        split=_FEW,
    ),
    "waves-mlp": Benchmarked(_MLP, _learned(20, 128), _made(of_waves, 16_000), _OF_MLP),
    "clusters-mlp": Benchmarked(_MLP, _learned(20, 128), _made(of_clusters, 16_000), _OF_MLP),
    "shapes-cnn": Benchmarked(
        {"cnn": {"inputShape": [12, 12, 1], "filters": [32, 64], "hiddenUnits": [64]}},
        _learned(12, 64),
        _made(of_shapes, 12_000),
        {"model.cnn.width": [1 / 2, 1 / 4, 1 / 8]},
    ),
    "shapes-resNet8": Benchmarked(
        {"resNet8": {"inputShape": [12, 12, 3]}},
        _learned(12, 64),
        _made(of_shapes, 12_000, channels=3),
        {"model.resNet8.width": [1 / 2, 1 / 4, 1 / 8]},
    ),
    "sounds-dsCnn": Benchmarked(
        {"dsCnn": {"inputShape": [24, 10, 1]}},
        _learned(12, 64),
        _made(of_sounds, 12_000),
        {"model.dsCnn.width": [1 / 2, 1 / 4, 1 / 8]},
    ),
    "crosses-wideAndDeep": Benchmarked(
        {"wideAndDeep": {"hiddenUnits": [128, 64], "crosses": [["c0", "c1"], ["c2", "c3"]]}},
        _learned(20, 128),
        _made(of_crosses, 24_000),
        {"model.wideAndDeep.hiddenUnits": _HALVES[1:], "model.wideAndDeep.embeddingUnits": [2, 4]},
    ),
    "friedman-mlp": Benchmarked(_MLP, _learned(20, 128), _made(of_friedman, 16_000), _OF_MLP, is_classification=False),
    "arm-mlp": Benchmarked(_MLP, _learned(30, 128), _made(of_an_arm, 16_000), _OF_MLP, is_classification=False),
    "rules-forest": Benchmarked({"randomForest": {"nEstimators": 100}}, {}, _made(of_rules, 16_000), _OF_TREES),
    "arm-forest": Benchmarked(
        {"randomForest": {"nEstimators": 50}}, {}, _made(of_an_arm, 16_000), _OF_TREES, is_classification=False
    ),
    "clusters-boosting": Benchmarked(
        {"gradientBoosting": {}},
        {},
        _made(of_clusters, 16_000),
        {
            "model.gradientBoosting.maxIterations": [30, 100],
            "model.gradientBoosting.maxLeafNodes": [8, 16],
        },
    ),
}
