"""A pack of networks: a TensorFlow process trains one trial after the other, each as it would alone, bit for bit; and
what ends a process costs one trial and one start."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil
import pytest
from pack_support import GENEROUS_SECONDS, Pack, trial_on
from sklearn_support import EstimatorJob

from steelyard.contract.stages import Env, ExitCode, Reason, Result
from steelyard.contract.trial_report import TrialReport
from steelyard.contract.workspace import Workspace

SMALL = {"mlp": {"hiddenUnits": [8]}}
RICH = {"mlp": {"hiddenUnits": [16, 8], "dropout": 0.3, "batchNormalization": True, "regularization": {"l2": 0.001}}}
WIDE = {"mlp": {"hiddenUnits": [64, 64, 64]}}
TRIALS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    # The first and the last are the same but for what was trained in between.
    (RICH, {"epochs": 4}, {}),
    (SMALL, {"epochs": 4}, {"limits": [{"step": 2, "value": 1.0}]}),
    (WIDE, {"epochs": 6, "optimizer": {"name": "SGD", "learningRate": 100}}, {}),
    (SMALL, {"epochs": 3}, {"secondary": "Size"}),
    (SMALL, {"epochs": 3}, {"toBeat": 1.0}),
    (RICH, {"epochs": 4}, {}),
]
"""Model, spec.training, spec.trial."""


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data."""
    job = EstimatorJob.on(tmp_path_factory.mktemp("sets") / "wine", {"uri": "sklearn:wine", "target": "target"})
    return job.workspace.prepared


def network(
    wine: Path, number: int, model: dict[str, Any] | None = None, training: dict[str, Any] | None = None, **asked: Any
) -> dict[str, Any]:
    manifest = trial_on(wine, number, model or SMALL, folds=None, **asked)
    manifest["spec"]["training"] = {"seed": 42, "batchSize": 16, **(training or {})}
    if "secondary" in asked:
        manifest["spec"]["compression"] = {"candidates": ["DynamicRange"], "maxMetricDrop": 0.5}
    return manifest


def pack_of(folder: Path, trials: list[dict[str, Any]], processes: int = 1) -> Pack:
    numbers = [manifest["spec"]["trial"]["number"] for manifest in trials]
    return Pack(folder, trials, processes, {number: folder / f"trial-{number}" for number in numbers})


def alone(folder: Path, manifest: dict[str, Any]) -> Result:
    """Runs a trial in a process of its own."""
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps(manifest))
    environment = {
        **os.environ,
        Env.SPEC_FILE: str(folder / "job.json"),
        Env.WORKSPACE: str(folder),
        Env.BASE_DIR: str(folder),
        Env.STAGE_KEY: "key",
        Env.RESULT_FILE: str(folder / "result.json"),
        Env.THREADS: "1",
    }
    subprocess.run(
        [sys.executable, "-m", "steelyard_trainer", "train"],
        env={str(name): value for name, value in environment.items()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        timeout=GENEROUS_SECONDS,
    )
    return Result.from_json(json.loads((folder / "result.json").read_text()))


def history(root: Path) -> dict[str, Any]:
    """What the training left, less the key that it was done under and the time that it took."""
    document: dict[str, Any] = json.loads(Workspace(root).training_file.read_text())
    return {**document, "key": "", "trial": replace(TrialReport.from_json(document["trial"]), seconds=0.0)}


def weights(root: Path) -> dict[str, Any]:
    """Every array of the model's file, and its configuration."""
    with zipfile.ZipFile(Workspace(root).model_file) as model, model.open("model.weights.h5") as file:
        # Keras names an object that occurs twice by its address.
        config = re.sub(r'"shared_object_id": \d+', "", model.read("config.json").decode())
        arrays: dict[str, Any] = {"config": config}
        h5py.File(file).visititems(
            lambda name, item: arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
        )
    return arrays


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes], pack: Pack) -> None:
    deadline = time.monotonic() + GENEROUS_SECONDS
    while not condition():
        assert time.monotonic() < deadline and process.poll() is None, pack.log.read_text()
        time.sleep(0.01)


def test_one_after_the_other_each_is_as_it_is_alone(wine: Path, tmp_path: Path) -> None:
    trials = [network(wine, number, *each[:2], **each[2]) for number, each in enumerate(TRIALS)]
    pack = pack_of(tmp_path / "pack", trials)
    assert pack.run() == ExitCode.DONE, pack.log.read_text()
    reports = pack.reports()
    assert [reports[number].state for number in range(6)] == [
        "Complete", "Pruned", "Failed", "Complete", "Complete", "Complete"
    ]  # fmt: skip
    # The fifth is trained as the fourth is, and the last as the first.
    for number in range(4):
        root, own = tmp_path / f"alone-{number}", tmp_path / "pack" / f"trial-{number}"
        result = alone(root, trials[number])
        if reports[number].state == "Failed":
            assert reports[number].reason == f"{result.reason}: {result.message}"
            assert result.reason == Reason.LOSS_NOT_FINITE
            continue
        expected = TrialReport.from_json(result.summary["trial"])
        assert replace(reports[number], seconds=0.0) == replace(expected, seconds=0.0)
        assert history(own) == history(root)
        assert Workspace(own).model_file.exists() == Workspace(root).model_file.exists() == (number != 1)
        if number != 1:
            left, right = weights(own), weights(root)
            assert left.keys() == right.keys() and len(left) > 4
            assert all(np.array_equal(left[name], right[name]) for name in left)
    assert reports[3].secondary is not None and reports[3].secondary > 1000
    first, last = weights(tmp_path / "pack" / "trial-0"), weights(tmp_path / "pack" / "trial-5")
    assert all(np.array_equal(first[name], last[name]) for name in first)
    # One that won't be the best leaves no model.
    assert not Workspace(tmp_path / "pack" / "trial-4").model_file.exists()
    # The third has no epoch to tell of: its first loss is no number.
    assert {event["trial"] for event in pack.events() if event.get("unit") == "epochs"} == {0, 1, 3, 4, 5}


def test_a_killed_a_late_and_a_stalled_trial_cost_only_themselves(wine: Path, tmp_path: Path) -> None:
    long = {"epochs": 100000, "checkpoint": {"everySeconds": 1000}}
    late = network(wine, 1, training=long)
    late["spec"]["runPolicy"] = {"activeDeadlineSeconds": 4}
    stalled = network(wine, 3, training=long)
    stalled["spec"]["runPolicy"] = {"stallTimeoutSeconds": 10}
    short = [network(wine, number, training={"epochs": 2}) for number in (2, 4)]
    pack = pack_of(tmp_path / "pack", [network(wine, 0, training=long), late, short[0], stalled, short[1]])
    process = pack.start()
    try:
        wait_until(lambda: any(event.get("unit") == "epochs" for event in pack.events()), process, pack)
        (child,) = psutil.Process(process.pid).children()
        child.kill()
        wait_until(
            lambda: any(event.get("unit") == "epochs" and event["trial"] == 3 for event in pack.events()), process, pack
        )
        (child,) = psutil.Process(process.pid).children()
        child.send_signal(signal.SIGSTOP)
        assert process.wait(GENEROUS_SECONDS) == ExitCode.DONE
    finally:
        process.kill()
    reports = pack.reports()
    assert reports[3].reason.startswith(
        "Stalled: no step, epoch or progress line for 10 s (spec.runPolicy.stallTimeout"
    )
    assert reports[0].reason == "the process that worked on it was killed by signal 9 (OutOfMemory?)"
    assert reports[1].reason == "DeadlineExceeded: it still ran after 4 s (trialDeadlineSeconds)"
    assert [reports[number].state for number in range(5)] == ["Failed", "Failed", "Complete", "Failed", "Complete"]
    # Its four seconds are the trial's own: TensorFlow's start is not counted.
    assert any(event.get("unit") == "epochs" and event["trial"] == 1 for event in pack.events())


def test_a_trial_with_which_the_pack_itself_is_killed_is_begun_twice_and_no_more(wine: Path, tmp_path: Path) -> None:
    """As where a container is killed as a whole for its memory."""
    pack = pack_of(tmp_path / "pack", [network(wine, 0), network(wine, 1, training={"epochs": 1})])
    mark = tmp_path / "pack" / "packs" / "key" / "0.begun"
    for count in ("1", "2"):
        process = pack.start()
        wait_until(lambda: mark.exists() and mark.read_text() == count, process, pack)  # noqa: B023
        process.kill()
        process.wait()
    assert pack.run() == ExitCode.DONE, pack.log.read_text()
    reports = pack.reports()
    assert (reports[0].state, reports[1].state) == ("Failed", "Complete")
    assert reports[0].reason == "the pack was killed 2 times while it worked on this trial (OutOfMemory?)"
    assert not list(mark.parent.glob("*.begun"))


def test_a_pack_that_was_ended_goes_on_in_the_middle_of_its_trial(wine: Path, tmp_path: Path) -> None:
    training = {"epochs": 60, "batchSize": 2}
    pack = pack_of(tmp_path / "pack", [network(wine, 0, training={"epochs": 2}), network(wine, 1, RICH, training)])
    process = pack.start()
    wait_until(lambda: any(event.get("trial") == 1 for event in pack.events()), process, pack)
    (child,) = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGTERM)
    assert process.wait(GENEROUS_SECONDS) == ExitCode.TRY_AGAIN
    assert pack.result().reason == Reason.INTERRUPTED
    assert not psutil.pid_exists(child.pid)
    finished = tmp_path / "pack" / "packs" / "key" / "0.json"
    made, before = finished.stat().st_mtime_ns, pack.reports()

    assert pack.run() == ExitCode.DONE, pack.log.read_text()
    assert finished.stat().st_mtime_ns == made and pack.reports()[0] == before[0]
    assert [event["reason"] for event in pack.events() if event["event"] == "notice"] == ["Resumed"]
    whole = pack_of(tmp_path / "whole", [network(wine, 1, RICH, training)])
    assert whole.run() == ExitCode.DONE
    assert replace(pack.reports()[1], seconds=0.0) == replace(whole.reports()[1], seconds=0.0)
    assert history(tmp_path / "pack" / "trial-1") == history(tmp_path / "whole" / "trial-1")
