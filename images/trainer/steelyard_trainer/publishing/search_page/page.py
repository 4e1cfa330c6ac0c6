"""The page as a whole. Imports steelyard.api and the page's charts."""

import math
from collections.abc import Sequence
from html import escape

from steelyard.search.best import best_of, front_of
from steelyard.search.log import Entry, SearchDocument
from steelyard_trainer.publishing.search_page.charts import (
    front_chart,
    history_chart,
    importance_chart,
    parallel_chart,
)
from steelyard_trainer.publishing.search_page.importance import FEWEST_ANSWERS, importance_of
from steelyard_trainer.publishing.search_page.scales import figure, value_text

MOST_ROWS = 1000
SECONDARY_LABELS = {"Size": "bytes", "Latency": "microseconds a row"}

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2530; --soft: #5b6775; --paper: #fbfbf9; --rule: #d9dde2; --mark: #2f6fb2;
  --best: #b4510f; --card: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebee; --soft: #9aa5b1; --paper: #14181d; --rule: #333c46;
  --mark: #7fb2e8; --best: #f0a25c; --card: #1b2027; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
  padding: 32px 24px 64px; max-width: 1000px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 40px 0 6px; }
p { margin: 4px 0 12px; color: var(--soft); } p b { color: var(--ink); }
.facts { display: flex; flex-wrap: wrap; gap: 12px; margin: 20px 0; padding: 0; list-style: none; }
.facts li { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 10px 16px; }
.facts b { display: block; font-size: 20px; font-variant-numeric: tabular-nums; }
.facts span { color: var(--soft); font-size: 13px; }
svg { box-sizing: border-box; width: 100%; height: auto; background: var(--card); border: 1px solid var(--rule);
  border-radius: 8px; }
svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }
svg text.label { fill: var(--ink); font-weight: 600; }
svg text.halo { paint-order: stroke; stroke: var(--card); stroke-width: 3px; }
.grid { stroke: var(--rule); } .axis { stroke: var(--soft); }
.best { fill: none; stroke: var(--best); stroke-width: 2; }
.trial { fill: var(--mark); } .pruned { fill: var(--card); stroke: var(--mark); stroke-width: 1.5; }
.front { fill: var(--best); } .dominated { fill: var(--mark); opacity: .5; } .bar { fill: var(--mark); }
.run { fill: none; stroke: color-mix(in srgb, var(--best) calc(var(--share) * 100%), var(--mark));
  stroke-width: calc(.8px + var(--share) * 1.4px); opacity: calc(.25 + var(--share) * .65); }
.run:hover { stroke-width: 4px; opacity: 1; }
.run.chosen { stroke: var(--best); stroke-width: 3px; opacity: 1; }
circle.chosen { fill: none; stroke: var(--best); stroke-width: 2.5; }
@media (max-width: 760px) { body { padding: 20px 14px 40px; } .scroll svg { width: 840px; } }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 5px 12px 5px 0; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th { font-size: 13px; color: var(--soft); font-weight: 600; } td.number { text-align: right; }
tr.chosen td { font-weight: 600; color: var(--best); }
"""


def search_page(document: SearchDocument, chosen: int | None = None) -> str:
    """The page: history, front, parallel coordinates, importance, and a table of all trials.

    Args:
        document: the search and its log, of which at least one entry has a value.
        chosen: the number of the trial that was published.

    Returns:
        HTML that needs nothing else: no script, no font, no address of anybody's.
    """
    spec, entries = document.spec, document.entries
    objective, goal = spec.objective, spec.objective.direction
    answers = [entry for entry in entries if entry.is_answer]
    front = front_of(entries, goal) if objective.secondary else []
    best = next((entry for entry in entries if entry.number == chosen), None) or best_of(entries, goal)
    number = best.number if best else None
    sections = [_heading(document), _facts(document, best, front)]
    if any(entry.value is not None and math.isfinite(entry.value) for entry in entries):
        sections.append(
            _section(
                "History",
                f"Each trial's {objective.name} on {document.measured_on}, by its number; the line is the best so "
                "far. Open marks were pruned: their value is that of the step at which they ended. The test set had "
                "no say.",
                history_chart(entries, objective.name, goal, number),
            )
        )
    if objective.secondary and front:
        form = "trial forms" if len(front) == 1 else "trials form"
        text = f"{len(front)} {form} the front: no other is at least as good in both and better in one."
        chart = front_chart(entries, front, objective.name, SECONDARY_LABELS[objective.secondary], number)
        sections.append(_section(f"{objective.name} against {objective.secondary.lower()}", text, chart))
    if answers:
        chart = parallel_chart(spec.parameters, entries, objective.name, goal, number)
        text = (
            "A line for each finished trial, through its parameters to its value; better ones are stronger, and drawn "
            "over worse ones."
        )
        sections.append(_section("Parallel coordinates", text, chart))
    sections.append(_importance(document, answers))
    sections.append(_section("All trials", "", _table(document, best, front)))
    title = escape(f"Search {document.name}")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{_STYLE}</style>\n</head>\n'
        f"<body>\n{''.join(sections)}</body>\n</html>\n"
    )


def _heading(document: SearchDocument) -> str:
    algorithm, pruning = document.spec.algorithm, document.spec.pruning
    how = f"{algorithm.name}, seed {algorithm.seed}" + (f", pruned by {pruning.name}" if pruning else "")
    objective = document.spec.objective
    goals = f"{objective.direction} {objective.name}" + (
        f", minimize {objective.secondary}" if objective.secondary else ""
    )
    ended = f" {escape(document.ended[0].upper() + document.ended[1:])}." if document.ended else ""
    return f"<h1>{escape(document.name)}</h1>\n<p>{escape(goals)}. {escape(how)}.{ended}</p>\n"


def _facts(document: SearchDocument, best: Entry | None, front: Sequence[Entry]) -> str:
    counts = {state: sum(entry.state == state for entry in document.entries) for state in _STATES}
    facts = [(f"{len(document.entries):,}", "trials")]
    facts += [(f"{count:,}", state.lower()) for state, count in counts.items() if count]
    if best is not None and best.value is not None:
        facts.insert(0, (f"{best.value:.6g}", f"{document.spec.objective.name} of trial {best.number}"))
    if front:
        facts.append((str(len(front)), "on the front"))
    items = "".join(f"<li><b>{escape(value)}</b><span>{escape(what)}</span></li>" for value, what in facts)
    return f'<ul class="facts">{items}</ul>\n'


_STATES = ("Complete", "Pruned", "Failed", "Repeated")


def _importance(document: SearchDocument, answers: Sequence[Entry]) -> str:
    importance = importance_of(document.spec.parameters, answers)
    title = "Importance of the parameters"
    if importance is None:
        text = f"Too few different results to tell: {len(answers)}, and {FEWEST_ANSWERS} are needed."
        return _section(title, text, "")
    text = (
        "Each parameter's share of what a random forest learns of the objective (mean decrease in impurity). Of trials "
        f"that it has not seen the forest explains {max(0.0, importance.explained):.0%} of the variance: "
        + ("a good guide." if importance.explained >= 0.5 else "take it as a hint only.")
    )
    return _section(title, text, importance_chart(importance))


def _table(document: SearchDocument, best: Entry | None, front: Sequence[Entry]) -> str:
    spec = document.spec
    objective = spec.objective
    members = {entry.number for entry in front}
    sign = -1.0 if objective.direction == "Maximize" else 1.0

    def order(entry: Entry) -> tuple[bool, float, int]:
        value = entry.value if entry.value is not None and math.isfinite(entry.value) else 0.0
        return not entry.is_answer, sign * value, entry.number

    head = [
        "trial",
        "state",
        objective.name,
        *([SECONDARY_LABELS[objective.secondary]] if objective.secondary else []),
    ]
    head += [*(parameter.path for parameter in spec.parameters), "s"]
    rows = []
    for entry in sorted(document.entries, key=order)[:MOST_ROWS]:
        state = entry.state + (f": {entry.reason}" if entry.reason else "")
        cells = [f'<td class="number">{entry.number}</td>', f"<td>{escape(state)}</td>"]
        cells.append(f"<td>{'' if entry.value is None else f'{entry.value:.6g}'}</td>")
        if objective.secondary:
            mark = " *" if entry.number in members else ""
            cells.append(f"<td>{'' if entry.secondary is None else figure(entry.secondary)}{mark}</td>")
        for parameter in spec.parameters:
            text = value_text(entry.values[parameter.path]) if parameter.path in entry.values else "-"
            cells.append(f"<td>{escape(text)}</td>")
        cells.append(f'<td class="number">{entry.seconds:.1f}</td>')
        css = ' class="chosen"' if best is not None and entry.number == best.number else ""
        rows.append(f"<tr{css}>{''.join(cells)}</tr>")
    heads = "".join(f"<th>{escape(name)}</th>" for name in head)
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _section(title: str, text: str, content: str) -> str:
    paragraph = f"<p>{escape(text)}</p>\n" if text else ""
    return f"<h2>{escape(title)}</h2>\n{paragraph}{content}\n"
