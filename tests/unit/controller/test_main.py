"""How the operator's process ends: one line and an exit code, never a traceback for what is not its own fault."""

import logging

import kopf
import pytest

from steelyard.controller import __main__ as process
from steelyard.controller.settings import Settings
from steelyard.kube import ApiError


@pytest.mark.parametrize(
    ("error", "exit_code", "words"),
    [
        (ApiError(401, "Unauthorized", "Unauthorized"), 78, "the API server refuses: 401 Unauthorized: Unauthorized"),
        (ApiError(503, "", "starting"), 75, "the API server refuses: 503 : starting"),
        (kopf.LoginError("Ran out"), 75, "the API server no longer accepts the operator's credentials"),
    ],
)
def test_what_the_api_server_refuses_for_good_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    exit_code: int,
    words: str,
) -> None:
    async def run(_: Settings) -> None:
        raise error

    monkeypatch.setenv("STEELYARD_TRAINER_IMAGE", "trainer:1")
    monkeypatch.setattr(process, "run", run)
    # It belongs to the whole process.
    monkeypatch.setattr(process, "configure_logs", lambda *_: None)
    monkeypatch.setattr(process, "_spare_the_collector", lambda: None)
    with caplog.at_level(logging.CRITICAL, "steelyard"):
        assert process.main() == exit_code
    assert [record.getMessage() for record in caplog.records] == [words]
