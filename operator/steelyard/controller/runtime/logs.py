"""The operator's log on standard error: one JSON object a line for programs, or text for people. Standard library only.

All loggers come out alike, kopf's too. A line about a job says which: that of `about_job`, or the object that kopf logs
for.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, TextIO

_JOB: ContextVar[str] = ContextVar("job", default="")


@contextmanager
def about_job(namespace: str, name: str) -> Iterator[None]:
    """What is logged in this context, and in tasks that are begun in it, is about this job."""
    token = _JOB.set(f"{namespace}/{name}")
    try:
        yield
    finally:
        _JOB.reset(token)


def configure_logs(
    log_format: Literal["json", "text"] = "json", level: str = "info", stream: TextIO | None = None
) -> None:
    """Has the whole process log in one format, to standard error by default; warnings and the exception that ends the
    process as well. Replaces what was configured before.

    Args:
        level: the least that is logged: debug, info, warning or error.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    sys.excepthook = _log_the_last_exception


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (RFC 3339, UTC), level, logger, message; job (NAMESPACE/NAME) and exception (its
    traceback) where there are such."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        parts = {
            "time": _time_of(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "job": _job_of(record),
            "exception": _exception_of(record),
        }
        return json.dumps({name: part for name, part in parts.items() if part or name == "message"})


class TextFormatter(logging.Formatter):
    """One line for people; what has several lines goes on indented, so that it can't pass for a line of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, with those that belong to it."""
        job = f"[{name}] " if (name := _job_of(record)) else ""
        text = f"{_time_of(record)} {record.levelname:<7} {record.name}: {job}{record.getMessage()}"
        return "\n    ".join([*text.splitlines(), *_exception_of(record).splitlines()])


def _time_of(record: logging.LogRecord) -> str:
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return time.replace("+00:00", "Z")


def _job_of(record: logging.LogRecord) -> str:
    """NAMESPACE/NAME of what the record is about; empty where it is about nothing in particular."""
    reference = getattr(record, "k8s_ref", None)  # Set by kopf's logger of an object.
    if isinstance(reference, dict):
        return "/".join(str(part) for part in (reference.get("namespace"), reference.get("name")) if part)
    return _JOB.get()


def _exception_of(record: logging.LogRecord) -> str:
    """The traceback, or the stack that was asked for."""
    parts = []
    if record.exc_info and record.exc_info[0] is not None:
        parts.append(logging.Formatter().formatException(record.exc_info))
    if record.stack_info:
        parts.append(record.stack_info)
    return "\n".join(parts)


def _log_the_last_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logging.getLogger("steelyard").critical("the process ends: %s", error, exc_info=(kind, error, trace))
