"""How well predictions agree with the target, where the rows have it. Imports serving, the contract and the api."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from steelyard.contract.report import PublishedReport
from steelyard.serving.published import Predictions
from steelyard.serving.tally import Found

if TYPE_CHECKING:
    from steelyard.serving.preprocessing import Preprocessing


def trained_on(report: PublishedReport, name: str) -> str:
    """The rows' name, where the table that the model was trained on has the same; else empty.

    Args:
        report: the model's steelyard.json.
        name: of the file with the rows.
    """
    try:
        uri = str(report.manifest["spec"]["dataset"]["uri"])
    except (KeyError, TypeError):
        return ""
    scheme, _, data_set = uri.partition(":")
    names = {f"{data_set}.csv"} if scheme == "sklearn" else {uri.rpartition("/")[2]}
    return name if name in names else ""


@dataclass
class Score:
    """The share of right labels (accuracy), or the root mean squared error (rmse)."""

    preprocessing: "Preprocessing"
    rows: int = 0
    """Rows that were compared."""
    without_target: int = 0
    """Rows whose target is missing."""
    new_labels: Found = field(default_factory=Found)
    """Labels that training has not seen: no prediction can be right there."""
    _sum: float = field(default=0.0)

    @property
    def name(self) -> str:
        """What the figure is called."""
        return "rmse" if self.preprocessing.classes is None else "accuracy"

    @property
    def value(self) -> float:
        """The figure, of at least one row."""
        mean = self._sum / self.rows
        return math.sqrt(mean) if self.preprocessing.classes is None else mean

    def add(self, targets: Sequence[str | float | None], first_row: int, predictions: Predictions) -> None:
        """Counts rows.

        Args:
            targets: as `Preprocessing.target_cells` has them.
            first_row: the number of the first of them.
            predictions: of the same rows.
        """
        self.review(targets, first_row)
        for target, value, outputs in zip(targets, predictions.values, predictions.outputs, strict=True):
            if target is None:
                self.without_target += 1
                continue
            self.rows += 1
            self._sum += value == target if isinstance(target, str) else (target - float(outputs[0])) ** 2

    def review(self, targets: Sequence[str | float | None], first_row: int) -> None:
        """Looks for labels that training has not seen."""
        if (classes := self.preprocessing.classes) is not None:
            known = set(classes)
            for row, target in enumerate(targets, first_row):
                if target is not None and target not in known:
                    self.new_labels.add([row], [str(target)])

    def to_json(self) -> dict[str, Any] | None:
        """The figure; null where no row has a target."""
        if not self.rows:
            return None
        document = {"name": self.name, "value": self.value, "rows": self.rows}
        return document | ({"rowsWithoutTarget": self.without_target} if self.without_target else {})
