"""Runs a conformance case on this machine, and compares two outcomes of it. Imports the api and the table of cases."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from conformance_cases import CLAIM_FILES, MODELS_CLAIM, Case, Outcome
from local_results import keep, recall

from steelyard.api.status import ModelStatus
from steelyard.api.training_job import TrainingJob
from steelyard.contract.package import LITERT_FILE, REPORT_FILE

GENEROUS_SECONDS = 300

VARYING = (
    *("latencyMicroseconds", "times", "seconds", "memoryBytes", "compressedBytes", "why", "digest", "versions"),
    "template",
)
"""How fast the machine was and what its allocator took, what gzip makes of the last bits of weights, what is told of
it, the digest of a folder that says so, what a user's own image holds; and of the manifest what only concerns pods,
which their stages do not read."""


def run_locally(case: Case, folder: Path) -> tuple[Outcome, int]:
    """Runs a case in a folder, which stands for a namespace with its claims; the outcome and the exit code."""
    claims = folder / "volumes"
    for claim, files in CLAIM_FILES.items():
        for name, text in files.items():
            path = claims / claim / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    manifest = folder / "training-job.yaml"
    manifest.write_text(json.dumps(case.manifest))
    named = [claim for claim in CLAIM_FILES if f"pvc://{claim}/" in manifest.read_text()]
    options = [part for claim in named for part in ("--claim", f"{claim}={claims / claim}")]
    # As many threads of each worker as on a cluster.
    cpus = sorted(os.sched_getaffinity(0))[: case.spec["training"].get("workers", 1)] if case.is_same_file else None
    done = subprocess.run(
        [sys.executable, "-m", "steelyard.cli.main", "run", str(manifest), *options, "-o", "json"],
        capture_output=True,
        text=True,
        timeout=GENEROUS_SECONDS,
        check=False,
        preexec_fn=(lambda: os.sched_setaffinity(0, cpus)) if cpus else None,
    )
    ended = json.loads(done.stdout.splitlines()[-1])
    state_file = folder / ".steelyard" / case.name / "state.json"
    if state_file.exists():
        conditions = conditions_of(json.loads(state_file.read_bytes())["conditions"])
    else:
        conditions = {"Failed": ("True", ended["reason"])}
    model = claims / MODELS_CLAIM / case.name
    published = model / REPORT_FILE
    outcome = Outcome(
        conditions,
        ended["message"].replace(f"{claims}/", "pvc://"),
        _model_of(json.loads(json.dumps(ended["summary"]).replace(f"{claims}/", "pvc://"))),
        json.loads(published.read_bytes()) if published.exists() else None,
        digest_of_model(model),
        has_begun=state_file.exists(),
    )
    return outcome, done.returncode


def keep_outcome(case: Case, outcome: Outcome, kept: pytest.Cache) -> None:
    """Keeps what a local run of a case came to, for the tests that compare a cluster's with it."""
    keep(case.name, [case.manifest, CLAIM_FILES], asdict(outcome), kept)


def recall_outcome(case: Case, kept: pytest.Cache) -> Outcome | None:
    """What a local run of this very program and case came to; None where there was none."""
    document = recall(case.name, [case.manifest, CLAIM_FILES], kept)
    if document is None:
        return None
    conditions = {name: tuple(condition) for name, condition in document["conditions"].items()}
    return Outcome(**{**document, "conditions": conditions})


def conditions_of(conditions: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Status and reason by type, without Waiting, which is what jobs on a cluster do."""
    return {each["type"]: (each["status"], each["reason"]) for each in conditions if each["type"] != "Waiting"}


def _model_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The summary of a job's last stage as the model in a status; empty where there is none."""
    if not summary:
        return {}
    fields = {name: summary[name] for name in _MODEL_FIELDS if summary.get(name) is not None}
    metrics = {name: {"value": value, "standardError": error} for name, (value, error) in summary["metrics"].items()}
    return ModelStatus.model_validate({**fields, "metrics": metrics}).model_dump(by_alias=True, exclude_none=True)


_MODEL_FIELDS = [field.alias or name for name, field in ModelStatus.model_fields.items()]


def digest_of_model(folder: Path) -> str | None:
    """SHA-256 (hex) of the file of a published network that the runtime loads; None where there is none."""
    file = folder / LITERT_FILE
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else None


def assert_equal_outcomes(case: Case, one: Outcome, other: Outcome) -> None:
    """Raises AssertionError where two runs of a case differ in more than the time that something took."""
    if case.is_same_file:
        assert one.model_digest == other.model_digest is not None
    assert one.conditions == other.conditions
    _assert_equal(one.model, other.model, "status.model")
    _assert_equal(_comparable(one.report), _comparable(other.report), REPORT_FILE)


def _assert_equal(one: Any, other: Any, place: str) -> None:
    """Raises AssertionError where two JSON values differ, numbers by more than 1e-6."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        assert one.keys() == other.keys(), place
        for key in one.keys() - set(VARYING):
            _assert_equal(one[key], other[key], f"{place}.{key}")
    elif isinstance(one, list) and isinstance(other, list):
        assert len(one) == len(other), place
        for index, pair in enumerate(zip(one, other, strict=True)):
            _assert_equal(*pair, f"{place}[{index}]")
    elif isinstance(one, float) or isinstance(other, float):
        assert one == pytest.approx(other, abs=1e-6), place
    else:
        assert one == other, place


def _comparable(report: Mapping[str, Any] | None) -> Any:
    """A report with all of its manifest's defaults, as an API server fills them in."""
    if report is None:
        return None
    job = TrainingJob.model_validate(report["manifest"])
    return {**report, "manifest": job.model_dump(mode="json", by_alias=True)}
