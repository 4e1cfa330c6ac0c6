"""helm install, kubectl apply -f examples/digits/, and a published model: the main job, as a user does it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from local_results import recall
from training_jobs import condition, is_over
from under_way import KindTest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "digits"


def steelyard(*arguments: str, **environment: str) -> str:
    """The command's output. Raises AssertionError with what it said where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "steelyard.cli.main", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"steelyard {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def local_metrics(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> dict[str, Any]:
    """The metrics of the same manifest on this machine: as tests/statistics has seen them, or found out now."""
    seen = recall("digits-example", (EXAMPLE / "training-job.yaml").read_text(), request.config.cache)
    if seen is not None:
        return dict(seen)
    folder = tmp_path_factory.mktemp("local")
    manifest = shutil.copy(EXAMPLE / "training-job.yaml", folder)
    steelyard("run", str(manifest))
    report = json.loads((folder / "claims" / "models" / "digits" / "steelyard.json").read_text())
    metrics: dict[str, Any] = report["metrics"]["test"]
    return metrics


def test_one_apply_gives_a_published_model(kind_test: KindTest, local_metrics: dict[str, Any], tmp_path: Path) -> None:
    namespace = kind_test.namespace
    job = namespace.wait_for("trainingjob", "digits", is_over, seconds=900)
    assert condition(job, "Complete").get("status") == "True", job["status"]
    model = job["status"]["model"]
    print(json.dumps(job["status"], indent=2))
    print(namespace("get", "tj"))
    for name, metric in model["metrics"].items():
        assert metric["value"] == pytest.approx(local_metrics[name]["value"], abs=1e-6), name
    assert model["published"] == ["pvc://models/digits"]
    steelyard(
        "fetch",
        "digits",
        str(tmp_path / "model"),
        f"--namespace={namespace.namespace}",
        KUBECONFIG=str(namespace.kubeconfig),
    )
    steelyard("verify", str(tmp_path / "model"), f"--digest={model['digest']}")
