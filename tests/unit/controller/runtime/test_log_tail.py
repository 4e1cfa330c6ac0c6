"""What the last lines of a log tell of a stage that runs."""

import json

from steelyard.contract.stages import Notice, Progress
from steelyard.controller.runtime.log_tail import LogTail


def test_the_newest_progress_and_each_stall_are_found_among_other_lines() -> None:
    older, newest = (Progress("train", done, 10, "epochs", {"loss": 0.5}) for done in (1, 2))
    notices = [
        Notice("train", told, reason) for told, reason in (("a", "Stalled"), ("b", "Restarted"), ("a", "Stalled"))
    ]
    events = [json.dumps(event.to_json()) for event in (older, *notices, newest)]
    foreign = [
        "Epoch 1/10",
        "[1]",
        '{"event": "progress"}',
        '{"event": ["x"]}',
        '{"event": "progress", "by": "me"}',
        "[" * 99_999,
    ]
    assert LogTail.of([*events, *foreign]) == LogTail(newest, ("a",))
    assert LogTail.of(foreign) == LogTail()
