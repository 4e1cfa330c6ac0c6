"""Runs the samplers of all searches in one process beside this one, so that no event loop waits for them, and the
memory of their libraries is given back when nobody asks. Imports the api and the search only.

The process knows nothing that it was not told: when it dies, the next one is told again.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from steelyard.search.log import Entry, Values

IDLE_SECONDS = 300.0
TIMEOUT_SECONDS = 120.0
"""How long one request may take, the start of the process included: on a busy machine that alone takes seconds."""
MOST_SEARCHES = 8
"""Searches that the process remembers; of others it is told anew."""
TRIES = 3
"""Processes that may die over one request."""
_LONGEST_ANSWER = 2**24


class AskingError(RuntimeError):
    """The values of a trial could not be found. That is no mistake of the user's; trying again later may help."""


@dataclass(frozen=True)
class _Asked:
    """A request, as `AskingProcess.ask` takes it."""

    uid: str
    spec: str
    number: int
    known: Sequence[str]
    pending: Sequence[Values]
    prior: Sequence[Entry]


@dataclass
class _Told:
    """What the process knows of a search."""

    spec: str
    prior: list[Entry]
    places: dict[str, int] = field(default_factory=dict)
    """Each entry that it was told, and its place among them."""


class AskingProcess:
    """Asks in a process that is started when it is needed, and anew when it has died."""

    def __init__(self, *, idle_seconds: float = IDLE_SECONDS, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """No process yet.

        Args:
            idle_seconds: the process ends when nothing was asked for so long.
            timeout_seconds: a process that takes longer over a request is killed.
        """
        self._idle_seconds = idle_seconds
        self._timeout_seconds = timeout_seconds
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._killed: list[asyncio.subprocess.Process] = []
        self._told: OrderedDict[str, _Told] = OrderedDict()
        self._idle: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return None if self._process is None else self._process.pid

    async def ask(
        self,
        uid: str,
        spec_json: str,
        number: int,
        known: Sequence[str],
        pending: Sequence[Values],
        prior: Sequence[Entry] = (),
    ) -> Values | None:
        """The values of the trial of that number, as `Asker.ask` has them. Only entries that are new go to the process.

        Args:
            uid: what tells one search from another.
            spec_json: the search's spec.
            number: from 0.
            known: the results that they are found with, as `Entry.encode` has them.
            pending: the values of trials before this one whose results it must not know.
            prior: what a search that this one starts from found out.

        Raises:
            AskingError: the sampler failed, took too long, or its process died again and again.
        """
        async with self._turn:
            self._stay()
            try:
                answer = await self._answer(_Asked(uid, spec_json, number, known, pending, prior))
            except BaseException:
                # Cancelled, or too late: an answer that comes after all must not be taken for another request's.
                self._abandon()
                raise
            finally:
                self._idle = asyncio.get_running_loop().call_later(self._idle_seconds, self._abandon)
            if "error" in answer:
                self._told.pop(uid, None)  # Of what it was told it may have taken a part only.
                raise AskingError(f"trial {number} could not be created: {answer['error']}")
        values: Values | None = answer["values"]
        return values

    async def _answer(self, asked: _Asked) -> dict[str, Any]:
        for _ in range(TRIES):
            request = self._request(asked)
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                return await self._exchange(request)
            self._abandon()
        raise AskingError(f"the process of the samplers died {TRIES} times over trial {asked.number}")

    async def close(self) -> None:
        """Ends the process. The next request starts another."""
        async with self._turn:
            self._stay()
            self._abandon()
            await asyncio.gather(*(process.wait() for process in self._killed))

    def _request(self, asked: _Asked) -> dict[str, Any]:
        """What the process is not told yet, and the request."""
        request: dict[str, Any] = {"uid": asked.uid, "number": asked.number, "pending": list(asked.pending)}
        told = self._told.get(asked.uid)
        if told is None or told.spec != asked.spec or told.prior != list(asked.prior):
            told = self._told[asked.uid] = _Told(asked.spec, list(asked.prior))
            request |= {"spec": asked.spec, "prior": [asdict(entry) for entry in asked.prior]}
        self._told.move_to_end(asked.uid)
        new = list(dict.fromkeys(line for line in asked.known if line not in told.places))
        told.places |= {line: len(told.places) + place for place, line in enumerate(new)}
        request |= {"new": new, "known": [told.places[line] for line in asked.known], "forget": []}
        while len(self._told) > MOST_SEARCHES:
            request["forget"].append(self._told.popitem(last=False)[0])
        return request

    async def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                if self._process is None:
                    self._process = await _start()
                assert self._process.stdin is not None and self._process.stdout is not None
                self._process.stdin.write(json.dumps(request).encode() + b"\n")
                await self._process.stdin.drain()
                answer: dict[str, Any] = json.loads(await self._process.stdout.readuntil(b"\n"))
                return answer
        except TimeoutError:
            raise AskingError(
                f"trial {request['number']} was not created within {self._timeout_seconds:g} seconds"
            ) from None

    def _stay(self) -> None:
        """Takes back the order to end when idle."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _abandon(self) -> None:
        """Ends the process, which then needs to be told everything again."""
        process, self._process = self._process, None
        self._told.clear()
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            self._killed = [one for one in self._killed if one.returncode is None] + [process]


async def _start() -> asyncio.subprocess.Process:
    """One thread for linear algebra: more of them take more memory, and are no faster here. In a session of its own,
    as Ctrl-C is for this process; it ends when its input does, so it does not outlive this one."""
    environment = {**os.environ, "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "steelyard.tuning.asking_worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment,
        limit=_LONGEST_ANSWER,
        start_new_session=True,
    )
