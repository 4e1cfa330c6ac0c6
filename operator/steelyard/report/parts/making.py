"""Where the model comes from: how it was trained, with which versions, by which manifest."""

import shlex

import yaml

from steelyard.contract.report import NetworkTraining, ProgramReport, TrainingElsewhere
from steelyard.report.blocks import Code, Folded, Section, Text, code, listed
from steelyard.report.told import Told
from steelyard.texts.figures import counted, number

TRAINED_ELSEWHERE = (
    "the model was trained elsewhere; the rows that it learned are unknown to Steelyard: the validation and test rows "
    "must not be among them, else every figure flatters it"
)
"""What is said of a model from elsewhere wherever its figures are."""
TRAINED_BY_PROGRAM = (
    "the model was trained by a program of the user's own, which was given the training, validation and test rows: "
    "what it learned of them is unknown to Steelyard; the test rows must not be among it, else every figure flatters it"
)
"""The same of the model of a program (spec.model.container)."""


def unknown_rows(training: TrainingElsewhere) -> str:
    """Which of the two is said, as a sentence."""
    text = TRAINED_ELSEWHERE if training.program is None else TRAINED_BY_PROGRAM
    return f"{text[0].upper()}{text[1:]}."


def _by_program(program: ProgramReport) -> str:
    """What ran, and what it said."""
    parts = [] if program.command is None else [code(shlex.join(program.command))]
    parts += [] if program.image is None else [f"in the image {code(program.image)}"]
    said = ", ".join(f"{code(name)} {number(value)}" for name, value in program.metrics.items())
    figures = f" Figures that it told of itself, which nobody checked: {said}." if said else ""
    return f"Trained by {' '.join(parts)} on {counted(program.workers, 'worker')}.{figures} "


_CAME_AS = {"SavedModel": "SavedModel's folder"}
"""Where it was no file."""


def making(told: Told) -> Section:
    """The training in a sentence, the versions, and the manifest in full."""
    report = told.report
    training = report.training
    if isinstance(training, NetworkTraining):
        how = (
            f"Trained for {counted(training.epochs, 'epoch')} on {counted(training.workers, 'worker')}; the weights "
            f"are those of epoch {training.best_epoch}."
        )
    elif isinstance(training, TrainingElsewhere):
        what = f"`{training.estimator}`" if training.estimator else counted(training.weights or 0, "weight")
        how = (
            f"{'' if training.program is None else _by_program(training.program)}"
            f"Came as a {_CAME_AS.get(training.format, f'file of {training.format}')} with {what}, SHA-256 "
            f"`{training.digest}`. {unknown_rows(training)} Here it was judged, and "
            "compressed where that is said above: only what was fitted anew (Refit) or taught (Distill) has learned "
            "rows of this job, those of its training set."
        )
    else:
        settings = listed(f"{name}={value!r}" for name, value in training.parameters.items())
        how = f"Fitted as `{training.estimator}` with {settings}."
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    text = f"{how} Versions: {versions}. The manifest and every figure in full are in `steelyard.json`."
    manifest = yaml.safe_dump(report.manifest, sort_keys=False, allow_unicode=True, width=100).rstrip("\n")
    return Section("How it was made", (Text(text), Folded("The manifest", Code(manifest, "yaml"))))
