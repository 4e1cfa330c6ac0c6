"""Shared by all tests: nobody may leave a process behind."""

from collections.abc import Iterator

import pytest
from process_support import wait_for_none_under


@pytest.fixture(autouse=True)
def no_process_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test of tests/local that leaves a process of its workspace behind, and ends it."""
    is_guarded = request.node.path.parent.name == "local" and "tmp_path" in request.fixturenames
    folder = request.getfixturevalue("tmp_path") if is_guarded else None
    yield
    if folder is not None and (left := wait_for_none_under(folder)):
        commands = [" ".join(process.cmdline()) for process in left]
        for process in left:
            process.kill()
        pytest.fail(f"left behind: {commands}")
