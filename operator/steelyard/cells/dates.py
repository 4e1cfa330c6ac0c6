"""Cells that are dates and times: how a text is read as one, and the parts that a model takes of it.

All are of one time line, in seconds since 1970-01-01T00:00: a time of day is one of that day, and what has an offset is
moved to UTC. Imports the standard library; numpy where parts are made.
"""

import math
import re
from collections.abc import Container, Iterable
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, Literal

from steelyard.cells.missing import MISSING_NUMBERS, is_missing

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

ISO8601 = "ISO8601"
"""The form of dates as the standard has them: 2024-05-31, 2024-05, 2024-05-31T23:59:59.5Z, 23:59."""

DatePart = Literal["year", "month", "day", "weekday", "dayOfYear", "hour", "seconds"]
DATE_PARTS: tuple[DatePart, ...] = ("year", "month", "day", "weekday", "dayOfYear", "hour", "seconds")
"""Weekday is 0 on Monday, day of the year 1 on January 1, seconds those since 1970-01-01T00:00."""

_EPOCH = datetime(1970, 1, 1)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ].*)?", re.ASCII)
_MONTH = re.compile(r"\d{4}-\d{2}", re.ASCII)
_TIME = re.compile(r"\d{2}:\d{2}(:\d{2}([.,]\d+)?)?", re.ASCII)
_TIME_PARTS = ("%H", "%I", "%M", "%S", "%f", "%X", "%p")
_USUAL_FORMS = (
    *("%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%d %b %Y", "%d-%b-%Y"),
    *("%b %d, %Y", "%b %d %Y", "%B %d, %Y", "%d %B %Y", "%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%b-%y"),
)
_USUAL_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")


def parse_date(text: str, form: str = ISO8601) -> float | None:
    """The text as seconds since 1970-01-01T00:00, or None where it is none in this form.

    Args:
        text: a cell; blanks around it don't count.
        form: ISO8601, or one of `datetime.strptime`.
    """
    text = text.strip()
    try:
        moment = _parse_iso(text) if form == ISO8601 else _parse_form(text, form)
    except (ValueError, OverflowError):
        return None
    return None if moment is None else _seconds(moment)


def _parse_iso(text: str) -> datetime | None:
    if _DATE.fullmatch(text):
        return datetime.fromisoformat(text.replace(" UTC", "Z"))
    if _TIME.fullmatch(text):
        return datetime.combine(_EPOCH.date(), time.fromisoformat(text))
    return datetime.fromisoformat(f"{text}-01") if _MONTH.fullmatch(text) else None


def _parse_form(text: str, form: str) -> datetime:
    moment = datetime.strptime(text, form)
    is_time_only = moment.year == 1900 and not re.search(r"%[YyGcxdmjbBUWV]", form)
    return moment.replace(year=1970) if is_time_only else moment


def _seconds(moment: datetime) -> float | None:
    if moment.tzinfo is not None:
        try:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        except OverflowError:  # In UTC it is in no year of the calendar.
            return None
    return (moment - _EPOCH).total_seconds()


def date_of(cell: object, form: str = ISO8601, missing: Container[str] = MISSING_NUMBERS) -> float | None:
    """A cell as seconds since 1970-01-01T00:00; NaN where it is missing, None where it is no date.

    Args:
        cell: text, or a date or time of Python, NumPy or pandas; a number is read as text (20240531).
        form: ISO8601, or one of `datetime.strptime`.
        missing: what stands for an empty cell.
    """
    if isinstance(cell, str):
        return math.nan if cell.strip() in missing else parse_date(cell, form)
    if is_missing(cell, missing):
        return math.nan
    if isinstance(cell, datetime):
        return _seconds(cell)
    if isinstance(cell, date):
        return _seconds(datetime(cell.year, cell.month, cell.day))
    if isinstance(cell, time):
        return _seconds(datetime.combine(_EPOCH.date(), cell.replace(tzinfo=None)))
    if type(cell).__name__ == "datetime64":
        import numpy as np

        return float(np.datetime64(cell, "us").astype(np.int64)) / 1e6  # type: ignore[call-overload]
    from steelyard.cells.words import text_of

    return parse_date(text_of(cell), form)


def guess_date_form(values: Iterable[str], missing: Container[str] = MISSING_NUMBERS) -> str | None:
    """The form in which all of a column's cells are dates, or None.

    Day and month are told apart by the values; where they can't be, the month is taken to come first behind "/" and the
    day before ".": so ISO8601 alone is ever read without being asked for.

    Args:
        values: cells; repetitions and blanks around them don't count.
        missing: what stands for an empty cell.
    """
    texts = {text for value in values if not is_missing(text := value.strip(), missing)}
    if not texts:
        return None
    if all(parse_date(text) is not None for text in texts):
        return ISO8601
    first = next(iter(texts))
    for usual in _USUAL_FORMS:
        for clock in _USUAL_TIMES:
            form = usual + clock
            if parse_date(first, form) is not None and all(parse_date(text, form) is not None for text in texts):
                return form
    return None


def has_time(form: str) -> bool:
    """Whether a form has a time of day."""
    return form == ISO8601 or any(part in form for part in _TIME_PARTS)


def date_parts(seconds: "npt.NDArray[np.float64]") -> dict[DatePart, "npt.NDArray[np.float64]"]:
    """The parts of dates.

    Args:
        seconds: shape (rows,), since 1970-01-01T00:00, none of them NaN.

    Returns:
        Each of DATE_PARTS, float64, shape (rows,).
    """
    import numpy as np

    moments: npt.NDArray[Any] = np.floor(seconds).astype(np.int64).astype("datetime64[s]")
    days = moments.astype("datetime64[D]")
    months = moments.astype("datetime64[M]")
    years = moments.astype("datetime64[Y]")
    number = np.float64
    return {
        "year": (years.astype(np.int64) + 1970).astype(number),
        "month": (months - years.astype("datetime64[M]")).astype(number) + 1,
        "day": (days - months.astype("datetime64[D]")).astype(number) + 1,
        # 1970-01-01 was a Thursday.
        "weekday": ((days.astype(np.int64) + 3) % 7).astype(number),
        "dayOfYear": (days - years.astype("datetime64[D]")).astype(number) + 1,
        "hour": ((moments - days.astype("datetime64[s]")).astype(np.int64) // 3600).astype(number),
        "seconds": seconds,
    }
