"""Which trial belongs to which generation, told from the log alone. Imports the api and the search only."""

from collections import Counter

from steelyard.search.log import Entry
from steelyard.tuning.samplers.base import SuggestRequest, has_value


def generations(request: SuggestRequest, size: int) -> list[list[Entry]]:
    """The generations that are complete when a trial is created, the first one first; the trial belongs to the one
    after them.

    A generation is complete with `size` trials that have a value and were asked when all generations before it, and not
    it itself, were complete. The earliest by number count. A trial that fails is made up for by another one.
    """
    parallel = request.spec.parallel_trials
    of: dict[int, int] = {}
    members: list[list[Entry]] = [[]]
    waiting = [entry for entry in request.known if entry.number >= request.initial]
    arrived = 0
    counts: Counter[int] = Counter()
    current = 0
    for entry in waiting:
        while arrived < len(waiting) and waiting[arrived].number <= entry.number - parallel:
            counts[of.get(waiting[arrived].number, -1)] += 1
            arrived += 1
        while counts[current] >= size:
            current += 1
        generation = current if entry.seen is None else _generation(entry.seen, of, size)
        if not has_value(entry):
            continue
        of[entry.number] = generation
        while len(members) <= generation:
            members.append([])
        if len(members[generation]) < size:
            members[generation].append(entry)
    return [generation for generation in members if len(generation) == size]


def _generation(seen: tuple[int, ...], of: dict[int, int], size: int) -> int:
    """The generation of a trial that was created knowing these results."""
    counts = Counter(of[number] for number in seen if number in of)
    generation = 0
    while counts[generation] >= size:
        generation += 1
    return generation
