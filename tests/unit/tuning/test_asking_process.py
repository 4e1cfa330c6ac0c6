"""The process of the samplers beside an event loop: it may die at any moment, and nobody notices but by the time."""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from sampler_support import play, some_answer

from steelyard.api.tuning_job import TuningJobSpec
from steelyard.search.log import Entry, Values
from steelyard.tuning import asking_process
from steelyard.tuning.asking import Asker
from steelyard.tuning.asking_process import AskingError, AskingProcess


def spec_of(algorithm: str = "Random", **fields: Any) -> TuningJobSpec:
    """A search whose spec parses."""
    return TuningJobSpec.model_validate(
        {
            "objective": {"metric": "accuracy"},
            "parameters": [
                {"path": "model.mlp.dropout", "type": "Double", "min": 0, "max": 0.5},
                {"path": "training.batchSize", "type": "Categorical", "values": [16, 32, 64]},
            ],
            "algorithm": {"name": algorithm, "seed": 4},
            "maxTrials": 100,
            "template": {"dataset": {"uri": "digits.csv", "target": "target"}, "model": {"mlp": {}}},
            **fields,
        }
    )


def json_of(spec: TuningJobSpec) -> str:
    return spec.model_dump_json(by_alias=True, exclude_unset=True)


def lines_of(spec: TuningJobSpec, entries: list[Entry]) -> list[str]:
    return [entry.encode(spec.parameters) for entry in entries]


def with_process(body: Callable[[AskingProcess], Coroutine[Any, Any, None]], **settings: float) -> None:
    """Runs `body` with an AskingProcess and closes it."""

    async def run() -> None:
        process = AskingProcess(**settings)
        try:
            await body(process)
        finally:
            await process.close()

    asyncio.run(run())


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_it_asks_what_an_asker_asks_whatever_happens_to_it() -> None:
    spec = spec_of("TPE")
    entries = play(spec, 16, some_answer)
    prior = play(spec_of("Random"), 12, some_answer)

    async def body(process: AskingProcess) -> None:
        asked: list[Values | None] = []
        for number in range(16):
            asked.append(await process.ask("a", json_of(spec), number, lines_of(spec, entries[:number]), []))
            if number % 5 == 4:
                assert process.pid is not None
                os.kill(process.pid, signal.SIGKILL)
        assert asked == [entry.values for entry in entries]
        known, pending = lines_of(spec, entries[:14]), [entries[14].values, entries[15].values]
        values = await process.ask("b", json_of(spec), 16, known, pending, prior)
        assert values == Asker(spec).ask(16, entries[:14], pending, prior)

    with_process(body)


def test_a_process_that_is_killed_in_the_middle_of_a_request_is_replaced() -> None:
    spec = spec_of()

    async def body(process: AskingProcess) -> None:
        await process.ask("a", json_of(spec), 0, [], [])
        pid = process.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)  # It has the request, and does not answer.
        suggestion = asyncio.create_task(process.ask("a", json_of(spec), 1, [], [{"training.batchSize": 16}]))
        await asyncio.sleep(0.2)
        assert not suggestion.done()
        os.kill(pid, signal.SIGKILL)
        assert await suggestion == Asker(spec).ask(1, [], [{"training.batchSize": 16}])
        assert process.pid not in (None, pid)

    with_process(body)


def test_only_what_is_new_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of()
    entries = play(spec, 4, some_answer)
    sent: list[dict[str, Any]] = []
    exchange = AskingProcess._exchange

    async def watched(process: AskingProcess, request: dict[str, Any]) -> dict[str, Any]:
        sent.append(json.loads(json.dumps(request)))
        return await exchange(process, request)

    monkeypatch.setattr(AskingProcess, "_exchange", watched)
    monkeypatch.setattr(asking_process, "MOST_SEARCHES", 2)

    async def body(process: AskingProcess) -> None:
        for uid, count in (("a", 2), ("b", 1), ("a", 4), ("c", 1), ("b", 1)):
            known = lines_of(spec, entries[:count])
            values = await process.ask(uid, json_of(spec), count, known, [])
            assert values == Asker(spec).ask(count, entries[:count], [])

    with_process(body)

    assert [len(request["new"]) for request in sent] == [2, 1, 2, 1, 1]
    assert ["spec" in request for request in sent] == [True, True, False, True, True]
    assert [request["forget"] for request in sent] == [[], [], [], ["b"], ["a"]]


def test_a_changed_search_is_told_anew() -> None:
    one, other = spec_of("Grid", parameters=_grid("dropout")), spec_of("Grid", parameters=_grid("activation"))

    async def body(process: AskingProcess) -> None:
        for spec in (one, other, one):
            assert await process.ask("a", json_of(spec), 0, [], []) == Asker(spec).ask(0, [], [])

    with_process(body)


def _grid(field: str) -> list[dict[str, Any]]:
    values = {"dropout": [0.1, 0.2], "activation": ["relu", "gelu"]}[field]
    return [{"path": f"model.mlp.{field}", "type": "Categorical", "values": values}]


def test_the_last_suggestion_is_none() -> None:
    spec = spec_of("Grid", parameters=_grid("dropout"))
    entries = play(spec, 5, some_answer)

    async def body(process: AskingProcess) -> None:
        assert len(entries) == 2
        assert await process.ask("a", json_of(spec), 2, lines_of(spec, entries), []) is None

    with_process(body)


def test_a_request_that_fails_says_why_and_the_next_is_served() -> None:
    spec = spec_of()
    entries = play(spec, 6, some_answer)

    async def body(process: AskingProcess) -> None:
        with pytest.raises(AskingError, match=r"trial 1 could not be created: ValueError: '\[nonsense' is no entry"):
            await process.ask("a", json_of(spec), 1, ["[nonsense"], [])
        pid = process.pid
        known = lines_of(spec, entries)
        assert await process.ask("a", json_of(spec), 6, known, []) == Asker(spec).ask(6, entries, [])
        assert process.pid == pid

    with_process(body)


def test_a_request_that_takes_too_long_is_given_up_and_so_is_one_that_is_cancelled() -> None:
    spec = spec_of()

    async def body(process: AskingProcess) -> None:
        await process.ask("a", json_of(spec), 0, [], [])
        process._timeout_seconds = 0.3
        pid = process.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(AskingError, match=r"trial 1 was not created within 0\.3 seconds"):
            await process.ask("a", json_of(spec), 1, [], [])
        process._timeout_seconds = 60.0
        suggestion = asyncio.create_task(process.ask("a", json_of(spec), 1, [], []))
        await asyncio.sleep(0.05)
        suggestion.cancel()
        with pytest.raises(asyncio.CancelledError):
            await suggestion
        assert await process.ask("a", json_of(spec), 2, [], []) == Asker(spec).ask(2, [], [])

    with_process(body)


def test_an_idle_process_ends_and_gives_its_memory_back() -> None:
    spec = spec_of()

    async def body(process: AskingProcess) -> None:
        await process.ask("a", json_of(spec), 0, [], [])
        pid = process.pid
        assert pid is not None
        assert is_alive(pid)
        for _ in range(200):
            await asyncio.sleep(0.05)
            if not is_alive(pid):
                break
        assert not is_alive(pid)
        assert process.pid is None
        assert await process.ask("a", json_of(spec), 1, [], []) == Asker(spec).ask(1, [], [])

    with_process(body, idle_seconds=0.2)


def test_the_event_loop_goes_on_while_values_are_suggested() -> None:
    spec = spec_of("GP")
    entries = play(spec, 12, some_answer)

    async def body(process: AskingProcess) -> None:
        suggestion = asyncio.create_task(process.ask("a", json_of(spec), 12, lines_of(spec, entries), []))
        turns = 0
        while not suggestion.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert turns > 10, "the process takes at least a second to start, and imports scikit-learn"
        assert await suggestion == Asker(spec).ask(12, entries, [])

    with_process(body)
