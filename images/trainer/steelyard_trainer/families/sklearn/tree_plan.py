"""How forests and gradient boosting are searched: as they are first, in ONNX, which needs no training; then fitted anew
with fewer trees and leaves, by halves while that passes, and at last between the last that passes and the first that
fails. Pure; imports the plan and the recipe.
"""

import math
from collections.abc import Generator
from dataclasses import dataclass, field

from steelyard.api.compression.techniques import MOST_LEAVES
from steelyard_trainer.compression.plan import Plan, Questions, Seen, Wanted
from steelyard_trainer.compression.recipe import Recipe, Step

_LEAST_LEAVES = 4
_LEAST_TREES = 2
_MIDDLE = math.sqrt(2)
_RATE = 0.3
"""The most that a tree of gradient boosting counts, where few are to do the work of many."""


@dataclass(frozen=True)
class Trees:
    """A model of trees."""

    trees: int
    leaves: int
    """The most of a tree."""

    def fewer(self, trees: float, leaves: float) -> "Trees":
        """With a part of both.

        Args:
            trees: by what their number is divided.
            leaves: the same.
        """
        leaves_left = min(MOST_LEAVES, max(_LEAST_LEAVES, int(self.leaves / leaves)))
        return Trees(max(_LEAST_TREES, int(self.trees / trees)), leaves_left)


def work_of(model: Trees, rows: int) -> int:
    """Of a fit: how often a row is compared with a threshold."""
    return rows * model.trees * math.ceil(math.log2(model.leaves + 1))


def tree_plan(model: Trees, rows: int, learning_rate: float | None) -> Plan:
    """How a model is searched.

    Args:
        model: as it was trained.
        rows: that it learned.
        learning_rate: of gradient boosting; None for a forest.
    """
    return Plan(lambda _baseline: _Search(model, rows, learning_rate).run(), work_of(model, rows))


@dataclass
class _Search:
    model: Trees
    rows: int
    learning_rate: float | None
    tried: dict[Trees, Seen] = field(default_factory=dict)

    def run(self) -> Questions:
        yield Wanted("Onnx", Recipe.of("Onnx"))
        best = self.model
        # A forest's leaves are many, most of them of noise; boosting's are few, and fewer trees may count more.
        for trees, leaves in ((2, 4), (1, 4), (1, 2), (2, 1)) if self.learning_rate is None else ((2, 1), (1, 2)):
            # Where half the trees lose too much, all of them may still do with a quarter of the leaves.
            if (trees, leaves) != (1, 4) or best == self.model:
                best = yield from self._down(best, trees, leaves)
        if (yield from self._passes(between := best.fewer(_MIDDLE, 1))):
            best = between
        yield from self._passes(best.fewer(1, _MIDDLE))
        return "fewer trees or leaves would lose too much"

    def _down(self, begin: Trees, trees: int, leaves: int) -> Generator[Wanted, Seen, Trees]:
        """The smallest that passes, fewer and fewer from a model on that does."""
        best = begin
        while (smaller := best.fewer(trees, leaves)) != best and (yield from self._passes(smaller)):
            best = smaller
        return best

    def _passes(self, model: Trees) -> Generator[Wanted, Seen, bool]:
        if model.trees > self.model.trees or model.leaves > self.model.leaves or model == self.model:
            return False
        if model not in self.tried:
            name = f"{model.trees}-trees-{model.leaves}-leaves"
            recipe = Recipe((self._refit(model), *Recipe.of("Onnx").steps))
            self.tried[model] = yield Wanted(name, recipe, {1: work_of(model, self.rows)})
        return self.tried[model].passes

    def _refit(self, model: Trees) -> Step:
        told: dict[str, float] = {"trees": model.trees, "maxLeafNodes": model.leaves}
        if self.learning_rate is not None:
            rate = min(self.learning_rate * self.model.trees / model.trees, max(_RATE, self.learning_rate))
            told["learningRate"] = float(f"{rate:.4g}")
        return Step.of("Refit", told)
