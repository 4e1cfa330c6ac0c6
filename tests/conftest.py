"""Shared by all tests: nobody may leave a process behind, and no time that a machine takes is held against a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from process_support import wait_for_none_under

# How long an example, or the making of it, takes is the machine's and what else runs there.
settings.register_profile("shared-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared-machine")

_LOCAL = Path(__file__).parent / "local"
_LONGEST_FIRST = (
    "test_training",
    "test_tuning_command",
    "test_run_command",
    "test_networks_pack",
    "test_float64",
    "test_conformance_local",
    "test_operator_killed",
    "test_operator_clean_up",
    "test_old_jobs",
    "test_operator_rights",
    "test_operator_replicas",
    "test_tuning_killed",
)
"""Files whose tests take a minute or more together: begun first, so that no process is left alone with one in the end.
xdist would begin with those that have most tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first; within a file, and among the others, the order stays."""
    ranks = {name: rank for rank, name in enumerate(_LONGEST_FIRST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(ranks)))


@pytest.fixture(autouse=True)
def no_process_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test of tests/local that leaves a process of its workspace behind, and ends it."""
    is_guarded = request.node.path.parent == _LOCAL and "tmp_path" in request.fixturenames
    folder = request.getfixturevalue("tmp_path") if is_guarded else None
    yield
    if folder is not None and (left := wait_for_none_under(folder)):
        commands = [" ".join(process.cmdline()) for process in left]
        for process in left:
            process.kill()
        pytest.fail(f"left behind: {commands}")
