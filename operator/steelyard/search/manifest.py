"""From a manifest to a TuningJob that can be run, or to a job of either kind. Imports the api and the search only."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from steelyard.api.errors import ManifestError, Problem
from steelyard.api.loading import apply_overrides, parse_as, parse_training_job, read_manifest
from steelyard.api.training_job import TrainingJob
from steelyard.api.tuning_job import TuningJob
from steelyard.search.validation import search_problems
from steelyard.texts.instead import advice


def load_manifest(path: Path, overrides: Sequence[str] = ()) -> TrainingJob | TuningJob:
    """Reads a manifest of either kind; otherwise as `load_training_job`."""
    return parse_manifest(apply_overrides(read_manifest(path), overrides), source=str(path))


def parse_tuning_job(manifest: dict[str, Any], *, source: str = "the manifest") -> TuningJob:
    """Validates a manifest of a TuningJob, and the search that it describes.

    Args:
        manifest: JSON values.
        source: what to call it in an error, such as its file name.

    Raises:
        ManifestError: with every mistake that could be found at once.
    """
    job = parse_as(TuningJob, manifest, source)
    if problems := search_problems(job.spec):
        instead = advice(manifest, [problem.path for problem in problems])
        raise ManifestError(problems, source=source, advice=instead)
    return job


def parse_manifest(manifest: dict[str, Any], *, source: str = "the manifest") -> TrainingJob | TuningJob:
    """Validates a manifest of either kind; otherwise as `parse_training_job`."""
    match manifest.get("kind"):
        case "TrainingJob":
            return parse_training_job(manifest, source=source)
        case "TuningJob":
            return parse_tuning_job(manifest, source=source)
        case None:
            problem = "this field is needed, but it is missing"
        case other:
            problem = f"{other if isinstance(other, str) else repr(other):.60} is not known"
    mistake = Problem("kind", f"{problem}; allowed: TrainingJob, TuningJob")
    raise ManifestError([mistake], source=source, advice=advice(manifest, ["kind"]))
