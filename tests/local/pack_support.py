"""Packs as a runner runs them, and trials for them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from steelyard.contract.stages import Env, Result
from steelyard.contract.trial_report import TrialReport

GENEROUS_SECONDS = 240


def trial_on(prepared: Path, number: int, model: dict[str, Any], folds: int | None = 5, **asked: Any) -> dict[str, Any]:
    """The manifest of a trial on prepared data; other fields go into spec.trial."""
    metric = asked.pop("metric", "accuracy")
    return {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": f"search-{number}"},
        "spec": {
            "dataset": {"uri": str(prepared), "format": "Prepared", "target": "target"},
            "model": model,
            "training": {"seed": 42},
            "publish": [],
            "evaluation": {"crossValidation": {"folds": folds}} if folds else {},
            "trial": {"tuningJob": "search", "number": number, "metric": metric, "goal": "Maximize", **asked},
        },
    }


class Pack:
    """A pack in a folder of its own, run as a runner does: `python -m steelyard_trainer pack`."""

    def __init__(
        self,
        folder: Path,
        trials: Sequence[dict[str, Any]],
        processes: int = 2,
        workspaces: Mapping[int, Path] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.log = folder / "log"
        document: dict[str, Any] = {"trials": trials}
        if workspaces is not None:
            document["workspaces"] = {str(number): str(workspace) for number, workspace in workspaces.items()}
        (folder / "pack.json").write_text(json.dumps(document))
        self.environment = {
            **os.environ,
            Env.PACK_FILE: str(folder / "pack.json"),
            Env.PACK_PROCESSES: str(processes),
            Env.WORKSPACE: str(folder),
            Env.BASE_DIR: str(folder),
            Env.STAGE_KEY: "key",
            Env.RESULT_FILE: str(folder / "result.json"),
            Env.PARENT_PID: str(os.getpid()),
            Env.THREADS: "1",
        }

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "steelyard_trainer", "pack"],
                env={str(name): value for name, value in self.environment.items()},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def run(self) -> int:
        """Runs it to its end; returns the exit code."""
        process = self.start()
        try:
            return process.wait(GENEROUS_SECONDS)
        finally:
            process.kill()

    def events(self) -> list[dict[str, Any]]:
        """What it has printed."""
        lines = self.log.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    def reports(self) -> dict[int, TrialReport]:
        """By number, as they were printed."""
        reports = [TrialReport.from_json(line["trial"]) for line in self.events() if line["event"] == "trial"]
        assert len({report.number for report in reports}) == len(reports), "a trial was told twice"
        return {report.number: report for report in reports}

    def result(self) -> Result:
        return Result.from_json(json.loads((self.folder / "result.json").read_text()))

    def finished(self) -> list[int]:
        return sorted(int(path.stem) for path in self.folder.glob("packs/key/*.json"))
