"""What the model was not tested for."""

from steelyard.contract.report import TrainingElsewhere
from steelyard.report.blocks import Bullets, Section, code
from steelyard.report.parts.making import unknown_rows
from steelyard.report.told import Told


def limits(told: Told) -> Section:
    """What one must not conclude from the figures."""
    dataset = told.report.dataset
    training = told.report.training
    items = [
        *([unknown_rows(training)] if isinstance(training, TrainingElsewhere) else []),
        "The test rows come from the same source as the training rows. Rows from another time, place or population "
        "were not tested.",
        "Fairness towards groups of people, robustness against manipulated rows, and calibration of the outputs were "
        "not tested.",
        _times(told),
    ]
    if any(column.kind == "Category" for column in dataset.columns):
        items.append("A word that the training set did not have counts as none of the known ones.")
    if dataset.classes is not None:
        items.append(
            "It answers with one of the labels above for every row, also for one that belongs to none of them."
        )
    return Section("Limits", (Bullets(tuple(items)),))


def _times(told: Told) -> str:
    machine = next((each.times.machine for each in told.report.choice.candidates if each.times), None)
    if machine is None:
        return "Latency was measured on the machine that trained, one row at a time on one thread."
    return f"Times are those of one thread of {code(machine)}, where it was published; other machines have others."
