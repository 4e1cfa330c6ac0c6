"""How networks are searched: formats of the trained one first, which need no training; students by halves of the width
from a quarter on; then what these leave to be won. Pure; imports the api, the plan and the recipe.

A format takes a second and a training up to minutes, so each network that was trained is written in every format that
may win. What could not win is not trained: its file has no fewer bytes than half a byte for each weight and what the
float32 file has beside its weights.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from steelyard.api.compression import CompressionObjective
from steelyard_trainer.compression.plan import Questions, Seen, Wanted
from steelyard_trainer.compression.recipe import Recipe, Step

_FIRST_HALVINGS = 2
_LEARNED = 2
"""How many of the smallest networks that pass may learn in 4 bits, where their 4 bits without learning do not pass."""
_FLOAT_BYTES, _LEAST_BYTES = 4, 0.5
"""Of a weight."""
_WORTH = 0.97
"""What can't be so much smaller is not worth a training."""


@dataclass(frozen=True)
class Net:
    """A network of the family."""

    halvings: float = 0.0
    """Of each width."""
    fewer_layers: int = 0

    @property
    def width(self) -> float:
        """What each width is multiplied by, in as few digits as a name has room for."""
        return float(f"{2.0**-self.halvings:.4g}")

    def name(self, form: str, *, is_learned: bool = False) -> str:
        """What a candidate is called."""
        width = [f"width-{self.width:g}"] if self.halvings else []
        fewer = [f"fewer-{self.fewer_layers}"] if self.fewer_layers else []
        return "-".join([*width, *fewer, *(["qat"] if is_learned else []), form])


TRAINED = Net()


@dataclass(frozen=True)
class Size:
    """What is known of a network before it is trained."""

    weights: int
    takes_blocks: bool = False
    """Whether the number of inputs of every dense layer is a multiple of 32."""
    has_convolutions: bool = False


@dataclass(frozen=True)
class Space:
    """The networks that there are."""

    size_of: Callable[[float, int], Size | None]
    """Of the one with so many times the width and so many layers fewer; None where there is none."""
    training_of: Callable[[str, int], tuple[Mapping[str, Any], int]]
    """Of a technique (Distill, QuantizationAware) and a network's weights: what it is to be told of how long it trains,
    and the most that this takes."""
    objective: CompressionObjective
    own_learns: bool = True
    """Whether the trained network itself can go on learning; its students always can."""


_Came: TypeAlias = Literal["passes", "fails", "no room", "not tried"]
_Tries: TypeAlias = Generator[Wanted, Seen, _Came]


def questions(space: Space, baseline: Seen) -> Questions:
    """What is asked for. See `Plan.ask`."""
    return _Search(space, baseline.bytes).run()


@dataclass
class _Search:
    space: Space
    baseline_bytes: int
    best: float = float("inf")
    """The least that something that passes costs: bytes; with objective Latency weights."""
    passed: list[Net] = field(default_factory=list)
    least: dict[Net, int] = field(default_factory=dict)
    """The fewest bytes of a network's files, whether they pass or not."""

    @property
    def _is_for_latency(self) -> bool:
        return self.space.objective == "Latency"

    def run(self) -> Questions:
        yield from self._formats(TRAINED)
        narrowest, failed = yield from self._halved()
        for net in self._smallest(_LEARNED) or [TRAINED]:
            yield from self._learned(net)
        if failed:
            between = Net((narrowest.halvings + failed.halvings) / 2)
            yield from self._tried(between)
            # What fails by a little passes once it has learned for longer.
            yield from self._learned(between)
        yield from self._with_fewer_layers(narrowest)
        return "nothing is left to train that could win"

    def _halved(self) -> Generator[Wanted, Seen, tuple[Net, Net | None]]:
        """The narrowest network that passes, by halves of the width; and the next one, where that fails."""
        narrowest, net = TRAINED, Net(_FIRST_HALVINGS)
        if not self._is_narrower(net):
            net = Net(1)
        came = yield from self._tried(net)
        if came == "fails" and net.halvings > 1:
            failed, net = net, Net(1)
            came = yield from self._tried(net)
            return (net, failed) if came == "passes" else (TRAINED, net if came == "fails" else failed)
        while came in ("passes", "no room"):
            narrowest = net if came == "passes" else narrowest
            net = Net(net.halvings + 1)
            came = yield from self._tried(net)
        return narrowest, net if came == "fails" else None

    def _with_fewer_layers(self, narrowest: Net) -> Generator[Wanted, Seen, None]:
        """Of the narrowest width that passes, one after the other; of the next wider one, where the first fails."""
        widths = dict.fromkeys((narrowest.halvings, max(0, narrowest.halvings - 1)))
        for halvings in widths:
            fewer = 1
            while (yield from self._tried(net := Net(halvings, fewer))) == "passes":
                yield from self._learned(net)
                fewer += 1
            if fewer > 1:
                return

    def _tried(self, net: Net) -> _Tries:
        """A student in all its formats."""
        if not self._is_narrower(net) or not self._could_win(net):
            return "not tried"
        return (yield from self._formats(net))

    def _learned(self, net: Net) -> _Tries:
        """A network that goes on learning in 4 bits, in its formats."""
        if net == TRAINED and not self.space.own_learns:
            return "not tried"
        if self._is_for_latency or net not in self.least or self.least[net] >= self.best * _WORTH:
            return "not tried"
        return (yield from self._formats(net, is_learned=True))

    def _formats(self, net: Net, *, is_learned: bool = False) -> _Tries:
        size = self.space.size_of(net.width, net.fewer_layers)
        assert size is not None
        passes = False
        for wanted in candidates_of(self.space, net, is_learned=is_learned):
            seen = yield wanted
            if not seen.was_begun:
                return "no room"
            if seen.bytes:
                self.least[net] = min(seen.bytes, self.least.get(net, seen.bytes))
            if seen.passes:
                passes = True
                self.best = min(self.best, size.weights if self._is_for_latency else seen.bytes)
        if passes and net not in self.passed:
            self.passed.append(net)
        return "passes" if passes else "fails"

    def _is_narrower(self, net: Net) -> bool:
        """Whether there is such a network, and it is smaller than the one before it."""
        size = self.space.size_of(net.width, net.fewer_layers)
        if size is None:
            return False
        wider = Net(max(0.0, net.halvings - 1), net.fewer_layers) if not net.fewer_layers else TRAINED
        before = self.space.size_of(wider.width, wider.fewer_layers)
        return before is None or size.weights < before.weights

    def _could_win(self, net: Net) -> bool:
        """Whether some file of it could be better than the best that there is."""
        size, own = self.space.size_of(net.width, net.fewer_layers), self.space.size_of(1.0, 0)
        assert size is not None and own is not None
        if self._is_for_latency:
            return size.weights < self.best
        beside = max(0.0, self.baseline_bytes - _FLOAT_BYTES * own.weights)
        return _LEAST_BYTES * size.weights + beside / (2 if net.fewer_layers else 1) < self.best * _WORTH

    def _smallest(self, count: int) -> list[Net]:
        """Of the networks that pass, those with the fewest bytes, the smallest first."""
        return sorted(self.passed, key=lambda net: self.least.get(net, 0))[:count]


def candidates_of(space: Space, net: Net, *, is_learned: bool = False) -> Iterator[Wanted]:
    """A network in the formats that may win.

    Args:
        space: has it.
        net: the network.
        is_learned: whether it goes on learning in 4 bits first.
    """
    size = space.size_of(net.width, net.fewer_layers)
    assert size is not None
    steps = list(_trainings(space, net, size, is_learned=is_learned))
    made, works = tuple(step for step, _ in steps), {number: work for number, (_, work) in enumerate(steps, 1)}
    for form, step in _forms(space.objective, net, size, is_learned=is_learned).items():
        yield Wanted(net.name(form, is_learned=is_learned), Recipe((*made, step)), works)


def _trainings(space: Space, net: Net, size: Size, *, is_learned: bool) -> Iterator[tuple[Step, int]]:
    """What is trained, and the most work that it is."""
    asked: list[tuple[str, dict[str, Any]]] = []
    if net != TRAINED:
        asked.append(("Distill", {"width": net.width, "fewerLayers": net.fewer_layers}))
    if is_learned:
        asked.append(("QuantizationAware", {"convolutions": "Int4"} if size.has_convolutions else {}))
    for name, settings in asked:
        told, work = space.training_of(name, size.weights)
        yield Step.of(name, {**settings, **told}), work


def _forms(objective: CompressionObjective, net: Net, size: Size, *, is_learned: bool) -> dict[str, Step]:
    """The formats that may win, by what they are called."""
    blocks = {"Int4-blocks": Step.of("Int4", {"blockSize": 32})} if size.takes_blocks else {}
    if objective == "Latency":
        # Convolutions in 4 bits are slower than in float32, and narrow networks in 8 bits may be.
        plain = {} if net == TRAINED else {"float32": Step.of("LiteRT")}
        return plain | _bare("DynamicRange", "Int8") | ({} if size.has_convolutions else blocks)
    every = {"Int4-all": Step.of("Int4", {"convolutions": "Int4"})} if size.has_convolutions else {}
    if is_learned:
        return _bare("Int4") | every
    # Of a student 8 bits of the weights alone are as small as Int8, and lose less.
    return _bare("DynamicRange", *(("Float16", "Int8") if net == TRAINED else ()), "Int4") | blocks | every


def _bare(*techniques: str) -> dict[str, Step]:
    return {name: Step.of(name) for name in techniques}
