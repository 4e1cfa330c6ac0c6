"""`steelyard predict`: raw rows in, predictions out. Imports typer, the api and serving; what runs the model
when it runs.
"""

import csv
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.cli.output import OutputFormat, print_json
from steelyard.serving.published import Predictions, PublishedModel
from steelyard.serving.rows import Batch, RowFile

if TYPE_CHECKING:
    from steelyard.serving.preprocessing import Preprocessing


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The folder of a published model.")],
    input_file: Annotated[
        Path,
        typer.Option(
            "--input",
            metavar="FILE",
            help="A CSV file with the columns that the model was trained on, in any order. If the target is among "
            "them, the predictions are compared with it.",
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
) -> None:
    """Predicts with a published model: one line for each row of the input, in its order.

    The column `prediction` holds the label (or the number); for labels, `probability` is that of the prediction and
    `probability_LABEL` that of each. With -o json, medianMicroseconds is the median time of one single-row invoke.
    """
    if output_file is not None and output_file.exists() and input_file.exists() and output_file.samefile(input_file):
        raise ConfigurationError(f"--to {output_file} is the input itself; name another file")
    published = PublishedModel.load(model)
    for note in published.notes:
        _note(note)
    preprocessing = published.preprocessing
    rows = RowFile(input_file)
    _check_columns(rows, preprocessing)
    score = _Score(classes=preprocessing.classes)
    wanted = [*(column.name for column in preprocessing.columns), preprocessing.target]
    kept: list[dict[str, Any]] = []
    first: Batch | None = None
    count = 0
    with _destination(output_file, output) as file:
        writer = csv.writer(file, lineterminator="\n") if file else None
        if writer:
            writer.writerow(_header(preprocessing))
        for batch in rows.batches(wanted):
            first = first or batch
            predictions = published.predict(batch.table, batch.first_row)
            count += batch.rows
            score.add(batch, preprocessing.target, predictions)
            if writer:
                writer.writerows(_lines(preprocessing, predictions))
            else:
                kept.extend(_documents(preprocessing, predictions))
        if first is None:
            raise DataError(f"{input_file.name} has a header but no rows")
    if output is OutputFormat.JSON:
        print_json(
            {
                "rows": count,
                "metric": score.to_json(),
                "medianMicroseconds": round(published.model.median_latency(published.features(first.table)), 3),
                **({"output": str(output_file)} if output_file else {"predictions": kept}),
            }
        )
    elif score.rows:
        note = "" if score.rows == count else f" (the target is missing in {count - score.rows:,} others)"
        _note(f"{score.name} {score.value:.6g} on {score.rows:,} rows{note}")


@dataclass
class _Score:
    """Compares predictions with the target where it is given: accuracy, or the root mean squared error."""

    classes: tuple[str, ...] | None
    rows: int = 0
    _sum: float = field(default=0.0)

    @property
    def name(self) -> str:
        return "rmse" if self.classes is None else "accuracy"

    @property
    def value(self) -> float:
        mean = self._sum / self.rows
        return math.sqrt(mean) if self.classes is None else mean

    def add(self, batch: Batch, target: str, predictions: Predictions) -> None:
        """Counts the rows whose target is given. Raises DataError for one that is no number where it must be."""
        if (cells := batch.table.get(target)) is None:
            return
        for row, (cell, label, outputs) in enumerate(zip(cells, predictions.values, predictions.outputs, strict=True)):
            if cell == "":
                continue
            self.rows += 1
            if self.classes is not None:
                self._sum += cell == label
            else:
                try:
                    self._sum += (float(cell) - float(outputs[0])) ** 2
                except ValueError:
                    raise DataError(
                        f"row {batch.first_row + row}, column {target!r} (the target): {cell!r} is not a number"
                    ) from None

    def to_json(self) -> dict[str, Any] | None:
        """The figure; null where no row has a target."""
        return {"name": self.name, "value": self.value, "rows": self.rows} if self.rows else None


def _check_columns(rows: RowFile, preprocessing: "Preprocessing") -> None:
    """Raises DataError where a feature is missing; notes the columns that are not used."""
    header = rows.header()
    names = [column.name for column in preprocessing.columns]
    if absent := [name for name in names if name not in header]:
        raise DataError(
            f"{rows.path.name} lacks {_listed(absent)}, which the model was trained on; it has {_listed(header)}"
        )
    if unused := [name for name in header if name not in (*names, preprocessing.target)]:
        _note(f"not used: {_listed(unused)}")


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


def _note(message: str) -> None:
    sys.stdout.flush()
    print(message, file=sys.stderr, flush=True)
