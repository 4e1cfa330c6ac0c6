"""`steelyard run` as a user runs it: real stages, real TensorFlow, two workers."""

import csv
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from process_support import processes_under, wait_for_none_under

COMMAND = [sys.executable, "-m", "steelyard.cli.main"]
GENEROUS_SECONDS = 300
NOBODY = 65534


def write_job(folder: Path, **spec: Any) -> Path:
    """A manifest for the digits that scikit-learn ships."""
    manifest = {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "digits"},
        "spec": {
            "dataset": {"uri": "sklearn:digits", "target": "target"},
            "model": {"mlp": {"hiddenUnits": [32]}},
            "training": {"workers": 2, "epochs": 2, "optimizer": {"learningRate": 0.01}},
            "compression": {"candidates": ["DynamicRange"], "maxMetricDrop": 0.5},
            **spec,
        },
    }
    path = folder / "digits.yaml"
    path.write_text(json.dumps(manifest))
    return path


def steelyard(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Runs the command to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=GENEROUS_SECONDS, check=False
    )


def start(*arguments: str | Path) -> "subprocess.Popen[str]":
    """Starts the command with events as JSON lines."""
    return subprocess.Popen(
        [*COMMAND, "run", *map(str, arguments), "-o", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def events_of(run: "subprocess.Popen[str]") -> Iterator[dict[str, Any]]:
    """The events as they come; every line must be one."""
    assert run.stdout is not None
    for line in run.stdout:
        yield json.loads(line)


def signal_at(run: "subprocess.Popen[str]", number: int, kind: str, stage: str) -> list[dict[str, Any]]:
    """Waits for an event and sends a signal to the command alone, as `kill` does; returns the events so far."""
    seen = []
    for event in events_of(run):
        seen.append(event)
        if (event["event"], event.get("stage")) == (kind, stage):
            run.send_signal(number)
            return seen
    pytest.fail(f"{stage} had no {kind}: {run.communicate()[1]}")


def test_from_a_manifest_to_a_published_model(tmp_path: Path) -> None:
    manifest = write_job(tmp_path, evaluation={"require": [{"metric": "accuracy", "minimum": 0.3}]})
    first = steelyard("run", manifest)
    assert first.returncode == 0, first.stderr
    assert first.stderr == ""
    model = tmp_path / "models/digits"
    sums = (model / "SHA256SUMS").read_text()
    assert "model.tflite" in sums and "steelyard.json" in sums and "report.html" in sums
    curves = re.findall(r'aria-label="(\w+) by epoch"', (model / "report.html").read_text())
    assert curves == ["loss", "accuracy"]
    assert f"steelyard verify {model}" in first.stdout and "of float32" in first.stdout and "±" in first.stdout
    assert "Traceback" not in first.stdout
    # What it says can be done next can be done.
    assert steelyard("verify", model).returncode == 0
    rows = tmp_path / "rows.csv"
    with rows.open("w", newline="") as file:
        writer = csv.writer(file)
        columns = json.loads((model / "preprocessing.json").read_text())["columns"]
        writer.writerow([column["name"] for column in columns])
        writer.writerow([0] * len(columns))
    assert steelyard("predict", model, "--input", rows).stdout.startswith("prediction")

    again = steelyard("run", manifest, "-o", "json")
    events = [json.loads(line) for line in again.stdout.splitlines()]
    assert again.returncode == 0
    assert [event["event"] for event in events] == ["stageSkipped"] * 3 + ["runEnded"]
    assert events[-1]["reason"] == "AlreadyFinished"

    planned = steelyard("plan", manifest, "-o", "json", "--set", "compression.maxMetricDrop=0.4")
    assert [(stage["name"], stage["run"], stage["why"]) for stage in json.loads(planned.stdout)["stages"]] == [
        ("prepare", False, "nothing that it depends on has changed"),
        ("train", False, "nothing that it depends on has changed"),
        ("finish", True, "changed: compression.maxMetricDrop"),
    ]
    failed = steelyard("run", manifest, "--set", "evaluation.require.0.minimum=1.0")
    assert failed.returncode == 10 and failed.stderr.startswith("error: ")
    assert "accuracy" in failed.stderr and "finish-0.log" in failed.stderr
    assert (model / "SHA256SUMS").read_text() == sums

    forced = steelyard("run", manifest, "--force", "-o", "json")
    started = [json.loads(line) for line in forced.stdout.splitlines() if '"stageStarted"' in line]
    assert [event["stage"] for event in started] == ["prepare", "train", "finish"]


def test_signals_leave_nothing_running_and_the_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    manifest = write_job(tmp_path, training={"workers": 2, "epochs": 200, "checkpoint": {"everySteps": 5}})
    moments = [
        ("prepare", "stageStarted"),
        ("train", "stageStarted"),
        ("train", "progress"),
        ("finish", "stageStarted"),
    ]
    for stage, kind in moments:
        # To get past the training, the last one must not be long.
        epochs = ["--set", "training.epochs=2"] if stage == "finish" else []
        for number, code in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
            run = start(manifest, *epochs)
            seen = signal_at(run, number, kind, stage)
            rest = list(events_of(run))
            assert run.wait(GENEROUS_SECONDS) == code
            assert wait_for_none_under(tmp_path, seconds=5) == []
            if number == signal.SIGINT:
                assert (rest[-1]["event"], rest[-1]["reason"]) == ("runEnded", "Interrupted")
                assert run.stderr is not None and "run the same command again" in run.stderr.read()
            elif kind == "progress":
                assert [event["reason"] for event in seen if event["event"] == "notice"] == ["Resumed"] * 2
    finished = steelyard("run", manifest, "--set", "training.epochs=2")
    assert finished.returncode == 0, finished.stderr
    assert "train: skipped" in finished.stdout


def test_two_runs_do_not_share_a_workspace(tmp_path: Path) -> None:
    manifest = write_job(tmp_path)
    first = start(manifest)
    assert next(events_of(first))["event"] == "stageStarted"
    second = steelyard("run", manifest)
    assert second.returncode == 78 and str(first.pid) in second.stderr
    first.send_signal(signal.SIGTERM)
    first.communicate()
    assert first.returncode == 143
    assert processes_under(tmp_path) == []


@pytest.mark.parametrize(
    ("what", "option"), [("workspace", ["--workspace", "closed/w"]), ("models", ["--set", "publish=[{uri: closed/m}]"])]
)
def test_a_folder_that_can_not_be_written_to_is_said_before_anything_starts(
    tmp_path: Path, what: str, option: list[str]
) -> None:
    write_job(tmp_path)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o755)
    # What is imported must be there before: the interpreter's own files may lie where nobody can read them.
    script = f"import os; from steelyard.cli.main import main; os.setuid({NOBODY}); main()"
    tmp_path.chmod(0o777)
    for folder in itertools.takewhile(lambda folder: folder != Path(tempfile.gettempdir()), tmp_path.parents):
        folder.chmod(0o755)
    run = subprocess.run(
        [sys.executable, "-c", script, "run", "digits.yaml", *option],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(tmp_path)},
        timeout=GENEROUS_SECONDS,
        check=False,
    )
    assert run.returncode == 78, what
    assert str(closed) in run.stderr and f"user {NOBODY}" in run.stderr and "Traceback" not in run.stderr
    assert list(closed.iterdir()) == []


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    """A workspace on a file system of 256 KiB: no stage can write there what it must."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting a file system is not allowed here")
    try:
        table = tmp_path / "table.csv"
        table.write_text("a,b,label\n" + "\n".join(f"{n},{n * 7919 % 104729},{n % 2}" for n in range(100_000)) + "\n")
        manifest = write_job(tmp_path, dataset={"uri": "table.csv", "target": "label"})
        run = steelyard("run", manifest, "--workspace", disk / "w")
        assert run.returncode == 78, run.stderr
        assert "no room left on the disk" in run.stderr and "Traceback" not in run.stderr
        assert not (disk / "w/prepared").exists()
    finally:
        subprocess.run(["umount", disk], check=True)
