"""Training programs of the user's own, for real: run by `steelyard run`, killed, and what they left published."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import steelyard
from steelyard.contract.report import PublishedReport, TrainingElsewhere

# Worker 1 is lost once; worker 0, whose program waits for it, goes on from its checkpoint.
PROGRAM = """
import json, os, pathlib, signal, time
import helper
rank, folder = int(os.environ["RANK"]), pathlib.Path(os.environ["STEELYARD_CHECKPOINT_DIR"])
assert json.loads(os.environ["TF_CONFIG"])["task"]["index"] == rank and os.environ["WORLD_SIZE"] == "2"
begun = folder / f"begun-{rank}"
had_begun = begun.exists()
begun.touch()
if rank == 1:
    if not had_begun:
        while not (folder / "checkpoint").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)
    (folder / "alive").touch()
    time.sleep(600)
resumed = (folder / "checkpoint").exists()
(folder / "checkpoint").touch()
while not (folder / "alive").exists():
    time.sleep(0.05)
print(json.dumps({"event": "progress", "stage": "train", "done": 1, "total": 1, "unit": "fits", "values": {}}))
data = pathlib.Path(os.environ["STEELYARD_DATA_DIR"])
pathlib.Path(os.environ["STEELYARD_METRICS_FILE"]).write_text(json.dumps({"resumed": int(resumed), "leaves": 5}))
helper.fit(data, pathlib.Path(os.environ["STEELYARD_MODEL_DIR"]) / "model.skops")
"""
HELPER = """
import json, os
import pyarrow.parquet, skops.io
from sklearn.linear_model import Ridge
def fit(data, file):
    described = json.loads((data / "dataset.json").read_text())
    table = pyarrow.parquet.read_table(data / described["shards"]["train"][0]["file"])
    rows = list(zip(*(table[column["name"]].to_pylist() for column in described["columns"])))
    model = Ridge(alpha=float(os.environ["ALPHA"])).fit(rows, table[described["target"]].to_pylist())
    skops.io.dump(model, file)
"""


def run(
    folder: Path, command: str = "run", path: str = "/usr/bin:/bin", **spec: Any
) -> "subprocess.CompletedProcess[str]":
    """Runs the job of a folder, to its end, with programs in `path`; `spec` replaces parts of its spec."""
    container: dict[str, Any] = {
        "image": "example.com/trainer:1",
        "command": ["python", "train.py"],
        "env": {"ALPHA": "0.5"},
        "model": {"format": "Skops"},
        **spec.pop("container", {}),
    }
    parts = {
        "dataset": {"uri": "table.csv", "target": "y"},
        "model": {"container": {name: value for name, value in container.items() if value is not None}},
        "training": {"workers": 2},
        **spec,
    }
    job = {"apiVersion": "steelyard.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": "own"}, "spec": parts}
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    return subprocess.run(
        [sys.executable, "-m", "steelyard.cli.main", command, "job.yaml"],
        cwd=folder,
        # No docker is to answer.
        env={
            **os.environ,
            "PATH": path,
            "DOCKER_HOST": "unix:///nowhere",
            "CONTAINER_HOST": "unix:///nowhere",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the table, and the program with a module beside it."""
    folder = tmp_path_factory.mktemp("own")
    rows = "\n".join(f"{n % 7},{n % 5},{3 * (n % 7) - 2 * (n % 5) + 1}" for n in range(200))
    (folder / "table.csv").write_text(f"a,b,y\n{rows}\n")
    (folder / "train.py").write_text(PROGRAM)
    (folder / "helper.py").write_text(HELPER)
    return folder


def test_a_lost_worker_s_program_goes_on_in_place_and_its_model_is_published(folder: Path) -> None:
    done = run(folder, task="Regression")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the image example.com/trainer:1 is not used: python runs on this machine" in done.stdout
    assert "SIGKILL; starts again from the last checkpoint" in done.stdout and "train: 1/1 fits" in done.stdout
    report = PublishedReport.parse(json.loads((folder / "models/own/steelyard.json").read_text()))
    assert isinstance(report.training, TrainingElsewhere) and report.training.program is not None
    program = report.training.program
    assert (program.image, program.workers, program.metrics) == (None, 2, {"resumed": 1.0, "leaves": 5.0})
    assert report.metrics["test"]["r2"].value > 0.99
    assert list(steelyard.load(folder / "models/own").predict({"a": [3.0], "b": [1.0]})) == pytest.approx([8], abs=0.1)
    card = (folder / "models/own/README.md").read_text()
    assert (
        "train.py` on 2 workers. Figures that it told of itself, which nobody checked: `resumed` 1, `leaves` 5" in card
    )
    assert "what it learned of them is unknown to Steelyard" in card
    assert "is finished already" in run(folder, task="Regression").stdout


@pytest.mark.parametrize(
    ("program", "spec", "code", "message"),
    [
        ("", {}, 78, "spec.model.container.model: the program ended with exit code 0, but left no model.skops"),
        ("import sys; sys.exit(65)", {}, 65, "the program python was ended with exit code 65"),
        (
            "import os, pathlib\n"
            "(pathlib.Path(os.environ['STEELYARD_MODEL_DIR']) / 'model.skops').write_bytes(b'x' * 99)",
            {},
            65,
            "spec.model.container.model: model.skops is no model in a known format",
        ),
        ("", {"container": {"command": ["no-such"]}}, 78, "there is no program 'no-such' on this machine"),
        ("", {"container": {"command": None}}, 78, "neither docker nor podman is at work on this machine"),
    ],
)
def test_how_it_goes_wrong_is_told(folder: Path, program: str, spec: dict[str, Any], code: int, message: str) -> None:
    (folder / "train.py").write_text(program)
    if spec:
        alone = {"container": {**spec["container"], "image": None}} if spec["container"]["command"] else None
        assert alone is None or message in run(folder, "validate", task="Regression", **alone).stderr
        assert "note: " in run(folder, "validate", task="Regression", **spec).stdout
    done = run(folder, task="Regression", training={}, **spec)
    assert done.returncode == code and message in done.stderr, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


# Of a container that an engine was told to run and remove.
DOCKER = """#!/bin/sh
echo "$@" >> {told}
[ "$1" != run ] || exit 65
"""


def test_no_container_outlives_its_run(folder: Path) -> None:
    told, engine = folder / "told", folder / "bin" / "docker"
    engine.parent.mkdir()
    engine.write_text(DOCKER.format(told=told))
    engine.chmod(0o755)
    done = run(
        folder, path=f"{engine.parent}:/usr/bin:/bin", task="Regression", training={}, container={"command": None}
    )
    assert done.returncode == 65, done.stdout + done.stderr
    said = [line.split() for line in told.read_text().splitlines() if not line.startswith("info")]
    # Before it begins one of an earlier run; and the supervisor's, and the runner's, which outlives that.
    assert [words[0] for words in said] == ["rm", "run", "rm", "rm"]
    name = said[1][2]
    assert name.startswith("steelyard-") and said[0] == said[2] == said[3] == ["rm", "--force", name]


def test_another_script_is_trained_again(folder: Path) -> None:
    (folder / "train.py").write_text("pass")
    planned = run(folder, "plan", task="Regression").stdout
    assert "train: runs, changed: " in planned and "program.files" in planned
    assert "note       the image example.com/trainer:1 is not used" in planned and "python train.py" in planned
