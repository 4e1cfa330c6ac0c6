"""The queue: no key is lost, none waits twice, none is worked on twice at once; back-off, timers."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.controller.runtime.work_queue import FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, WorkQueue

Queue = WorkQueue[str]


def in_a_loop(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


def test_keys_come_in_their_order_and_once() -> None:
    async def test() -> None:
        queue = Queue()
        for key in "abab":
            queue.add(key)
        assert len(queue) == 2 and queue.has_work
        assert [await queue.get(), await queue.get()] == ["a", "b"]
        assert len(queue) == 0 and queue.has_work
        queue.done("a")
        queue.done("b")
        assert not queue.has_work

    in_a_loop(test())


def test_what_is_added_while_it_is_worked_on_comes_again_afterwards() -> None:
    async def test() -> None:
        queue = Queue()
        queue.add("a")
        await queue.get()
        queue.add("a")
        queue.add("a")
        assert len(queue) == 0
        queue.done("a")
        assert await queue.get() == "a"
        queue.done("a")
        assert len(queue) == 0

    in_a_loop(test())


def test_who_waits_gets_what_comes() -> None:
    async def test() -> None:
        queue = Queue()
        waiting = [asyncio.create_task(queue.get()) for _ in range(3)]
        await asyncio.sleep(0)
        for key in "abc":
            queue.add(key)
        assert sorted(await asyncio.gather(*waiting)) == ["a", "b", "c"]

    in_a_loop(test())


def test_who_gives_up_waiting_takes_no_key_along() -> None:
    async def test() -> None:
        queue = Queue()
        waiting = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        queue.add("a")
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert await queue.get() == "a"

    in_a_loop(test())


Operation = tuple[str, str]


@given(
    st.lists(st.tuples(st.sampled_from(["add", "later", "fail", "sleep"]), st.sampled_from("abcd")), max_size=60),
    st.integers(1, 4),
)
def test_no_key_is_lost_and_none_is_worked_on_twice_at_once(operations: list[Operation], workers: int) -> None:
    """Whatever is added is worked on at least once afterwards, by whichever worker."""

    async def test() -> None:
        queue = Queue()
        at_work: Counter[str] = Counter()
        seen: dict[str, int] = {}
        added: dict[str, int] = {}
        fails: set[str] = set()

        async def work() -> None:
            while True:
                key = await queue.get()
                at_work[key] += 1
                assert at_work[key] == 1
                seen[key] = added.get(key, 0)
                await asyncio.sleep(0)
                at_work[key] -= 1
                if key in fails:
                    fails.discard(key)
                    queue.add_after_error(key)
                    # The pause itself is another test's.
                    queue.add_after(key, 0)
                queue.done(key)

        tasks = [asyncio.create_task(work()) for _ in range(workers)]
        for number, (operation, key) in enumerate(operations, 1):
            match operation:
                case "sleep":
                    await asyncio.sleep(0)
                    continue
                case "later":
                    queue.add_after(key, 0.001)
                case "fail":
                    fails.add(key)
                    queue.add(key)
                case _:
                    queue.add(key)
            added[key] = number
        await asyncio.sleep(0.005)
        while queue.has_work:
            assert not any(task.done() for task in tasks)
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ended)
        assert seen == added

    in_a_loop(test())


def test_of_several_times_the_earliest_counts() -> None:
    async def test() -> None:
        queue = Queue()
        for seconds in (100, 0.01, 200):
            queue.add_after("a", seconds)
        assert await queue.get() == "a"
        queue.done("a")
        await asyncio.sleep(0.05)
        assert len(queue) == 0

    in_a_loop(test())


def test_pauses_double_up_to_a_bound_and_begin_anew_after_a_success() -> None:
    async def test() -> None:
        queue = Queue()
        pauses = [queue.add_after_error("a") for _ in range(20)]
        for number, pause in enumerate(pauses):
            expected = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2**number)
            assert 0.8 * expected <= pause <= 1.2 * expected
        queue.succeeded("a")
        assert queue.add_after_error("a") <= 1.2 * FIRST_RETRY_SECONDS
        assert queue.add_after_error("b") <= 1.2 * FIRST_RETRY_SECONDS
        queue.forget("a")

    in_a_loop(test())


@pytest.mark.parametrize("is_forgotten", [False, True])
def test_what_is_forgotten_does_not_come_back(is_forgotten: bool) -> None:
    async def test() -> None:
        queue = Queue()
        queue.add_after("a", 0.01)
        if is_forgotten:
            queue.forget("a")
        await asyncio.sleep(0.1)
        assert len(queue) == (0 if is_forgotten else 1)

    in_a_loop(test())
