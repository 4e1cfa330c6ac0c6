"""`fit` on two workers is `fit` on one: keras3 beside plain Keras, alone in a folder without Steelyard; its example."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras3_gang import running, tf_config, told
from repository_support import ROOT
from training_support import GENEROUS_SECONDS, free_ports

import steelyard_trainer
from steelyard_trainer import keras3

MODULE = Path(keras3.__file__)
WORKER = Path(__file__).parent / "keras3_worker.py"
EXAMPLE = ROOT / "examples" / "fit-script" / "train.py"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[int, str, str]]]:
    """What one process of plain Keras and two with the copied file left, and how they ended."""
    folder = tmp_path_factory.mktemp("alone")
    shutil.copy(MODULE, folder)
    shutil.copy(WORKER, folder)
    for name in ("one", "two0", "two1"):
        (folder / name).mkdir()
    # Without the .pth files of site-packages, which lead to Steelyard.
    path = sorted({Path(tf.__file__).parents[1], Path(keras.__file__).parents[1], Path(np.__file__).parents[1]})
    script = folder / WORKER.name
    with (
        running([script, folder / "one" / "result.json"], 1, path, "-S") as one,
        running([script, folder / "twoWORKER" / "result.json"], 2, path, "-S") as two,
    ):
        ends = [told(process) for process in [*one, *two]]
    for end in ends:
        print(end[2][-3000:])
    return folder, ends


def results(folder: Path) -> dict[str, dict]:
    return {name: json.loads((folder / name / "result.json").read_text()) for name in ("one", "two0", "two1")}


@pytest.mark.parametrize("case", ["settled", "weighted", "summed", "masked", "own_steps", "own_loss", "unseeded"])
def test_two_workers_train_as_one(alone, case):
    one, *two = (result["cases"][case] for result in results(alone[0]).values())
    for other in two:
        assert other.keys() == one.keys()
        for name, values in one.items():
            assert other[name] == pytest.approx(values, abs=5e-5), name


def test_it_was_stopped_early_and_only_the_chief_wrote(alone):
    folder, _ = alone
    assert len(results(folder)["two0"]["cases"]["settled"]["loss"]) < 5
    written = {name: (folder / name / "best.keras").exists() for name in ("one", "two0", "two1")}
    assert written == {"one": True, "two0": True, "two1": False}


def test_what_was_made_outside_of_the_scope_is_named(alone):
    for name in ("two0", "two1"):
        refused = results(alone[0])[name]["refused"]
        assert "TF_CONFIG has 2 workers, but the model was not made for them" in refused["model"]
        assert refused["optimizer"].startswith("the optimizer sgd")
        assert refused["metric"].startswith("the metric far was made outside of the strategy's scope")


def test_seeds_that_differ_are_refused_by_all(alone):
    for name in ("two0", "two1"):
        refused = results(alone[0])[name]["refused"]
        named = f"the workers have different seeds (worker 0 has {2**40}, worker 1 has {2**40 + 1}), with which"
        assert refused["seeds"].startswith(named)
        assert "(worker 0 has 7, worker 1 has none)" in refused["seed"]


def test_a_worker_that_is_lost_ends_the_other_with_a_message(alone):
    (one, _, _), (survivor, _, errors), (killed, _, _) = alone[1]
    assert (one, survivor, killed) == (0, keras3.TRY_AGAIN, -signal.SIGKILL), errors
    assert errors.splitlines()[-1].startswith("keras3: another worker was lost in fit")


def test_a_worker_that_never_comes_and_a_version_that_was_not_tested():
    code = (
        "import tensorflow as tf; from steelyard_trainer import keras3; keras3.TESTED['keras'] = '0.';"
        "keras3.enable(start_timeout_seconds=1); tf.distribute.MultiWorkerMirroredStrategy()"
    )
    ports = free_ports(2)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TF_CONFIG": tf_config(ports, 0)},
        capture_output=True,
        text=True,
        timeout=GENEROUS_SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert f"UserWarning: keras3 was tested with keras 0.*, not with {keras.__version__}" in done.stderr
    assert f"keras3: joins the workers 127.0.0.1:{ports[0]}, 127.0.0.1:{ports[1]}; gives up after 1 s" in done.stderr


@pytest.mark.parametrize(
    ("cluster", "task", "workers", "is_chief"),
    [
        (None, None, 1, True),
        ({"worker": ["a:1"]}, ("worker", 0), 1, True),
        ({"worker": ["a:1", "b:1"]}, ("worker", 1), 2, False),
        ({"chief": ["a:1"], "worker": ["b:1"]}, ("worker", 0), 2, False),
        ({"chief": ["a:1"], "worker": ["b:1"]}, ("chief", 0), 2, True),
        ({"worker": ["a:1", "b:1"], "evaluator": ["c:1"]}, ("evaluator", 0), 2, False),
    ],
)
def test_who_saves(monkeypatch, cluster, task, workers, is_chief):
    config = {"cluster": cluster, "task": {"type": task[0], "index": task[1]}} if task else {}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config) if task else "")
    assert (keras3.workers(), keras3.is_chief()) == (workers, is_chief)


def test_a_tf_config_that_is_none_is_shown(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{worker")
    with pytest.raises(ValueError, match=r"TF_CONFIG should be a JSON object, it is '\{worker'"):
        keras3.workers()


def test_the_example_goes_on_where_it_was_killed(tmp_path):
    command = [EXAMPLE, "--model", tmp_path / "model", "--checkpoints", tmp_path, "--epochs", "6"]
    path = [Path(steelyard_trainer.__file__).parents[1]]
    with running(command, 2, path) as (chief, other):
        for line in chief.stdout:
            if '"done": 2' in line:
                break
        other.kill()
        assert told(chief)[0] == keras3.TRY_AGAIN
    assert not (tmp_path / "model").exists()
    with running(command, 2, path) as again:
        (code, output, errors), (other_code, _, _) = map(told, again)
    assert (code, other_code) == (0, 0), errors
    epochs = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    assert [line["done"] for line in epochs] == list(range(epochs[0]["done"], 7))
    assert epochs[0]["done"] > 2
    model = keras.models.load_model(tmp_path / "model" / "model.keras")
    table = np.loadtxt(ROOT / "examples" / "digits" / "digits.csv", np.float32, delimiter=",", skiprows=1)[4::5]
    assert (model.predict(table[:, :-1], verbose=0).argmax(1) == table[:, -1]).mean() > 0.9
