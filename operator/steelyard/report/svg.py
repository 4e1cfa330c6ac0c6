"""Charts as SVG: a function for each kind, data in, text out. Pure; imports the charts' data, the
scales and what cells of tables say."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any, get_args

from steelyard.report.chart_data import (
    Axis,
    Bars,
    Chart,
    CurveKind,
    KeyKind,
    Mark,
    Matrix,
    Parallel,
    Plot,
    Quantiles,
    Size,
)
from steelyard.report.scales import CategoryScale, NumberScale, Scale, Tick
from steelyard.report.tables import count_text

WIDTHS: dict[Size, float] = {"Wide": 920.0, "Half": 460.0}
_LEFT, _RIGHT, _TOP, _BOTTOM = 74.0, 24.0, 26.0, 50.0
_LEGEND_ROOM = 12.0
_FEW_MARKS = 8
"""Of more marks nobody finds what stands far from its own."""
_WIDE_LETTER = 7.4
"""About the width of a letter, of the wide ones."""


@dataclass
class Canvas:
    """An SVG picture in the making."""

    label: str
    """What it shows, for those who can't see it."""
    width: float
    height: float
    _parts: list[str] = field(default_factory=list)

    def add(self, part: str) -> None:
        """Puts an element on top."""
        self._parts.append(part)

    def text(self, x: float, y: float, text: str, kind: str = "", anchor: str = "middle", more: str = "") -> None:
        """Writes text, as it is."""
        css = f' class="{kind}"' if kind else ""
        self.add(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{css}{more}>{escape(text)}</text>')

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """Draws a straight line."""
        self.add(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>')

    def path(self, points: Iterable[tuple[float, float]], kind: str, title: str = "", style: str = "") -> None:
        """Draws a line through points."""
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        css = f' style="{style}"' if style else ""
        self.add(f'<polyline points="{places}" class="{kind}"{css}>{_title(title)}</polyline>')

    def dot(self, x: float, y: float, kind: str, title: str, radius: float = 4.0) -> None:
        """Draws a mark: a disc, or, by its kind, an open one, a square, a triangle."""
        if kind == "baseline":
            self.box(x - radius, y - radius, 2 * radius, 2 * radius, kind, title)
            return
        if kind in ("below", "above"):
            tip = radius if kind == "below" else -radius
            places = f"{x - radius:.1f},{y - tip:.1f} {x + radius:.1f},{y - tip:.1f} {x:.1f},{y + tip:.1f}"
            self.add(f'<polygon points="{places}" class="{kind}">{_title(title)}</polygon>')
            return
        self.add(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" class="{kind}">{_title(title)}</circle>')

    def box(self, x: float, y: float, width: float, height: float, kind: str, title: str = "", style: str = "") -> None:
        """Draws a rectangle."""
        css = f' style="{style}"' if style else ""
        self.add(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" class="{kind}"{css}>'
            f"{_title(title)}</rect>"
        )

    def render(self) -> str:
        """The whole element. What is wide is moved on a narrow screen rather than shrunk until its words are too small
        to read; nothing is drawn much larger than it is."""
        half = WIDTHS["Half"]
        kind = "wide" if self.width > half else "narrow" if self.width == half else "small"
        shape = f'style="max-width:{self.width * 1.25:.0f}px" class="{kind}"'
        box = f'viewBox="0 0 {self.width:.0f} {self.height:.0f}"'
        head = f'<svg {box} {shape} role="img" aria-label="{escape(self.label)}">'
        return "\n".join(['<div class="scroll">', head, *self._parts, "</svg>", "</div>"])


def drawn(chart: Chart) -> str:
    """A chart as an element of a page."""
    return _DRAWERS[type(chart)](chart)


def _title(text: str) -> str:
    return f"<title>{escape(text)}</title>" if text else ""


@dataclass(frozen=True)
class _Plane:
    """Two axes."""

    x: NumberScale
    y: NumberScale
    width: float
    height: float
    top: float

    def at(self, x: float, y: float) -> tuple[float, float]:
        width, height = self.width - _LEFT - _RIGHT, self.height - self.top - _BOTTOM
        return _LEFT + self.x.place(x) * width, self.top + (1 - self.y.place(y)) * height

    def whisker(self, x: float, y: float, end: float) -> tuple[float, float, float, bool]:
        """(x, start, end) of a whisker as it is drawn, and whether that is all of it."""
        place = self.y.place(end)
        across, start = self.at(x, y)
        inside = min(max(place, 0.0), 1.0)
        return across, start, self.top + (1 - inside) * (self.height - self.top - _BOTTOM), place == inside

    def draw(self, canvas: Canvas, x_label: str, y_label: str) -> None:
        bottom, right = self.height - _BOTTOM, self.width - _RIGHT
        for tick in self.y.ticks():
            y = self.top + (1 - tick.place) * (bottom - self.top)
            canvas.line(_LEFT, y, right, y, "grid")
            canvas.text(_LEFT - 8, y + 4, tick.label, anchor="end")
        for tick in self.x.ticks(8 if self.width > WIDTHS["Half"] else 4):
            x = _LEFT + tick.place * (right - _LEFT)
            canvas.line(x, bottom, x, bottom + 5, "axis")
            canvas.text(x, bottom + 19, tick.label)
        canvas.line(_LEFT, bottom, right, bottom, "axis")
        canvas.text((_LEFT + right) / 2, self.height - 10, x_label, "label")
        canvas.text(_LEFT, _TOP - 6, y_label, "label", anchor="start")


def _plot(plot: Plot) -> str:
    canvas = Canvas(plot.label, WIDTHS[plot.size], plot.height)
    points = [point for curve in plot.curves for point in curve.points] + [(mark.x, mark.y) for mark in plot.marks]
    x, y = (
        NumberScale(*given) if given else NumberScale.of([point[axis] for point in points])
        for axis, given in enumerate((plot.x_range, plot.y_range))
    )
    entries = [(curve.kind, curve.name) for curve in plot.curves if curve.name] + list(plot.key)
    rows = _legend(canvas, entries)
    # What explains the lines and marks stands in rows of its own.
    plane = _Plane(replace(x, is_log=plot.is_log_x), y, canvas.width, canvas.height, _TOP + 18 * rows)
    plane.draw(canvas, plot.x_label, plot.y_label)
    for curve in plot.curves:
        places = [plane.at(*point) for point in curve.points]
        canvas.path(places, curve.kind, curve.name)
        if len(places) == 1:
            canvas.dot(*places[0], f"end-{curve.kind}", curve.name, 3.0)
    for mark in plot.marks:
        if mark.whisker is not None:
            _draw_whisker(canvas, *plane.whisker(mark.x, mark.y, mark.whisker))
    for mark in plot.marks:
        canvas.dot(*plane.at(mark.x, mark.y), mark.kind, mark.title, mark.radius)
    if ring := plot.ring:
        place = plane.at(ring.x, ring.y)
        canvas.dot(*place, "chosen", ring.title, 8.0)
        if ring.label:
            canvas.text(place[0], place[1] + 24, ring.label, "halo label")
    _write_labels(canvas, plane, plot)
    return canvas.render()


def _draw_whisker(canvas: Canvas, x: float, start: float, end: float, is_whole: bool) -> None:
    """A line from a mark, with a cap where it ends inside the picture."""
    canvas.line(x, start, x, end, "whisker")
    if is_whole:
        canvas.line(x - 4, end, x + 4, end, "whisker")


def _write_labels(canvas: Canvas, plane: _Plane, plot: Plot) -> None:
    """What is written beside marks: above, or further up or down where the ring, a mark, its whisker, a bound or
    another label is already; of many marks only close to them. The chosen one's goes first, and one that would cover
    something is left out."""
    ring, taken = plot.ring, [place for mark in plot.marks for place in _taken(plane, mark)]
    for curve in (curve for curve in plot.curves if curve.kind == "limit"):
        ends = [plane.at(*point) for point in curve.points]
        taken += [(ends[0][0], ends[-1][0], ends[0][1])] if ends[0][1] == ends[-1][1] else []
    furthest = 120 if len(plot.marks) <= _FEW_MARKS else 36
    labelled = [mark for mark in plot.marks if mark.label]
    for mark in sorted(labelled, key=lambda mark: (not _is_ringed(mark, ring), mark.kind != "baseline")):
        half = len(mark.label) * _WIDE_LETTER / 2
        distance = 19 if _is_ringed(mark, ring) else 14
        places = _places(plane, plane.at(mark.x, mark.y), half, distance, furthest)
        clear = (
            (x, y)
            for x, y in places
            if all(abs(y - other) >= 13 or x + half < left or x - half > right for left, right, other in taken)
        )
        found = next(clear, places[0] if _is_ringed(mark, ring) else None)
        if found is not None:
            taken.append((found[0] - half, found[0] + half, found[1]))
            canvas.text(found[0], found[1] + 4, mark.label, "halo")


def _is_ringed(mark: Mark, ring: Mark | None) -> bool:
    return ring is not None and (mark.x, mark.y) == (ring.x, ring.y)


def _places(
    plane: _Plane, at: tuple[float, float], half: float, distance: int, furthest: int
) -> list[tuple[float, float]]:
    """Middles of where a label of a mark may stand, the best first: just above and below it, beside it, further off."""
    middle, y = at
    within = min(max(middle, _LEFT + half + 2), plane.width - half - 4)
    offsets = [sign * step for step in range(distance, furthest, 10) for sign in (-1, 1)]
    upright = [(within, y + offset) for offset in offsets]
    sides = [middle + sign * (half + distance - 4) for sign in (1, -1)]
    beside = [(x, y) for x in sides if _LEFT + half <= x <= plane.width - half - 2]
    found = [*upright[:2], *beside, *upright[2:]]
    return [(x, y) for x, y in found if plane.top < y < plane.height - _BOTTOM - 4] or [(within, y - distance)]


def _taken(plane: _Plane, mark: Mark) -> list[tuple[float, float, float]]:
    """(left, right, y) of where no label may stand because of a mark."""
    x, y = plane.at(mark.x, mark.y)
    taken = [(x - 6, x + 6, y)]
    if mark.whisker is not None:
        _, start, end, _ = plane.whisker(mark.x, mark.y, mark.whisker)
        low, high = min(start, end), max(start, end)
        taken += [(x - 4, x + 4, min(low + step, high)) for step in range(12, int(high - low) + 12, 12)]
    return taken


def _legend(canvas: Canvas, entries: Sequence[tuple[CurveKind | KeyKind, str]]) -> int:
    """Writes what the lines and marks mean, below the name of the y axis; returns how many rows that takes."""
    x, y, rows = _LEFT, _TOP + 4, 1 if entries else 0
    for kind, name in entries:
        is_mark = kind in get_args(KeyKind)
        sign = 16.0 if is_mark else 25.0
        width = sign + len(name) * _WIDE_LETTER
        if x > _LEFT and x + width > canvas.width:
            x, y, rows = _LEFT, y + 18, rows + 1
        if not is_mark:
            canvas.line(x, y, x + 20, y, kind)
        elif kind == "whisker":
            _draw_whisker(canvas, x + 5, y - 6, y + 6, is_whole=True)
        else:
            canvas.dot(x + 5, y, "chosen" if kind == "ring" else kind, "", 5.0)
        canvas.text(x + sign, y + 4, name, anchor="start")
        x += width + _LEGEND_ROOM
    return rows


_LONGEST_BAR = 44
"""Letters of a bar's name, which begins at the picture's edge."""


def _end_of(name: str, letters: int) -> str:
    """A name by its last letters: the end of a path says more than its beginning."""
    return name if len(name) <= letters else f"…{name[1 - letters :]}"


def _bars(chart: Bars) -> str:
    row = 26.0
    canvas = Canvas(chart.label, WIDTHS["Wide"], _TOP + row * len(chart.bars) + 8)
    left = 320.0
    longest = canvas.width - left - 70
    for index, (name, share) in enumerate(chart.bars):
        y = _TOP + index * row
        canvas.text(left - 10, y + 13, _end_of(name, _LONGEST_BAR), anchor="end")
        canvas.box(left, y, max(1.0, share * longest), 16, "bar")
        canvas.text(left + share * longest + 8, y + 13, f"{share:.0%}", anchor="start")
    return canvas.render()


def _parallel(chart: Parallel) -> str:
    canvas = Canvas(chart.label, WIDTHS["Wide"], 380)
    top, bottom = 52.0, canvas.height - 24.0
    left, right = _room_for_ticks(chart.axes[0]), canvas.width - 90.0
    places = [left + index * (right - left) / max(1, len(chart.axes) - 1) for index in range(len(chart.axes))]

    def y_of(place: float | None) -> float:
        # Without a value there: below the axis.
        return bottom - (-0.05 if place is None else place) * (bottom - top)

    for run in chart.runs:
        points = [(x, y_of(place)) for x, place in zip(places, run.places, strict=True)]
        canvas.path(points, "run chosen" if run.is_chosen else "run", run.title, f"--share:{run.share:.3f}")
    for index, (x, axis) in enumerate(zip(places, chart.axes, strict=True)):
        canvas.line(x, top, x, bottom, "axis")
        canvas.text(x, 20 if index % 2 == 0 or len(chart.axes) < 5 else 36, axis.name, "label")
        for tick in _axis_ticks(axis.scale):
            canvas.line(x - 4, y_of(tick.place), x, y_of(tick.place), "axis")
            canvas.text(x - 7, y_of(tick.place) + 4, tick.label, "halo", anchor="end")
    return canvas.render()


def _room_for_ticks(axis: Axis) -> float:
    """What stands at the left of the first axis; of the others it stands over lines."""
    return max(70.0, 14 + _WIDE_LETTER * max(len(tick.label) for tick in _axis_ticks(axis.scale)))


def _axis_ticks(scale: Scale) -> list[Tick]:
    return scale.ticks() if isinstance(scale, CategoryScale) else scale.ticks(6)


_LONGEST_NAME = 14


def _matrix(chart: Matrix) -> str:
    names = [name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…" for name in chart.names]
    longest = max(map(len, names)) * _WIDE_LETTER
    digits = max(len(count_text(chart, count)) for counts in chart.counts for count in counts)
    largest = max(1, *(abs(count) for counts in chart.counts for count in counts))
    cell = max(min(44.0, 360.0 / len(names)), 28.0, digits * _WIDE_LETTER + 8)
    upright = longest > cell - 4
    left, top = 34 + longest, 34 + (longest if upright else 14)
    canvas = Canvas(chart.label, left + cell * len(names) + 10, top + cell * len(names) + 10)
    canvas.text(left, 14, "said", "label", anchor="start")
    canvas.text(14, top + 4, "label", "label", anchor="end", more=f' transform="rotate(-90 14 {top:.1f})"')
    for index, name in enumerate(names):
        middle = index * cell + cell / 2
        x, y = left + middle, top - 8
        turn = f' transform="rotate(-90 {x + 4:.1f} {y:.1f})"' if upright else ""
        canvas.text(x + (4 if upright else 0), y, name, anchor="start" if upright else "middle", more=turn)
        canvas.text(left - 8, top + middle + 4, name, anchor="end")
    for row, counts in enumerate(chart.counts):
        total = largest if chart.is_change else max(1, sum(counts))
        for column, count in enumerate(counts):
            x, y = left + column * cell, top + row * cell
            shown = count_text(chart, count)
            told = f"{chart.names[row]}, said to be {chart.names[column]}: {shown}"
            kind = "hit" if (row == column) == (count > 0) else "miss"
            canvas.box(x, y, cell, cell, "cell")
            if count:
                canvas.box(x, y, cell, cell, kind, told, f"opacity:{0.12 + 0.48 * abs(count) / total:.2f}")
                canvas.text(x + cell / 2, y + cell / 2 + 4, shown, "count")
    return canvas.render()


def _quantiles(chart: Quantiles) -> str:
    canvas = Canvas(chart.label, WIDTHS["Half"], 132)
    scale = NumberScale.of([*chart.values.values(), 0.0])
    left, right, middle = 24.0, canvas.width - 24.0, 44.0

    def at(share: str) -> float:
        return left + scale.place(chart.values[share]) * (right - left)

    bottom = 80.0
    for tick in scale.ticks(5):
        x = left + tick.place * (right - left)
        canvas.line(x, 16, x, bottom, "grid")
        canvas.text(x, bottom + 18, tick.label)
    zero = left + scale.place(0.0) * (right - left)
    canvas.line(zero, 10, zero, bottom, "limit")
    canvas.line(at("0"), middle, at("1"), middle, "axis")
    canvas.box(at("0.05"), middle - 5, max(1.0, at("0.95") - at("0.05")), 10, "most", "nine tenths of the rows")
    canvas.box(at("0.25"), middle - 18, max(1.0, at("0.75") - at("0.25")), 36, "half", "half of the rows")
    canvas.line(at("0.5"), middle - 18, at("0.5"), middle + 18, "median")
    canvas.text((left + right) / 2, canvas.height - 10, chart.x_label, "label")
    return canvas.render()


_DRAWERS: dict[type[Any], Callable[[Any], str]] = {
    Plot: _plot,
    Bars: _bars,
    Parallel: _parallel,
    Matrix: _matrix,
    Quantiles: _quantiles,
}
