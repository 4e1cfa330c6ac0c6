"""`steelyard compress`: a model that was trained elsewhere, made small and published with the evidence. It makes a
manifest of its options, and runs that. Imports typer, yaml, stores, local and the api.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from steelyard.api.errors import ConfigurationError, SteelyardError
from steelyard.api.loading import apply_overrides, parse_training_job
from steelyard.cli.init import job_name
from steelyard.cli.output import OutputFormat, SetOption, WorkspaceOption, print_not_begun
from steelyard.cli.run import run_job
from steelyard.contract.package import REPORT_FILE
from steelyard.contract.version import API_VERSION
from steelyard.local.job import LocalJob
from steelyard.stores.foreign_models import foreign_model

_SPLIT = {"test": 0.2, "validation": 0.5}
"""Nothing is trained: most rows are there to prove by; the rest calibrates, and orders the candidates."""


def compress(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="The model, trained elsewhere: a .keras file, a SavedModel's folder, or a skops file.",
        ),
    ],
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="TABLE",
            help="Rows that the model has not learned: a CSV or Parquet file, with the target.",
        ),
    ],
    target: Annotated[str, typer.Option("--target", metavar="COLUMN", help="The column that the model predicts.")],
    max_drop: Annotated[
        float, typer.Option("--max-drop", metavar="NUMBER", help="How much of the metric may be lost, at most.")
    ] = 0.01,
    metric: Annotated[str | None, typer.Option("--metric", help="What decides. Default: accuracy, or rmse.")] = None,
    task: Annotated[
        str | None, typer.Option("--task", help="Classification or Regression. Default: found in the target.")
    ] = None,
    candidates: Annotated[
        str | None,
        typer.Option(
            "--candidates", metavar="NAME,...", help="What is tried. Default: DynamicRange, Float16 and Int8, or Onnx."
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude", metavar="COLUMN", help="A column that the model does not take. Can be given several times."
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", "-o", metavar="FOLDER", help="Where it is published. Default: models/NAME.")
    ] = None,
    overrides: SetOption = None,
    workspace: WorkspaceOption = None,
    force: Annotated[bool, typer.Option("--force", help="Do everything again.")] = False,
    print_manifest: Annotated[
        bool, typer.Option("--print-manifest", help="Print the manifest that this would run, and run nothing.")
    ] = False,
    output: Annotated[
        OutputFormat, typer.Option("--output", help="text is for people, json for scripts.")
    ] = OutputFormat.TEXT,
) -> None:
    """Compresses a model that was trained elsewhere, on rows that it has not learned, and publishes it.

    Its inputs are the table's columns but the target, in their order and as they are.
    Its outputs are the labels in sorted order, or the number.
    It can be interrupted and goes on, as `steelyard run`.
    """
    try:
        found = foreign_model(model, f"the model {model}")
        manifest = _manifest(model, found.format, data, target, max_drop, exclude or [], to)
        spec = manifest["spec"]
        if metric is not None:
            spec["evaluation"] = {"metric": metric}
        if task is not None:
            spec["task"] = task
        if candidates is not None:
            spec["compression"]["candidates"] = [name.strip() for name in candidates.split(",")]
        manifest = apply_overrides(manifest, overrides or [])
        job = parse_training_job(manifest, source="what these options say")
        local = LocalJob.of(job, Path.cwd() / "manifest.yaml", workspace)
        if to is None and not force and not print_manifest:
            _check_not_another_s(found.digest, Path("models") / job.metadata.name)
    except SteelyardError as error:
        print_not_begun(error, output)
        raise
    if print_manifest:
        sys.stdout.write(yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True))
        return
    run_job(local, force=force, output=output)


def _check_not_another_s(digest: str, place: Path) -> None:
    """Raises ConfigurationError where the place that a model's name leads to holds what was made of another one."""
    try:
        training = json.loads((place / REPORT_FILE).read_bytes())["training"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if not isinstance(training, dict) or training.get("digest") != digest:
        raise ConfigurationError(f"{place} holds another model; say where this one goes (--to), or --force")


def _manifest(
    model: Path, found: str, data: str, target: str, max_drop: float, exclude: list[str], to: str | None
) -> dict[str, Any]:
    """The manifest that the options make, of a model in the format that was found."""
    name = job_name(model.resolve().stem)
    dataset: dict[str, Any] = {"uri": data, "target": target, "split": dict(_SPLIT)}
    if exclude:
        dataset["exclude"] = exclude
    return {
        "apiVersion": API_VERSION,
        "kind": "TrainingJob",
        "metadata": {"name": name},
        "spec": {
            "dataset": dataset,
            "trained": {"uri": str(model), "format": found},
            "compression": {"maxMetricDrop": max_drop},
            "publish": [{"uri": to or f"models/{name}"}],
        },
    }
