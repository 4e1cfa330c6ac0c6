"""What a search found out, as sections, and as the page `search.html`.

Pure; imports the api, the search, and the report's blocks and charts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.api.tuning_job import TuningJobSpec
from steelyard.report.blocks import Figure, Report, Section, Table, Text
from steelyard.report.html import page
from steelyard.report.scales import figure, value_text
from steelyard.report.search_charts import (
    SECONDARY_LABELS,
    Importance,
    front_chart,
    history_chart,
    importance_chart,
    parallel_chart,
)
from steelyard.search.best import best_of, front_of
from steelyard.search.log import Entry, SearchDocument

MOST_ROWS = 1000
FEWEST_ANSWERS = 8
"""With fewer answers the importance of parameters would tell noise from noise."""
_STATES = ("Complete", "Pruned", "Failed", "Repeated")


@dataclass(frozen=True)
class Found:
    """A search with what was made of its answers."""

    document: SearchDocument
    importance: Importance | None
    """None where there are too few answers, or all are the same."""
    chosen: int | None = None
    """The number of the trial that was published; None: the best one's."""
    judged_in: str = ""
    """The file that tells the importance, where that was not asked for here."""

    @property
    def entries(self) -> Sequence[Entry]:
        """All trials."""
        return self.document.entries

    @property
    def answers(self) -> list[Entry]:
        """The trials that say how good their values are."""
        return [entry for entry in self.entries if entry.is_answer]

    @property
    def best(self) -> Entry | None:
        """What was published."""
        named = next((entry for entry in self.entries if entry.number == self.chosen), None)
        return named or best_of(self.entries, self.document.spec.objective.direction)

    @property
    def front(self) -> list[Entry]:
        """The best by both objectives; empty where there is one only."""
        objective = self.document.spec.objective
        return front_of(self.entries, objective.direction) if objective.secondary else []


def search_page(found: Found) -> str:
    """The page: history, front, parallel coordinates, importance, and a table of all trials. HTML that needs nothing
    else."""
    name = found.document.name
    sections = [*search_sections(found), Section("All trials", (_all_trials(found),))]
    return page(f"Search {name}", Report(name, _lead(found.document), tuple(_figures(found)), tuple(sections)))


def search_sections(found: Found) -> list[Section]:
    """What the charts show."""
    spec, entries = found.document.spec, found.entries
    objective, goal = spec.objective, spec.objective.direction
    best, front, answers = found.best, found.front, found.answers
    number = best.number if best else None
    sections = []
    if any(entry.value is not None and math.isfinite(entry.value) for entry in entries):
        text = (
            f"Each trial's {objective.name} on {found.document.measured_on}, by its number; the line is the best so "
            "far. Open marks were pruned: their value is that of the step at which they ended. The test set had no "
            "say."
        )
        sections.append(Section("History", (Text(text), history_chart(entries, objective.name, goal, number))))
    if objective.secondary and front:
        form = "trial forms" if len(front) == 1 else "trials form"
        text = f"{len(front)} {form} the front: no other is at least as good in both and better in one."
        chart = front_chart(entries, front, objective.name, SECONDARY_LABELS[objective.secondary], number)
        sections.append(Section(f"{objective.name} against {objective.secondary.lower()}", (Text(text), chart)))
    if answers:
        text = (
            "A line for each finished trial, through its parameters to its value; better ones are stronger, and drawn "
            "over worse ones."
        )
        parallel = parallel_chart(spec.parameters, entries, objective.name, goal, number)
        sections.append(Section("Parallel coordinates", (Text(text), parallel)))
    return [*sections, _importance(found)]


def _importance(found: Found) -> Section:
    title, importance = "Importance of the parameters", found.importance
    if found.judged_in:
        return Section(
            title, (Text(f"It is in `{found.judged_in}`: it takes a random forest, which is not grown again here."),)
        )
    if importance is None:
        text = f"Too few different results to tell: {len(found.answers)}, and {FEWEST_ANSWERS} are needed."
        return Section(title, (Text(text),))
    text = (
        "Each parameter's share of what a random forest learns of the objective (mean decrease in impurity). Of trials "
        f"that it has not seen the forest explains {max(0.0, importance.explained):.0%} of the variance: "
        + ("a good guide." if importance.explained >= 0.5 else "take it as a hint only.")
    )
    return Section(title, (Text(text), importance_chart(importance)))


def _lead(document: SearchDocument) -> str:
    algorithm, pruning = document.spec.algorithm, document.spec.pruning
    how = f"{algorithm.name}, seed {algorithm.seed}" + (f", pruned by {pruning.name}" if pruning else "")
    objective = document.spec.objective
    goals = f"{objective.direction} {objective.name}" + (
        f", minimize {objective.secondary}" if objective.secondary else ""
    )
    ended = f" Ended: {document.ended}." if document.ended else ""
    return f"{goals}. {how}.{ended}"


def _figures(found: Found) -> list[Figure]:
    counts = {state: sum(entry.state == state for entry in found.entries) for state in _STATES}
    facts = [Figure(f"{len(found.entries):,}", "trials")]
    facts += [Figure(f"{count:,}", state.lower()) for state, count in counts.items() if count]
    best, front = found.best, found.front
    if best is not None and best.value is not None:
        facts.insert(0, Figure(f"{best.value:.6g}", f"{found.document.spec.objective.name} of trial {best.number}"))
    return [*facts, Figure(str(len(front)), "on the front")] if front else facts


def _all_trials(found: Found) -> Table:
    spec = found.document.spec
    objective = spec.objective
    sign = -1.0 if objective.direction == "Maximize" else 1.0

    def order(entry: Entry) -> tuple[bool, float, int]:
        value = entry.value if entry.value is not None and math.isfinite(entry.value) else 0.0
        return not entry.is_answer, sign * value, entry.number

    shown = sorted(found.entries, key=order)[:MOST_ROWS]
    header = ["trial", "state", objective.name]
    header += [SECONDARY_LABELS[objective.secondary]] if objective.secondary else []
    header += [*(parameter.path for parameter in spec.parameters), "s"]
    best, members = found.best, {entry.number for entry in found.front}
    return Table(
        header=tuple(header),
        rows=tuple(tuple(_cells(spec, entry, members)) for entry in shown),
        numbers=frozenset({0, len(header) - 1}),
        chosen=next((index for index, entry in enumerate(shown) if best and entry.number == best.number), None),
    )


def _cells(spec: TuningJobSpec, entry: Entry, front: set[int]) -> list[str]:
    cells = [str(entry.number), entry.state + (f": {entry.reason}" if entry.reason else "")]
    cells.append("" if entry.value is None else f"{entry.value:.6g}")
    if spec.objective.secondary:
        mark = " *" if entry.number in front else ""
        cells.append(("" if entry.secondary is None else figure(entry.secondary)) + mark)
    paths = [parameter.path for parameter in spec.parameters]
    cells += [value_text(entry.values[path]) if path in entry.values else "-" for path in paths]
    return [*cells, f"{entry.seconds:.1f}"]
