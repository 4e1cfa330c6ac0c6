"""`steelyard predict`: raw rows in, predictions out. Imports typer, the api and serving; what runs the model
when it runs.
"""

import csv
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.cli.output import OutputFormat, print_json, print_told
from steelyard.cli.score import Score, trained_on
from steelyard.contract.package import CARD_FILE
from steelyard.contract.report import TrainingElsewhere
from steelyard.serving.batches import Batch, Rows
from steelyard.serving.findings import findings, without_other
from steelyard.serving.published import Predictions, PublishedModel
from steelyard.serving.rows import open_rows
from steelyard.serving.tally import Tally
from steelyard.texts.figures import counted

if TYPE_CHECKING:
    from steelyard.serving.preprocessing import Preprocessing


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The folder of a published model.")],
    input_file: Annotated[
        Path,
        typer.Option(
            "--input",
            metavar="FILE",
            help="A CSV or Parquet file with the columns that the model was trained on, in any order; - is standard "
            "input. If the target is among them, the predictions are compared with it.",
        ),
    ],
    output_file: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="Where the predictions go as CSV. Default: standard output."),
    ] = None,
    output: Annotated[
        OutputFormat,
        typer.Option("--output", "-o", help="text is CSV for people and programs, json one document with figures."),
    ] = OutputFormat.TEXT,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Refuse the input, before the first line is written, if a cell is empty or holds a word that training "
            "has not seen. Without it such cells are filled, or count as unknown, and standard error says how many.",
        ),
    ] = False,
) -> None:
    """Predicts with a published model: one line for each row of the input, in its order.

    `prediction` is the label or the number; `probability` is the prediction's, `probability_LABEL` that of each label.

    With -o json, medianMicroseconds is the median time that predicting one row takes.
    """
    if output_file is not None and output_file.exists() and input_file.exists() and output_file.samefile(input_file):
        raise ConfigurationError(f"--to {output_file} is the input itself; name another file")
    published = PublishedModel.load(model)
    for note in published.notes:
        print_told(note)
    preprocessing = published.preprocessing
    needed = [column.name for column in preprocessing.columns]
    with open_rows(input_file, preprocessing.csv, needed) as rows:
        _check_columns(rows, preprocessing)
        if strict:
            _refuse_what_is_new(rows, published)
        run = _Run(model, published, rows)
        kept: list[dict[str, Any]] = []
        with _destination(output_file, output) as file:
            if file:
                run.write(file)
            else:
                kept.extend(run.documents())
    if output is OutputFormat.JSON:
        print_json(run.to_json() | ({"output": str(output_file)} if output_file else {"predictions": kept}))
    run.tell(to_people=output is OutputFormat.TEXT)


@dataclass
class _Run:
    """One reading of the rows, and what there is to tell of them afterwards."""

    folder: Path
    published: PublishedModel
    rows: Rows
    count: int = 0

    def __post_init__(self) -> None:
        self._preprocessing = self.published.preprocessing
        self._score = Score(self._preprocessing)
        self._tally = Tally()
        self._first: Batch | None = None

    def write(self, file: IO[str]) -> None:
        """Writes a line for each row; the first only when the first rows have passed."""
        writer = csv.writer(file, lineterminator="\n")
        for place, predictions in enumerate(self._predictions()):
            if place == 0:
                writer.writerow(_header(self._preprocessing))
            writer.writerows(_lines(self._preprocessing, predictions))

    def documents(self) -> Iterator[dict[str, Any]]:
        """The predictions as JSON values."""
        for predictions in self._predictions():
            yield from _documents(self._preprocessing, predictions)

    def _predictions(self) -> Iterator[Predictions]:
        for batch in self.rows.batches(_wanted(self._preprocessing)):
            self._first = self._first or batch
            predictions = self.published.predict(batch.table, batch.first_row, self._tally)
            self.count += batch.rows
            if (targets := _targets(self._preprocessing, batch)) is not None:
                self._score.add(targets, batch.first_row, predictions)
            yield predictions
        if self._first is None:
            raise DataError(f"{self.rows.name} has a header but no rows")

    def to_json(self) -> dict[str, Any]:
        """The figures."""
        assert self._first is not None
        features = self.published.features(self._first.table, self._first.first_row)
        return {
            "rows": self.count,
            "metric": self._score.to_json(),
            "columns": _found_in_all(self._tally, self._score, self._preprocessing).to_json(),
            "medianMicroseconds": round(median(self.published.model.latencies(features)), 3),
        }

    def tell(self, *, to_people: bool) -> None:
        """Says what was done to cells and, to people, the score."""
        found = _found_in_all(self._tally, self._score, self._preprocessing)
        for line in findings(found, self._preprocessing, self.count):
            print_told(line)
        score = self._score
        if to_people and score.rows:
            others = counted(score.without_target, "other")
            missing = f" (the target is missing in {others})" if score.without_target else ""
            if source := trained_on(self.published.report, self.rows.name):
                what = "judged" if isinstance(self.published.report.training, TrainingElsewhere) else "trained"
                print_told(
                    f"the figure below is no test: {source} is what the model was {what} on; how good it is on other "
                    f"rows is in {self.folder / CARD_FILE}"
                )
            # The last line, and without separators: scripts read it.
            print_told(f"{score.name} {score.value:.6g} on {score.rows:,} rows{missing}")
        elif to_people and score.without_target:
            print_told(f"not compared with the target {self._preprocessing.target!r}: it is missing in all rows")


def _refuse_what_is_new(rows: Rows, published: PublishedModel) -> None:
    """Reads all rows once, and raises DataError where a cell is missing or holds a word that training has not seen."""
    preprocessing = published.preprocessing
    tally, score, count = Tally(), Score(preprocessing), 0
    for batch in rows.batches(_wanted(preprocessing)):
        published.features(batch.table, batch.first_row, tally)
        if (targets := _targets(preprocessing, batch)) is not None:
            score.review(targets, batch.first_row)
        count += batch.rows
    found = _found_in_all(without_other(tally, preprocessing), score, preprocessing)
    if not found.is_empty:
        lines = findings(found, preprocessing, count)
        raise DataError("\n".join([f"{rows.name} has cells that --strict refuses:", *(f"  {line}" for line in lines)]))


def _wanted(preprocessing: "Preprocessing") -> list[str]:
    return [*(column.name for column in preprocessing.columns), preprocessing.target]


def _targets(preprocessing: "Preprocessing", batch: Batch) -> Sequence[str | float | None] | None:
    """The rows' targets, where they are given."""
    cells = batch.table.get(preprocessing.target)
    return None if cells is None else preprocessing.target_cells(cells, batch.first_row)


def _found_in_all(tally: Tally, score: Score, preprocessing: "Preprocessing") -> Tally:
    """What was found in the features, and in the target."""
    new = {preprocessing.target: score.new_labels} if score.new_labels.count else {}
    return Tally(tally.filled, tally.unknown | new)


def _check_columns(rows: Rows, preprocessing: "Preprocessing") -> None:
    """Raises DataError where a feature is missing; notes the columns that are not used."""
    header = rows.header()
    names = [column.name for column in preprocessing.columns]
    if absent := [name for name in names if name not in header]:
        raise DataError(
            f"{rows.name} lacks {_listed(absent)}, which the model was trained on; it has {_listed(header)}"
        )
    if unused := [name for name in header if name not in (*names, preprocessing.target)]:
        print_told(f"not used: {_listed(unused)}")


@contextmanager
def _destination(output_file: Path | None, output: OutputFormat) -> Iterator[IO[str] | None]:
    """Where the CSV goes: a file that is complete or absent, else standard output; None where it goes into the JSON."""
    if output_file is None:
        yield None if output is OutputFormat.JSON else sys.stdout
    elif output_file.exists() and not output_file.is_file():
        # A pipe or a device: nothing can be put in its place.
        with output_file.open("w", encoding="utf-8", newline="") as file:
            yield file
    else:
        aside = output_file.with_name(f".{output_file.name}.{os.getpid()}")
        try:
            with aside.open("w", encoding="utf-8", newline="") as file:
                yield file
            aside.replace(output_file)
        finally:
            aside.unlink(missing_ok=True)


def _header(preprocessing: "Preprocessing") -> list[str]:
    classes = preprocessing.classes
    return ["prediction"] if classes is None else ["prediction", "probability", *(f"probability_{c}" for c in classes)]


def _lines(preprocessing: "Preprocessing", predictions: Predictions) -> Iterator[list[str]]:
    """The cells of each row; numbers with as many digits as they need to be read back the same."""
    for value, outputs in zip(predictions.values, predictions.outputs, strict=True):
        if preprocessing.classes is None:
            yield [str(outputs[0])]
        else:
            yield [str(value), str(outputs.max()), *(str(output) for output in outputs)]


def _documents(preprocessing: "Preprocessing", predictions: Predictions) -> Iterator[dict[str, Any]]:
    for value, outputs in zip(predictions.values, predictions.outputs, strict=True):
        if preprocessing.classes is None:
            yield {"prediction": value}
        else:
            probabilities = dict(zip(preprocessing.classes, outputs.tolist(), strict=True))
            yield {"prediction": value, "probability": float(outputs.max()), "probabilities": probabilities}


def _listed(names: list[str], limit: int = 20) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ("the column " if len(names) == 1 else "the columns ") + ", ".join(map(repr, names[:limit])) + more
