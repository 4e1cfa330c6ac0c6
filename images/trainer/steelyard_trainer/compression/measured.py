"""A candidate as it was measured: data that passes from the workspace to the choice. Pure; imports the metrics and the
cost.
"""

from dataclasses import asdict, dataclass
from typing import Any

from steelyard_trainer.compression.cost import Cost, Made
from steelyard_trainer.evaluation.metrics import Figure, Figures


@dataclass(frozen=True)
class Measured:
    """A candidate as it was measured on the validation set, by the code that predicts with the published model."""

    name: str
    bytes: int
    """Of the file that is published; 0 where there is none."""
    latency_microseconds: float
    """Median of one row; 0 where it was not measured."""
    figures: Figures | None
    """None where an output was not a finite number."""
    failure: str = ""
    """Why it could not be made; it has no figures then."""
    cost: Cost | None = None
    """What else it costs; None where that was not measured."""

    made: Made | None = None
    """What it took to make it; None where that was not told."""

    @classmethod
    def failed(cls, name: str, failure: str) -> "Measured":
        """A candidate that could not be made."""
        return cls(name, 0, 0.0, None, failure)

    def to_json(self) -> dict[str, Any]:
        """JSON values from which `from_json` makes an equal object."""
        figures = None if self.figures is None else {name: figure.to_json() for name, figure in self.figures.items()}
        cost = {"bytes": self.bytes, "latencyMicroseconds": self.latency_microseconds, "validation": figures}
        if self.failure:
            return {"name": self.name, **dict.fromkeys(cost), "failure": self.failure}
        told = {"cost": self.cost and self.cost.to_json(), "made": self.made and asdict(self.made)}
        return {"name": self.name, **cost, **{name: each for name, each in told.items() if each}}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Measured":
        """Raises KeyError or TypeError where the document is not one of `to_json`."""
        if failure := document.get("failure"):
            return cls.failed(document["name"], failure)
        figures = document["validation"]
        return cls(
            document["name"],
            document["bytes"],
            document["latencyMicroseconds"],
            None if figures is None else {name: Figure.from_json(figure) for name, figure in figures.items()},
            cost=Cost.from_json(document["cost"]) if "cost" in document else None,
            made=Made(**document["made"]) if "made" in document else None,
        )
