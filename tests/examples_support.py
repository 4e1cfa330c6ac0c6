"""Runs the shipped examples as their users do."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from repository_support import ROOT

from steelyard.contract.package import REPORT_FILE

EXAMPLES = ROOT / "examples"
GENEROUS_SECONDS = 400


def steelyard(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "steelyard.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=GENEROUS_SECONDS,
        check=False,
    )


def run_example(name: str, folder: Path, *settings: str) -> dict[str, Any]:
    """Runs an example with a workspace and a model of its own; returns the model's report."""
    overrides = [part for setting in settings for part in ("--set", setting)]
    places = ["--workspace", folder / "workspace"]
    if name == "digits":
        # As it is: to the folder `digits` on its claim.
        (folder / "model").mkdir()
        places += ["--claim", f"models={folder / 'model'}"]
    else:
        places += ["--set", f"publish={json.dumps([{'uri': str(folder / 'model' / name)}])}"]
    model = folder / "model" / name
    done = steelyard("run", EXAMPLES / name / "training-job.yaml", *places, *overrides)
    assert done.returncode == 0, done.stderr
    verified = steelyard("verify", model)
    assert verified.returncode == 0, verified.stderr
    report: dict[str, Any] = json.loads((model / REPORT_FILE).read_bytes())
    return report
