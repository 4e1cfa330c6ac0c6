"""The start barrier before programs of any image: all wait for all, and who comes back finds the others past it."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from steelyard.contract.errors import StageError
from steelyard.contract.stages import Reason
from steelyard_trainer.gang import barrier
from steelyard_trainer.gang.barrier import Barrier, is_up
from steelyard_trainer.gang.member import Limits, Member


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Three addresses at which nobody listens, of a machine that is up."""
    monkeypatch.setattr(barrier, "FRESH_SECONDS", 0.3)
    with ExitStack() as probes:
        found = [probes.enter_context(socket.socket()) for _ in range(3)]
        for probe in found:
            probe.bind(("127.0.0.1", 0))
        return tuple(f"127.0.0.1:{probe.getsockname()[1]}" for probe in found)


def barrier_of(worker: int, addresses: tuple[str, ...], folder: Path, seconds: float = 10, key: str = "k") -> Barrier:
    return Barrier(Member(worker, key, Limits(0, 0, seconds), addresses, addresses), folder / "barrier.json")


def test_all_wait_for_all(addresses: tuple[str, ...], tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        first = [pool.submit(barrier_of(worker, addresses, tmp_path).wait) for worker in (0, 2)]
        with pytest.raises(TimeoutError):
            first[1].result(0.5)
        assert not any(each.done() for each in first)
        last = pool.submit(barrier_of(1, addresses, tmp_path).wait)
        for each in (*first, last):
            each.result(10)


@pytest.mark.parametrize("worker", [0, 1])
def test_who_is_missing_is_named(worker: int, addresses: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(StageError) as told:
        barrier_of(worker, addresses, tmp_path, seconds=0.5).wait()
    assert told.value.reason == Reason.WORKERS_NOT_READY
    # All that worker 1 can say is that worker 0 does not answer.
    silent = (1, 2) if worker == 0 else (0,)
    names = ", ".join(f"worker {each} ({addresses[each]})" for each in silent)
    assert told.value.message.endswith(f"within 0.5 s (spec.runPolicy.gangTimeoutSeconds); no answer from {names}")


@pytest.mark.parametrize("worker", [0, 1])
def test_who_comes_back_passes_where_the_others_have(worker: int, addresses: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "barrier.json").write_text('{"key": "k"}')
    barrier_of(worker, addresses, tmp_path).wait()


def test_who_passed_under_another_key_has_not_passed(addresses: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "barrier.json").write_text('{"key": "another"}')
    with pytest.raises(StageError, match="no answer"):
        barrier_of(1, addresses, tmp_path, seconds=0.6).wait()


def test_a_peer_whose_pod_is_not_there_is_not_past_it(addresses: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "barrier.json").write_text('{"key": "k"}')
    gone = (addresses[0], addresses[1], "nowhere.invalid:1")
    assert is_up(addresses[1]) and not is_up("nowhere.invalid:1")
    with pytest.raises(StageError, match=r"no answer from worker 2 \(nowhere.invalid:1\)"):
        barrier_of(0, gone, tmp_path, seconds=0.8).wait()
