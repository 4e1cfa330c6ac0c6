"""What a run or a search started from Python has achieved. Imports the api, cli's tables and the standard library."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from steelyard.cli.outcome import outcome_lines, typed
from steelyard.contract.report import PublishedReport
from steelyard.contract.summaries import ModelSummary
from steelyard.report.names import shown_name
from steelyard.texts.figures import number, with_error


@dataclass(frozen=True, repr=False)
class RunResult:
    """What a run has achieved. A notebook shows it as tables."""

    name: str
    """The job's."""
    model: Path | None
    """The folder of the published model, for `steelyard.load`; None where the manifest publishes none."""
    published: tuple[Path, ...]
    """All folders that the model was published to."""
    metrics: dict[str, float]
    """The published model's figures on the test set, by metric."""
    standard_errors: dict[str, float]
    """Those of the metrics, of those that have one."""
    naive_metrics: dict[str, float]
    """The same figures of a model that always says the commonest label, or the mean."""
    doubts: list[str]
    """What makes the figures doubtful, such as rows that repeat."""
    candidates: list[dict[str, Any]]
    """What was weighed, each as a flat record: name, bytes, latencyMicroseconds, the metrics on the validation set,
    withinBudget and more. `pandas.DataFrame(result.candidates)` is a table of them."""
    chosen: str | None
    """The name of the candidate that was published; `float32` or `skops` is the model as it was trained, the baseline,
    which is called `Baseline` in manifests and JSON."""
    digest: str | None
    """The published model's: `sha256:` and the SHA-256 of its SHA256SUMS."""
    is_new: bool
    """Whether anything was done; False where the job was finished already."""
    seconds: float
    """How long it took."""
    workspace: Path
    """The folder with the prepared data, checkpoints and logs."""
    message: str
    """How it ended, in a sentence."""
    summary: Mapping[str, Any]
    """The result document of the last stage."""

    def __repr__(self) -> str:
        figures = [f"{name} {number(value)}" for name, value in self.metrics.items()]
        figures.append("no model" if self.model is None else typed(self.model))
        return f"<{type(self).__name__} {self.name}: {', '.join(figures)}>"

    def __str__(self) -> str:
        folders = [typed(folder) for folder in self.published]
        return "\n".join([f"The job {self.name} is done.", *outcome_lines(self.summary, folders)])

    def _repr_html_(self) -> str:
        return "\n".join([_heading(f"The job {self.name} is done."), *self._tables()])

    def _tables(self) -> list[str]:
        facts = [*self._found()]
        facts += [("published", typed(folder)) for folder in self.published] or [("published", "nothing")]
        facts += [("digest", self.digest)] if self.digest else []
        facts += [("chosen", self.chosen)] if self.chosen else []
        facts += [("doubtful", doubt) for doubt in self.doubts]
        html = [_table(None, [list(fact) for fact in facts])]
        if self.metrics:
            html.append(_table(["metric", "test set", "standard error", "without features"], self._metric_rows()))
        if len(self.candidates) > 1:
            names = list(dict.fromkeys(name for each in self.candidates for name in each))
            rows = [[_cell(each.get(name)) for name in names] for each in self.candidates]
            html.append(_table(names, rows))
        return html

    def _found(self) -> list[tuple[str, str]]:
        """What a search has found, name by name."""
        return []

    def _metric_rows(self) -> list[list[str]]:
        return [
            [name, *(_cell(each) for each in (value, self.standard_errors.get(name), self.naive_metrics.get(name)))]
            for name, value in self.metrics.items()
        ]


@dataclass(frozen=True, repr=False)
class TuneResult(RunResult):
    """What a search has achieved: its trials, and what came of the best. A notebook shows it as tables."""

    metric: str
    """The objective: what the trials are measured by."""
    best_trial: int | None
    """The number of the best trial; None where none has a value."""
    best_value: float | None
    """Its value of the metric."""
    best_parameters: dict[str, Any]
    """Its values, by path."""
    trials: list[dict[str, Any]]
    """All that have answered, the best first, each as a flat record: trial, state, the metric, epoch, seconds, each
    parameter by its path, reason. `pandas.DataFrame(result.trials)` is a table of them."""

    trials_are_shown: bool = False
    """Whether the notebook has shown them already, while they ran."""

    def __str__(self) -> str:
        folders = [typed(folder) for folder in self.published]
        best = [f"{name:<12}{value}" for name, value in self._found()]
        figures = self.summary.get("metrics", {})
        first = {self.metric: figures[self.metric]} if self.metric in figures else {}
        lines = outcome_lines({**self.summary, "metrics": first | figures}, folders)
        return "\n".join([f"The search {self.name} is done: {self.message}.", *best, *lines])

    def _repr_html_(self) -> str:
        html = [_heading(f"The search {self.name} is done: {self.message}."), *self._tables()]
        if self.trials_are_shown:
            return "\n".join([*html, _heading("all trials: pandas.DataFrame(result.trials)")])
        names = list(
            dict.fromkeys(name for each in self.trials for name, cell in each.items() if cell not in (None, ""))
        )
        rows = [[_cell(each.get(name, "")) for name in names] for each in self.trials[:SHOWN_TRIALS]]
        html.append(_table(names, rows))
        if len(self.trials) > SHOWN_TRIALS:
            html.append(_heading(f"and {len(self.trials) - SHOWN_TRIALS} more"))
        return "\n".join(html)

    def _found(self) -> list[tuple[str, str]]:
        if self.best_trial is None:
            return [("best trial", "none")]
        found = [("best trial", str(self.best_trial))]
        if self.best_value is not None:
            test = self.metrics.get(self.metric)
            on_test = (
                "" if test is None else f", {with_error(test, self.standard_errors.get(self.metric))} on the test set"
            )
            found.append((self.metric, f"{number(self.best_value)} in the search{on_test}"))
        return found + [(path.rpartition(".")[2], str(value)) for path, value in self.best_parameters.items()]

    def _metric_rows(self) -> list[list[str]]:
        return sorted(super()._metric_rows(), key=lambda row: row[0] != self.metric)


SHOWN_TRIALS = 10
"""In a notebook."""


def facts_of(summary: Mapping[str, Any], published: Sequence[Path]) -> dict[str, Any]:
    """The figures, candidates, doubts, chosen and digest, as RunResult has them.

    The summary has room for 4,096 bytes: what is published says all of it.
    """
    report = _report_in(published)
    facts = _facts_of_summary(summary) if report is None else _facts_of_report(report)
    return {**facts, "digest": summary.get("digest")}


def _facts_of_report(report: PublishedReport) -> dict[str, Any]:
    test, choice = report.metrics["test"], report.choice
    return {
        "metrics": {name: figure.value for name, figure in test.items()},
        "standard_errors": {name: figure.standard_error for name, figure in test.items()},
        "naive_metrics": dict(report.naive.test) if report.naive else {},
        "doubts": list(report.doubts),
        "candidates": _candidates([each.to_json() for each in choice.candidates], choice.baseline),
        "chosen": shown_name(choice.chosen, choice.baseline),
    }


def _facts_of_summary(summary: Mapping[str, Any]) -> dict[str, Any]:
    found = ModelSummary.told(summary)
    metrics = found.metrics or {}
    return {
        "metrics": {name: value for name, (value, _) in metrics.items()},
        "standard_errors": {name: error for name, (_, error) in metrics.items() if error is not None},
        "naive_metrics": {found.metric: found.naive.value} if found.naive and found.metric else {},
        "doubts": found.doubts or [],
        "candidates": _candidates([each.to_json() for each in found.candidates or []], found.baseline),
        "chosen": None if found.chosen is None else shown_name(found.chosen, found.baseline),
    }


def _report_in(published: Sequence[Path]) -> PublishedReport | None:
    """What is said of the published model; None where there is none."""
    for folder in published:
        try:
            return PublishedReport.read(folder)
        except (OSError, ValueError):
            continue
    return None


def _candidates(candidates: Sequence[Mapping[str, Any]], baseline: str | None) -> list[dict[str, Any]]:
    return [_flat(each) | {"name": shown_name(each["name"], baseline)} for each in candidates]


def _flat(candidate: Mapping[str, Any]) -> dict[str, Any]:
    """A candidate with its figures on the validation set among the rest."""
    record: dict[str, Any] = {}
    for name, value in candidate.items():
        if name == "validation" and isinstance(value, Mapping):
            record |= {metric: figure.get("value") for metric, figure in value.items()}
        elif not isinstance(value, Mapping | list):
            record[name] = value
    return record


def _heading(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else number(value)


def _table(header: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> str:
    style = ' style="text-align:left"'
    head = "" if header is None else "<tr>" + "".join(f"<th{style}>{escape(name)}</th>" for name in header) + "</tr>"
    body = "".join("<tr>" + "".join(f"<td{style}>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{head}{body}</table>"
