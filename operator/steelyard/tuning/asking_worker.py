"""`python -m steelyard.tuning.asking_worker`: runs the samplers of searches, in a process of its own, for as long as it
is asked to. Imports the search, the api and what samplers import.

A request is a line of JSON on standard input, an answer one on standard output. `asking_process` is the other side.
"""

import json
import os
import sys
import traceback
from dataclasses import dataclass, field
from typing import Any

from steelyard.api.tuning_job import TuningJobSpec
from steelyard.search.log import Entry, Values
from steelyard.tuning.asking import Asker


@dataclass
class _Search:
    asker: Asker
    prior: list[Entry]
    entries: list[Entry] = field(default_factory=list)
    """Every entry that was told, in this order."""


class Worker:
    """Keeps what it was told of each search, until it is told to forget it."""

    def __init__(self) -> None:
        self._searches: dict[str, _Search] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The values, under "values"; or what went wrong, under "error"."""
        try:
            return {"values": self._ask(request)}
        except Exception as error:  # noqa: BLE001 - whatever it is, the other searches go on
            traceback.print_exc()
            return {"error": f"{type(error).__name__}: {error}"}

    def _ask(self, request: dict[str, Any]) -> Values | None:
        for uid in request["forget"]:
            self._searches.pop(uid, None)
        if "spec" in request:
            spec = TuningJobSpec.model_validate_json(request["spec"])
            prior = [_plain_entry(fields) for fields in request["prior"]]
            self._searches[request["uid"]] = _Search(Asker(spec), prior)
        search = self._searches[request["uid"]]
        parameters = search.asker.spec.parameters
        search.entries += [Entry.decode(line, parameters) for line in request["new"]]
        known = [search.entries[place] for place in request["known"]]
        return search.asker.ask(request["number"], known, request["pending"], search.prior)


def _plain_entry(fields: dict[str, Any]) -> Entry:
    return Entry(**{**fields, "steps": tuple((step, value) for step, value in fields["steps"])})


def main() -> None:
    """Answers until standard input ends. What libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = Worker()
    for line in sys.stdin:
        answers.write(json.dumps(worker.answer(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
