"""The operator's log: one object a line whatever is logged, by whomever."""

import asyncio
import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from steelyard.controller.runtime.logs import about_job, configure_logs

logger = logging.getLogger("steelyard.controller.something")


@pytest.fixture(autouse=True)
def the_process_log_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook)
    yield
    root.handlers[:], root.level, sys.excepthook = before
    logging.captureWarnings(False)


def objects(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def json_log(level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    configure_logs("json", level, stream)
    return stream


def test_a_line_is_an_object_with_its_time_in_utc() -> None:
    stream = json_log()
    logger.info("made %d\njobs", 3)
    [line] = objects(stream)
    assert abs(datetime.fromisoformat(line.pop("time")).timestamp() - datetime.now().timestamp()) < 60
    assert line == {"level": "info", "logger": "steelyard.controller.something", "message": "made 3\njobs"}


def test_what_is_below_the_level_is_not_logged_and_nothing_is_logged_twice() -> None:
    stream = json_log("warning")
    configure_logs("json", "warning", stream)
    logger.info("quiet")
    logger.warning("loud")
    assert [line["message"] for line in objects(stream)] == ["loud"]


def test_a_line_about_a_job_says_which_also_in_tasks_and_not_after() -> None:
    async def task() -> None:
        logger.info("inner")

    async def main() -> None:
        with about_job("default", "digits"):
            begun = asyncio.create_task(task())
        logger.info("outer")
        await begun

    stream = json_log()
    asyncio.run(main())
    assert {line["message"]: line.get("job") for line in objects(stream)} == {
        "inner": "default/digits",
        "outer": None,
    }


def test_a_line_that_kopf_logs_about_an_object_says_which() -> None:
    from kopf._cogs.configs.configuration import OperatorSettings
    from kopf._cogs.structs.bodies import Body
    from kopf._core.actions.loggers import ObjectLogger

    stream = json_log()
    body = Body({"kind": "TrainingJob", "metadata": {"namespace": "team-a", "name": "wine"}})
    ObjectLogger(body=body, settings=OperatorSettings()).info("handled")
    [line] = objects(stream)
    assert (line["logger"], line["message"], line["job"]) == ("kopf.objects", "handled", "team-a/wine")


def test_an_exception_stays_within_its_line() -> None:
    stream = json_log()
    try:
        raise ValueError("no such\nthing")
    except ValueError:
        logger.exception("failed")
    [line] = objects(stream)
    assert line["level"] == "error" and line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: no such\nthing")


def test_odd_characters_make_no_odd_lines() -> None:
    stream = json_log()
    logger.info("a\u2028b \ud800 ü")
    [line] = objects(stream)
    assert line["message"] == "a\u2028b \ud800 ü" and stream.getvalue().isascii()


def test_warnings_and_the_exception_that_ends_the_process_are_logged_too() -> None:
    stream = json_log()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(True)
        warnings.warn("older", DeprecationWarning, stacklevel=1)
    sys.excepthook(ValueError, ValueError("the end"), None)
    last, before = objects(stream)[-1], objects(stream)[-2]
    assert "older" in before["message"] and before["logger"] == "py.warnings"
    assert (last["level"], last["message"]) == ("critical", "the process ends: the end")


def test_text_is_a_line_whose_further_lines_can_not_pass_for_others() -> None:
    stream = io.StringIO()
    configure_logs("text", "info", stream)
    with about_job("default", "digits"):
        logger.warning("first\n2026-01-01T00:00:00.000Z INFO    root: forged")
    first, second = stream.getvalue().splitlines()
    assert first.endswith("Z WARNING steelyard.controller.something: [default/digits] first")
    assert second == "    2026-01-01T00:00:00.000Z INFO    root: forged"
