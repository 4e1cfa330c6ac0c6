"""A user's own code with the local runners and programs of a few lines: a copy that all stages and trials read, made
anew where the code has changed. No TensorFlow."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runner_support import FINISH, TRAIN, Programs, run_job, write_job
from search_support import TRAIN as TRIAL
from search_support import Programs as SearchPrograms
from search_support import run_search, tuning_job

from steelyard.contract.code_digest import code_digest
from steelyard.contract.events import StageSkipped, StageStarted

MODEL: dict[str, Any] = {
    "entrypoint": {"function": "net:build", "framework": "Keras", "code": {"path": "code"}, "parameters": {"units": 8}}
}
# What a stage reads is what the runner was given, whatever becomes of the folder meanwhile.
READS = """
text = (pathlib.Path(os.environ["STEELYARD_CODE"]) / "net.py").read_text()
with (base_dir / "read.txt").open("a") as file:
    file.write(f"{stage} {text}\\n")
(base_dir / "code" / "net.py").write_text("def build(data, units): return 'edited'")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "net.py").write_text("def build(data, units): ...")
    return tmp_path


def read(folder: Path) -> set[str]:
    """What stages have read of the code since the last call."""
    file = folder / "read.txt"
    lines = file.read_text().splitlines()
    file.unlink()
    return set(lines)


def test_all_stages_read_a_copy_and_other_code_is_trained_anew(folder: Path) -> None:
    write_job(folder, model=MODEL)
    programs = Programs(train=READS + TRAIN, finish=READS + FINISH)
    first = run_job(folder, programs)
    assert first.error is None
    assert read(folder) == {"train def build(data, units): ...", "finish def build(data, units): ..."}
    workspace = folder / ".steelyard" / "tiny"
    assert programs.environments[-1]["STEELYARD_CODE"] == str(workspace / "code")

    second = run_job(folder, programs)
    assert [event.stage for event in second.of(StageSkipped)] == ["prepare"]
    (train, _) = second.of(StageStarted)
    assert train.message == "changed: model.entrypoint.code.sha256"
    assert read(folder) == {f"{stage} def build(data, units): return 'edited'" for stage in ("train", "finish")}
    assert code_digest(workspace / "code") == code_digest(folder / "code")
    assert run_job(folder, programs).of(StageStarted) == []


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda code: code.rename(code.with_name("gone")), "code does not exist"),
        (lambda code: (code / "net.py").write_text("def biuld(data): ..."), "did you mean biuld"),
        (lambda code: (code / "net.py").rename(code / "nets.py"), "has no module 'net'"),
        (lambda code: (code / "link.py").symlink_to("/etc/passwd"), "is a link"),
    ],
)
def test_code_that_is_not_as_it_must_be_is_said_before_anything_starts(
    break_it: Callable[[Path], object], said: str, folder: Path
) -> None:
    write_job(folder, model=MODEL)
    break_it(folder / "code")
    programs = Programs()
    error = run_job(folder, programs).error
    assert error is not None and said in error.message and error.exit_code == 78
    assert error.message.startswith("spec.model.entrypoint.") and programs.started == []


def test_all_trials_and_the_best_model_have_the_code_that_the_search_began_with(folder: Path) -> None:
    search = tuning_job(
        folder,
        parameters=[{"path": "model.entrypoint.parameters.units", "type": "Categorical", "values": [4, 8, 16]}],
        maxTrials=3,
        template={"model": MODEL, "training": {"optimizer": {"learningRate": 0.03}}},
    )
    programs = SearchPrograms(train=READS + TRIAL, finish=READS + SearchPrograms.finish)
    run = run_search(folder, search, programs)
    assert run.error is None
    assert {line.partition(" ")[2] for line in read(folder)} == {"def build(data, units): ..."}
    assert {each["STEELYARD_CODE"] for each in programs.environments} == {
        str(folder / ".steelyard" / "search" / "code")
    }
