"""Whether a search of candidates (compression.candidates: [Auto]) finds what one finds that tries all, with few
trainings.

    python benchmarks/compression_search.py                 replays the stored tables: a second
    python benchmarks/compression_search.py --make waves    makes a task's table anew: trains 41 networks, a minute

A space is ten widths of a network, from .7 to 1/32, with all layers and with one fewer, as students and as students
that went on learning in 4 bits: 40 trainings, each in every format that may win. A table, of those in
data/compression_search.json, holds each candidate's bytes, and its losses and their bounds on the search rows and on
the validation set. Replayed, the search asks for one candidate after the other and is told what the table has.

The networks are trained by numpy, which takes a second where TensorFlow takes ten: students learn from the teacher's
outputs and the labels, weights of 4 bits with straight-through gradients, as the product's do. Their weights are
rounded as the formats round them, and the bytes are those that LiteRT's files were seen to have.

One JSON line a task: how many trainings the search takes of how many, and the bytes of the smallest that passes on the
search rows, of the search's and of all; the same of the smallest that is proved.
"""

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steelyard.api.compression import DEFAULT_MAX_TRAININGS, DEFAULT_MAX_WORK
from steelyard.api.compression.techniques import Distill
from steelyard.api.metrics import Measure
from steelyard.api.models import Model
from steelyard_trainer.compression.network_plan import TRAINED, Net, Size, Space, candidates_of, questions
from steelyard_trainer.compression.paired import Bound, bound
from steelyard_trainer.compression.plan import Seen
from steelyard_trainer.compression.proving import Bounds, Proof
from steelyard_trainer.compression.recipe import Recipe, Step
from steelyard_trainer.compression.techniques.base import CannotBeMadeError
from steelyard_trainer.families.keras.distill import student_of

TABLES = Path(__file__).parent / "data" / "compression_search.json"
BUDGET, CONFIDENCE, NEAR, SHARE = 0.01, 0.95, 1.1, 0.25
TASKS = {"waves": "of_waves", "clusters": "of_clusters"}
ROWS = {"train": 3_000, "search": 1_500, "validation": 2_500}
HIDDEN = [64, 32]
EPOCHS = {"": 15, "Distill": 20, "QuantizationAware": 8}
RATE, BATCH, TEMPERATURE, MIXING = 0.004, 64, 3.0, 0.7
HALVINGS = [each / 2 for each in range(1, 11)]
FEWER_LAYERS = (0, 1)

Line = dict[str, Any]
Array = npt.NDArray[Any]
Layers = list[tuple[Array, Array]]


def nets() -> Iterator[Net]:
    """All students."""
    return (Net(halvings, fewer) for fewer in FEWER_LAYERS for halvings in HALVINGS)


def space_of(sizes: Line) -> Space:
    """The networks of a table. Work is counted as epochs x weights."""

    def size_of(width: float, fewer_layers: int) -> Size | None:
        found = sizes.get(f"{width:g}, {fewer_layers}")
        return None if found is None else Size(**found)

    return Space(size_of, lambda technique, weights: ({}, EPOCHS[technique] * weights), "Size")


def passes(found: Line) -> bool:
    """As the search sees it by the search rows."""
    drop, upper = found["search"]
    nearer = math.sqrt(ROWS["search"] / ROWS["validation"])
    return bool(drop + nearer * (upper - drop) <= BUDGET)


def searched(table: Line) -> tuple[list[str], int]:
    """The candidates that a search makes with its default limits, and how many trainings it takes."""
    asking = questions(space_of(table["networks"]), Seen(passes=True, bytes=table["baseline"]))
    made, trained = list[str](), dict[str, int]()
    most = DEFAULT_MAX_WORK * EPOCHS[""] * table["networks"]["1, 0"]["weights"]
    try:
        wanted = next(asking)
        while True:
            parts = list(wanted.recipe.prefixes())
            new = {parts[each - 1].digest: takes for each, takes in wanted.trainings.items()}
            new = {digest: takes for digest, takes in new.items() if digest not in trained}
            if len(trained) + len(new) > DEFAULT_MAX_TRAININGS:
                break
            if sum(trained.values()) + sum(new.values()) > most:
                wanted = asking.send(Seen(passes=False, was_begun=False))
                continue
            trained |= new
            made.append(wanted.name)
            found = table["candidates"][wanted.name]
            wanted = asking.send(Seen(passes(found), found["bytes"]))
    except StopIteration:
        pass
    return made, len(trained)


def smallest(table: Line, names: list[str]) -> tuple[int, int]:
    """The bytes of the smallest that passes on the search rows, and of the smallest that is proved."""
    candidates = {name: table["candidates"][name] for name in names}
    seen = [each["bytes"] for each in candidates.values() if passes(each)]
    tested = {
        name: Bounds(*(Bound(*each[part], ROWS[part], 1.0) for part in ("search", "validation")))
        for name, each in candidates.items()
    }
    proof = Proof(CONFIDENCE, Bound(0.0, 0.0, ROWS["validation"], 1.0), tested)
    standings = proof.of({name: (each["bytes"],) for name, each in candidates.items()}).standings(BUDGET)
    proved = [candidates[name]["bytes"] for name, standing in standings.items() if standing == "Proved"]
    return min([table["baseline"], *seen]), min([table["baseline"], *proved])


def replayed(name: str, table: Line) -> Line:
    """What is printed of a task."""
    made, trainings = searched(table)
    (passing, proved), (all_passing, all_proved) = smallest(table, made), smallest(table, list(table["candidates"]))
    possible = 2 * len(HALVINGS) * len(FEWER_LAYERS)
    return {
        "task": name,
        "baseline": table["baseline"],
        "trainings": trainings,
        "possible": possible,
        "bytes": passing,
        "leastBytes": all_passing,
        "provedBytes": proved,
        "leastProvedBytes": all_proved,
        "isNear": passing <= NEAR * all_passing and trainings <= SHARE * possible,
    }


# --- making a table ---------------------------------------------------------------------------------------------------


def logits_of(layers: Layers, features: Array) -> list[Array]:
    """What each layer is given, and the outputs last."""
    passed = [features]
    for number, (kernel, bias) in enumerate(layers):
        sums = passed[-1] @ kernel + bias
        passed.append(sums if number == len(layers) - 1 else np.maximum(sums, 0))
    return passed


def softmax(logits: Array) -> Array:
    """Probabilities, shape (rows, classes)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def rounded(kernel: Array, bits: int, block: int = 0) -> Array:
    """Weights on their grid, of its own for each output, or for each block of inputs of an output."""
    if bits >= 16:
        return kernel.astype(np.float16 if bits == 16 else np.float32)
    steps = 2 ** (bits - 1) - 1
    blocks = kernel.reshape(-1, block or len(kernel), kernel.shape[1])
    scale = np.maximum(np.abs(blocks).max(axis=1, keepdims=True), 1e-12) / steps
    return np.asarray((np.round(blocks / scale) * scale).reshape(kernel.shape))


def learned(layers: Layers, features: Array, goals: Array, epochs: int, rate: float, bits: int = 32) -> Layers:
    """Layers after so many epochs of Adam whose step size falls to 0; `goals` is the mean gradient's other half: what
    the softmax of the outputs is to be, shape (rows, classes), or with a temperature (rows, 2, classes)."""
    random, kept = np.random.default_rng(0), [each.copy() for pair in layers for each in pair]
    means, squares, step = [np.zeros_like(each) for each in kept], [np.zeros_like(each) for each in kept], 0
    total = epochs * (len(features) // BATCH)
    for _ in range(epochs):
        order = random.permutation(len(features))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            rows, step = order[start : start + BATCH], step + 1
            used = [(rounded(k, bits), b) for k, b in zip(kept[::2], kept[1::2], strict=True)]
            passed = logits_of(used, features[rows])
            hard, soft = goals[rows, 0], goals[rows, 1]
            flow = (1 - MIXING) * (softmax(passed[-1]) - hard)
            flow += MIXING * TEMPERATURE * (softmax(passed[-1] / TEMPERATURE) - soft)
            gradients: list[Array] = []
            for number in range(len(used) - 1, -1, -1):
                gradients[:0] = [passed[number].T @ flow / BATCH, flow.mean(axis=0)]
                flow = flow @ used[number][0].T * (passed[number] > 0)
            falling = rate * 0.5 * (1 + math.cos(math.pi * step / total))
            for number, gradient in enumerate(gradients):
                means[number] += 0.1 * (gradient - means[number])
                squares[number] += 0.001 * (gradient**2 - squares[number])
                corrected = means[number] / (1 - 0.9**step), squares[number] / (1 - 0.999**step)
                kept[number] -= falling * corrected[0] / (np.sqrt(corrected[1]) + 1e-7)
    return [(rounded(k, bits), b) for k, b in zip(kept[::2], kept[1::2], strict=True)]


@dataclass
class Made:
    """A task's networks, each trained once."""

    parts: dict[str, tuple[Array, Array]]
    """Features and labels, by part."""
    classes: int
    networks: dict[str, Layers] = field(default_factory=dict)
    """By the digest of the recipe's trainings."""

    def units(self, width: float, fewer_layers: int) -> list[int] | None:
        """Of all layers, the inputs and the outputs too; None where there is no such student."""
        model = Model.model_validate({"mlp": {"hiddenUnits": HIDDEN}})
        if width < 1 or fewer_layers:
            try:
                model = student_of(model, Distill.model_validate({"width": width, "fewerLayers": fewer_layers}))
            except CannotBeMadeError:
                return None
        assert model.mlp is not None
        return [self.parts["train"][0].shape[1], *model.mlp.hidden_units, self.classes]

    def size(self, net: Net) -> Line | None:
        """As a table has it."""
        if (units := self.units(net.width, net.fewer_layers)) is None:
            return None
        weights = sum((inputs + 1) * outputs for inputs, outputs in pairwise(units))
        return asdict(Size(weights, all(each % 32 == 0 for each in units[:-1])))

    def network(self, trainings: Recipe) -> Layers:
        """The trained network, a student, or one that went on learning in 4 bits."""
        if trainings.digest not in self.networks:
            self.networks[trainings.digest] = self._trained(trainings)
            print(json.dumps(trainings.to_json()), flush=True)
        return self.networks[trainings.digest]

    def _trained(self, trainings: Recipe) -> Layers:
        (features, labels), last = self.parts["train"], trainings.steps[-1] if trainings.steps else None
        hard = np.eye(self.classes)[labels]
        if last is None:
            return learned(self._drawn(1.0, 0), features, np.stack([hard, hard], 1), EPOCHS[""], RATE)
        teacher = self.network(Recipe(trainings.steps[:-1]))
        soft = softmax(logits_of(teacher, features)[-1] / TEMPERATURE)
        goals, epochs = np.stack([hard, soft], 1), EPOCHS[last.technique]
        if last.technique == "QuantizationAware":
            return learned(teacher, features, goals, epochs, RATE / 3, bits=4)
        assert isinstance(last.settings, Distill)
        return learned(self._drawn(last.settings.width, last.settings.fewer_layers), features, goals, epochs, RATE)

    def _drawn(self, width: float, fewer_layers: int) -> Layers:
        units, random = self.units(width, fewer_layers), np.random.default_rng(0)
        assert units is not None
        pairs = pairwise(units)
        return [(random.normal(0, (2 / i) ** 0.5, (i, o)), np.zeros(o)) for i, o in pairs]

    def outputs(self, recipe: Recipe, part: str) -> Array:
        """Probabilities that a candidate says of a part's rows."""
        bits, block = _written(recipe.steps[-1]) if recipe.steps else (32, 0)
        layers = [(rounded(k, bits, block), b) for k, b in self.network(Recipe(recipe.steps[:-1]))]
        return softmax(logits_of(layers, self.parts[part][0])[-1])

    def bytes(self, recipe: Recipe) -> int:
        """Of a candidate's file: weights, biases, scales and zero points, and what is beside them."""
        bits, block = _written(recipe.steps[-1]) if recipe.steps else (32, 0)
        size = 1_000.0
        for kernel, bias in self.network(Recipe(recipe.steps[:-1])):
            scales = kernel.size / block * 2 if block else 12 * len(bias) if bits < 16 else 0
            size += 250 + kernel.size * bits / 8 + 4 * len(bias) + scales
        return round(size)


def _written(step: Step) -> tuple[int, int]:
    bits = {"DynamicRange": 8, "Int8": 8, "Float16": 16, "Int4": 4}[step.technique]
    return bits, getattr(step.settings, "block_size", None) or 0


def table_of(name: str) -> Line:
    """Trains a task's network and all its students."""
    # What only this folder has.
    import compression_tasks

    rows = sum(ROWS.values())
    columns = getattr(compression_tasks, TASKS[name])(rows, np.random.default_rng(0))
    labels = columns.pop("target")
    features, cuts = np.stack(list(columns.values()), axis=1), np.cumsum(list(ROWS.values()))[:-1]
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    order = np.random.default_rng(0).permutation(rows)
    parts = dict(zip(ROWS, np.split(order, cuts), strict=True))
    made = Made({part: (features[each], labels[each]) for part, each in parts.items()}, int(labels.max()) + 1)
    sizes = {f"{net.width:g}, {net.fewer_layers}": made.size(net) for net in (TRAINED, *nets())}
    space, candidates = space_of(sizes), dict[str, Line]()
    for net in (TRAINED, *nets()):
        for is_learned in (False, True):
            for wanted in candidates_of(space, net, is_learned=is_learned):
                found = {
                    part: bound(
                        Measure("accuracy"),
                        made.parts[part][1],
                        made.outputs(Recipe(), part),
                        made.outputs(wanted.recipe, part),
                        CONFIDENCE,
                    )
                    for part in ("search", "validation")
                }
                bounds = {part: [round(each.drop, 6), round(each.upper, 6)] for part, each in found.items()}
                candidates[wanted.name] = {"bytes": made.bytes(wanted.recipe), **bounds}
    return {"baseline": made.bytes(Recipe()), "networks": sizes, "candidates": candidates}


def main() -> None:
    """Prints a line a task."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--make", choices=TASKS, help="make this task's table anew")
    asked = parser.parse_args()
    tables = json.loads(TABLES.read_text()) if TABLES.exists() else {}
    if asked.make:
        tables[asked.make] = table_of(asked.make)
        TABLES.parent.mkdir(exist_ok=True)
        lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(table)}" for name, table in tables.items())
        TABLES.write_text(f"{{\n{lines}\n}}\n")
    for name, table in tables.items():
        print(json.dumps(replayed(name, table)))


if __name__ == "__main__":
    main()
