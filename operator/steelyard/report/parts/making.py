"""Where the model comes from: how it was trained, with which versions, by which manifest."""

import yaml

from steelyard.contract.report import NetworkTraining
from steelyard.report.blocks import Code, Folded, Section, Text, listed
from steelyard.report.told import Told
from steelyard.texts.figures import counted


def making(told: Told) -> Section:
    """The training in a sentence, the versions, and the manifest in full."""
    report = told.report
    training = report.training
    if isinstance(training, NetworkTraining):
        how = (
            f"Trained for {counted(training.epochs, 'epoch')} on {counted(training.workers, 'worker')}; the weights "
            f"are those of epoch {training.best_epoch}."
        )
    else:
        settings = listed(f"{name}={value!r}" for name, value in training.parameters.items())
        how = f"Fitted as `{training.estimator}` with {settings}."
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    text = f"{how} Versions: {versions}. The manifest and every figure in full are in `steelyard.json`."
    manifest = yaml.safe_dump(report.manifest, sort_keys=False, allow_unicode=True, width=100).rstrip("\n")
    return Section("How it was made", (Text(text), Folded("The manifest", Code(manifest, "yaml"))))
