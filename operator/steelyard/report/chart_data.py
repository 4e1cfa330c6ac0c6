"""Charts as data: what is drawn, not how. Imports the scales only.

A mark's kind says what it is, and always with something beside it (a shape, a label), so that nobody needs the color.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from steelyard.report.scales import Scale

MarkKind = Literal["trial", "pruned", "front", "dominated", "baseline", "below", "above"]
"""A disc; an open one; a disc that stands out; a pale one; a square; triangles at the edge, of what lies beyond it."""
CurveKind = Literal["best", "first", "second", "limit", "joined"]
"""What stands out; a line; another one; a bound, dashed; what goes together, behind all else."""
KeyKind = Literal[MarkKind, "ring", "whisker"]
"""What else is explained: the ring of what was chosen; a line from a mark to how far it may be off."""
Size = Literal["Wide", "Half"]
"""Over the whole page, or two beside each other where there is room."""


@dataclass(frozen=True)
class Mark:
    """A point."""

    x: float
    y: float
    kind: MarkKind
    title: str
    """What is told of it where one points at it."""
    label: str = ""
    """What is written beside it."""
    radius: float = 4.0
    whisker: float | None = None
    """The y that it may be as far off as."""


@dataclass(frozen=True)
class Curve:
    """A line through points."""

    points: tuple[tuple[float, float], ...]
    kind: CurveKind
    name: str = ""
    """What is written of it; empty for nothing."""


@dataclass(frozen=True)
class Plot:
    """Points and lines over two axes. There is at least one point or line, and all are numbers."""

    label: str
    """What it shows, for those who can't see it."""
    x_label: str
    y_label: str
    curves: tuple[Curve, ...] = ()
    marks: tuple[Mark, ...] = ()
    """Later ones are drawn over earlier ones."""
    ring: Mark | None = None
    """The mark that was chosen; its label stands below it."""
    x_range: tuple[float, float] | None = None
    """Default: that of what is drawn, with a margin."""
    y_range: tuple[float, float] | None = None
    """As x_range."""
    is_log_x: bool = False
    """Whether equal distances along x are equal ratios; all x are above 0 then."""
    key: tuple[tuple[KeyKind, str], ...] = ()
    """What the marks mean."""
    size: Size = "Wide"
    height: float = 340.0


@dataclass(frozen=True)
class Bars:
    """Shares of a whole."""

    label: str
    bars: tuple[tuple[str, float], ...]
    """(name, share from 0 to 1), in order."""


@dataclass(frozen=True)
class Axis:
    """One of several parallel axes."""

    name: str
    scale: Scale


@dataclass(frozen=True)
class Run:
    """A line through parallel axes."""

    places: tuple[float | None, ...]
    """On each axis, from 0 to 1; None where it has no value there."""
    title: str
    share: float
    """How strong it is, from 0 to 1."""
    is_chosen: bool = False


@dataclass(frozen=True)
class Parallel:
    """Lines through parallel axes; later ones are drawn over earlier ones."""

    label: str
    axes: tuple[Axis, ...]
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Matrix:
    """How often each label (down) was said to be each label (across)."""

    label: str
    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    is_change: bool = False
    """Whether the counts are differences: more along the diagonal is better, elsewhere worse."""


@dataclass(frozen=True)
class Quantiles:
    """How numbers are distributed."""

    label: str
    x_label: str
    values: Mapping[str, float]
    """By share of all, such as "0.05": the number that so many are not above."""


Chart: TypeAlias = Plot | Bars | Parallel | Matrix | Quantiles
