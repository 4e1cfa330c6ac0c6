"""What candidates cost against how good they are: the charts beside the table of the choice."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from steelyard.api.losses import share_of
from steelyard.api.metrics import Measure, measure_named
from steelyard.contract.report import CandidateReport, ChoiceReport
from steelyard.report.chart_data import Curve, KeyKind, Mark, MarkKind, Plot
from steelyard.report.names import BASELINES, shown_name
from steelyard.texts.figures import number

_FEW = 6
"""Candidates that all can be named in a chart; of more those are that none beats."""
_WORDS: tuple[tuple[KeyKind, str], ...] = (
    ("ring", "published"),
    ("trial", "within budget"),
    ("pruned", "outside it"),
    ("below", "further down"),
    ("above", "further up"),
)

Cost = Callable[[CandidateReport], float | None]


def fronts(chosen: ChoiceReport) -> tuple[Plot, ...]:
    """Bytes and, where it was measured, time against the metric; nothing where there are not two to compare."""
    shown = [each for each in chosen.candidates if each.bytes and each.validation]
    if len(shown) < 2:
        return ()
    charts = [_Front(chosen, shown, lambda each: each.bytes, "bytes", "bytes").plot()]
    if all(each.latency_microseconds for each in shown):
        label = "microseconds for one row"
        charts.append(_Front(chosen, shown, lambda each: each.latency_microseconds, label, "microseconds").plot())
    return tuple(charts)


@dataclass(frozen=True)
class _Front:
    """One chart in the making."""

    chosen: ChoiceReport
    shown: Sequence[CandidateReport]
    cost: Cost
    label: str
    unit: str

    @property
    def measure(self) -> Measure:
        return measure_named(self.chosen.primary_metric)

    @property
    def sign(self) -> float:
        """1 where more of the metric is better, else -1."""
        return 1.0 if self.measure.info.goal == "Maximize" else -1.0

    def plot(self) -> Plot:
        """Each candidate, the budget, and what none of them beats joined."""
        metric, worst = self.chosen.primary_metric, self.at_loss(self.chosen.max_metric_drop or None)
        low, high = self._y_range(worst)
        front = self._unbeaten()
        drawn = [each for each in front if low <= self._y(each) <= high]
        named = {each.name for each in (self.shown if len(self.shown) <= _FEW else drawn)}
        named |= {self.chosen.chosen, *BASELINES}
        marks = [self._mark(each, named, low, high) for each in self.shown]
        ends = _with_room([mark.x for mark in marks])
        ring = next((mark for mark, each in zip(marks, self.shown, strict=True) if self._is_chosen(each)), None)
        joined = tuple((self._x(each), self._y(each)) for each in drawn)
        curves = (Curve(joined, "joined"),) if len(joined) > 1 else ()
        if worst is not None:
            curves = (*curves, Curve(((ends[0], worst), (ends[1], worst)), "limit", "budget"))
        kinds = {mark.kind for mark in marks} | {"ring"}
        key = [(kind, word) for kind, word in _WORDS if kind in kinds]
        if self.chosen.confidence is not None and any(mark.whisker is not None for mark in marks):
            key.append(("whisker", f"loses at most, with {share_of(self.chosen.confidence)}"))
        return Plot(
            label=f"{self.label} of each candidate against {metric} on the validation set",
            x_label=self.label,
            y_label=f"{metric} (validation)",
            curves=curves,
            marks=tuple(marks),
            ring=ring and Mark(ring.x, ring.y, "trial", ring.title),
            x_range=ends,
            y_range=(low, high),
            is_log_x=True,
            key=tuple(key),
            # A phone shows half a page's width without moving it.
            size="Half",
            height=360.0,
        )

    def at_loss(self, loss: float | None) -> float | None:
        """What the metric is of a model that loses so much against the one without compression; None where that is not
        known."""
        baseline = next((each for each in self.shown if each.name in BASELINES), None)
        if baseline is None or loss is None:
            return None
        value = self._y(baseline)
        return value - self.sign * loss * (abs(value) if self.measure.info.is_in_target_unit else 1.0)

    def _y_range(self, worst: float | None) -> tuple[float, float]:
        """Holds what is within the budget with its whiskers, the budget, and of the others what is near."""
        within = [each for each in self.shown if each.within_budget]
        near = [self._y(each) for each in within] + [end for each in within if (end := self._whisker(each)) is not None]
        near += [] if worst is None else [worst]
        low, high = min(near), max(near)
        span = high - low or 0.1 * abs(high) or 1.0
        reach = (low - span, high) if self.sign > 0 else (low, high + span)
        held = [*near, *(min(max(self._y(each), reach[0]), reach[1]) for each in self.shown)]
        room = 0.1 * (max(held) - min(held)) or 0.1 * abs(high) or 1.0
        # Labels stand above.
        return min(held) - room, max(held) + 2 * room

    def _mark(self, each: CandidateReport, named: set[str], low: float, high: float) -> Mark:
        name, value = shown_name(each.name, self.chosen.baseline), self._y(each)
        title = f"{name}: {number(self._x(each))} {self.unit}, {self.chosen.primary_metric} {number(value)}"
        kind: MarkKind = "trial" if each.within_budget else "pruned"
        if each.name in BASELINES:
            kind = "baseline"
        label = name if each.name in named else ""
        if not low <= value <= high:
            edge, kind = (low, "below") if value < low else (high, "above")
            inside = edge + (0.04 if kind == "below" else -0.04) * (high - low)
            return Mark(self._x(each), inside, kind, title, f"{label} ({number(value, 3)})" if label else "", 5.0)
        return Mark(self._x(each), value, kind, title, label, 5.0, self._whisker(each))

    def _unbeaten(self) -> list[CandidateReport]:
        """Those that no other one beats in both: each better than all that cost less."""
        front: list[CandidateReport] = []
        for each in sorted(self.shown, key=lambda each: (self._x(each), -self.sign * self._y(each))):
            if not front or self.sign * self._y(each) > self.sign * self._y(front[-1]):
                front.append(each)
        return front

    def _is_chosen(self, each: CandidateReport) -> bool:
        return each.name == self.chosen.chosen

    def _whisker(self, each: CandidateReport) -> float | None:
        return None if each.name in BASELINES else self.at_loss(each.drop_at_most)

    def _x(self, each: CandidateReport) -> float:
        cost = self.cost(each)
        assert cost is not None
        return float(cost)

    def _y(self, each: CandidateReport) -> float:
        assert each.validation is not None
        return each.validation[self.chosen.primary_metric].value


def _with_room(values: Sequence[float]) -> tuple[float, float]:
    """A range of ratios in which labels have room beside the outermost marks."""
    low, high = min(values), max(values)
    room = max(1.2, math.exp(0.12 * math.log(high / low)))
    return low / room, high * room
