"""The page's charts as SVG: pure functions, entries in, text out. Imports steelyard.api and the page's scales.

A mark's colour says what became of the trial, and always with something beside it (a shape, a label), so that nobody
needs the colour.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

from steelyard.api.metrics import Goal
from steelyard.api.tuning import Parameter
from steelyard.search.best import is_better
from steelyard.search.log import Entry
from steelyard_trainer.publishing.search_page.importance import Importance
from steelyard_trainer.publishing.search_page.scales import CategoryScale, NumberScale, Scale, Tick, figure, scale_of

WIDTH = 920.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 74.0, 24.0, 18.0, 46.0


@dataclass
class Canvas:
    """An SVG picture in the making."""

    label: str
    """What it shows, for those who can't see it."""
    height: float
    _parts: list[str] = field(default_factory=list)

    def add(self, part: str) -> None:
        """Puts an element on top."""
        self._parts.append(part)

    def text(self, x: float, y: float, text: str, kind: str = "", anchor: str = "middle") -> None:
        """Writes text, as it is."""
        css = f' class="{kind}"' if kind else ""
        self.add(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{css}>{escape(text)}</text>')

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """Draws a straight line."""
        self.add(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>')

    def path(self, points: Iterable[tuple[float, float]], kind: str, title: str = "", style: str = "") -> None:
        """Draws a line through points."""
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        css = f' style="{style}"' if style else ""
        self.add(f'<polyline points="{places}" class="{kind}"{css}>{_title(title)}</polyline>')

    def dot(self, x: float, y: float, kind: str, title: str, radius: float = 4.0) -> None:
        """Draws a mark: a disc, or, for what was pruned, an open one."""
        self.add(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" class="{kind}">{_title(title)}</circle>')

    def render(self) -> str:
        """The whole element."""
        head = f'<svg viewBox="0 0 {WIDTH:.0f} {self.height:.0f}" role="img" aria-label="{escape(self.label)}">'
        # A narrow screen moves the picture rather than making its words too small to read.
        return "\n".join(['<div class="scroll">', head, *self._parts, "</svg>", "</div>"])


def _title(text: str) -> str:
    return f"<title>{escape(text)}</title>" if text else ""


@dataclass(frozen=True)
class _Plane:
    """Two axes."""

    x: NumberScale
    y: NumberScale
    height: float

    def at(self, x: float, y: float) -> tuple[float, float]:
        width, height = WIDTH - _LEFT - _RIGHT, self.height - _TOP - _BOTTOM
        return _LEFT + self.x.place(x) * width, _TOP + (1 - self.y.place(y)) * height

    def draw(self, canvas: Canvas, x_label: str, y_label: str) -> None:
        bottom, right = self.height - _BOTTOM, WIDTH - _RIGHT
        for tick in self.y.ticks():
            y = _TOP + (1 - tick.place) * (bottom - _TOP)
            canvas.line(_LEFT, y, right, y, "grid")
            canvas.text(_LEFT - 8, y + 4, tick.label, anchor="end")
        for tick in self.x.ticks(8):
            x = _LEFT + tick.place * (right - _LEFT)
            canvas.line(x, bottom, x, bottom + 5, "axis")
            canvas.text(x, bottom + 19, tick.label)
        canvas.line(_LEFT, bottom, right, bottom, "axis")
        canvas.text((_LEFT + right) / 2, self.height - 6, x_label, "label")
        canvas.text(_LEFT, _TOP - 6, y_label, "label", anchor="start")


def history_chart(entries: Sequence[Entry], metric: str, goal: Goal, chosen: int | None) -> str:
    """Each trial's value by its number, and the best so far. At least one has a value that is a number. The chosen
    trial bears its number."""
    shown = [entry for entry in entries if entry.value is not None and math.isfinite(entry.value)]
    canvas = Canvas(f"{metric} of each trial, and the best so far", 340)
    values = [entry.value for entry in shown if entry.value is not None]
    numbers = [float(entry.number) for entry in entries]
    plane = _Plane(NumberScale(min(numbers) - 0.5, max(numbers) + 0.5), NumberScale.of(values), canvas.height)
    plane.draw(canvas, "trial", metric)
    steps: list[tuple[float, float]] = []
    best: float | None = None
    for entry in shown:
        assert entry.value is not None
        if entry.is_answer and (best is None or is_better(entry.value, best, goal)):
            if best is not None:
                steps.append(plane.at(entry.number, best))
            best = entry.value
            steps.append(plane.at(entry.number, best))
    if best is not None:
        steps.append(plane.at(max(numbers), best))
        canvas.path(steps, "best")
    for entry in shown:
        assert entry.value is not None
        kind = "pruned" if entry.state == "Pruned" else "trial"
        canvas.dot(*plane.at(entry.number, entry.value), kind, _about(entry, metric))
    for entry in shown:
        if entry.number == chosen:
            _mark(canvas, *plane.at(entry.number, entry.value or 0.0), _about(entry, metric), entry.number)
    return canvas.render()


def _mark(canvas: Canvas, x: float, y: float, title: str, number: int) -> None:
    """A ring around the chosen trial's mark, and its number."""
    canvas.dot(x, y, "chosen", title, 8.0)
    canvas.text(x, y + 24, f"trial {number}", "halo label")


def front_chart(
    entries: Sequence[Entry], front: Sequence[Entry], metric: str, secondary: str, chosen: int | None
) -> str:
    """Score against size or latency; the front is joined, and the chosen trial bears its number."""
    shown = [entry for entry in entries if entry.is_answer and entry.has_cost]
    canvas = Canvas(f"{metric} against {secondary}; the front is joined", 360)
    values = [entry.value for entry in shown if entry.value is not None]
    costs = [entry.secondary for entry in shown if entry.secondary is not None]
    plane = _Plane(NumberScale.of(costs), NumberScale.of(values), canvas.height)
    plane.draw(canvas, secondary, metric)
    members = {entry.number for entry in front}
    along = sorted(front, key=lambda entry: entry.secondary or 0.0)
    canvas.path([plane.at(entry.secondary or 0.0, entry.value or 0.0) for entry in along], "best")
    for entry in sorted(shown, key=lambda entry: entry.number in members):
        is_member = entry.number in members
        title = (
            f"{_about(entry, metric)}, {figure(entry.secondary or 0.0)} {secondary}{' (front)' if is_member else ''}"
        )
        kind = "front" if is_member else "dominated"
        canvas.dot(*plane.at(entry.secondary or 0.0, entry.value or 0.0), kind, title, 6.0 if is_member else 4.0)
    for entry in shown:
        if entry.number == chosen:
            _mark(canvas, *plane.at(entry.secondary or 0.0, entry.value or 0.0), _about(entry, metric), entry.number)
    return canvas.render()


def parallel_chart(
    parameters: Sequence[Parameter], entries: Sequence[Entry], metric: str, goal: Goal, chosen: int | None
) -> str:
    """A line for each answered trial through an axis for each parameter and one for the objective; the better, the
    stronger, and drawn over those of worse ones. The chosen trial's lies on top, whoever ties with it."""
    shown = [entry for entry in entries if entry.is_answer and entry.value is not None]
    canvas = Canvas(f"parallel coordinates: parameters and {metric}", 380)
    values = NumberScale.of([entry.value for entry in shown if entry.value is not None])
    axes: list[tuple[str, Scale]] = [(parameter.path, scale_of(parameter)) for parameter in parameters]
    axes.append((metric, values))
    top, bottom = 52.0, canvas.height - 24.0
    left, right = 70.0, WIDTH - 90.0
    places = [left + index * (right - left) / max(1, len(axes) - 1) for index in range(len(axes))]

    def y_of(place: float) -> float:
        return bottom - place * (bottom - top)

    sign = 1 if goal == "Maximize" else -1
    ranked = sorted(shown, key=lambda entry: (entry.number == chosen, sign * (entry.value or 0.0), -entry.number))
    for rank, entry in enumerate(ranked):
        assert entry.value is not None
        points = []
        for x, (path, scale) in zip(places[:-1], axes[:-1], strict=True):
            # A parameter that does not exist for this trial: below its axis.
            place = scale.place(entry.values[path]) if path in entry.values else -0.05
            points.append((x, y_of(place)))
        points.append((places[-1], y_of(values.place(entry.value))))
        share = rank / max(1, len(ranked) - 1)
        kind = "run chosen" if entry.number == chosen else "run"
        canvas.path(points, kind, _about(entry, metric), f"--share:{share:.3f}")
    for index, (x, (path, scale)) in enumerate(zip(places, axes, strict=True)):
        canvas.line(x, top, x, bottom, "axis")
        canvas.text(x, 20 if index % 2 == 0 or len(axes) < 5 else 36, _short(path), "label")
        for tick in _axis_ticks(scale):
            canvas.line(x - 4, y_of(tick.place), x, y_of(tick.place), "axis")
            canvas.text(x - 7, y_of(tick.place) + 4, tick.label, "halo", anchor="end")
    return canvas.render()


def importance_chart(importance: Importance) -> str:
    """A bar for each parameter."""
    row = 26.0
    canvas = Canvas("importance of each parameter", _TOP + row * len(importance.shares) + 8)
    left = 320.0
    longest = WIDTH - left - 70
    for index, (path, share) in enumerate(importance.shares):
        y = _TOP + index * row
        canvas.text(left - 10, y + 13, path, anchor="end")
        canvas.add(f'<rect x="{left}" y="{y:.1f}" width="{max(1.0, share * longest):.1f}" height="16" class="bar"/>')
        canvas.text(left + share * longest + 8, y + 13, f"{share:.0%}", anchor="start")
    return canvas.render()


def _axis_ticks(scale: Scale) -> list[Tick]:
    return scale.ticks() if isinstance(scale, CategoryScale) else scale.ticks(6)


def _short(path: str) -> str:
    """The last name of a path, with the one before where it says nothing by itself: hiddenUnits.0, optimizer.name."""
    names = path.split(".")
    return ".".join(names[-2:]) if names[-1].isdigit() or names[-1] == "name" else names[-1]


def _about(entry: Entry, metric: str) -> str:
    state = "" if entry.state == "Complete" else f" ({entry.state.lower()})"
    return f"trial {entry.number}{state}: {metric} {figure(entry.value or 0.0)}"
