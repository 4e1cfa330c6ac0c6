"""A program of the user's own on this machine: whether it can be started, and what stands for its content."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from steelyard.api.errors import ConfigurationError
from steelyard.api.models.container import Container
from steelyard.stores.program import ProgramHere, _runs


def container(**given: Any) -> Container:
    """That leaves a .keras file."""
    return Container.model_validate({"command": ["python", "train.py"], "model": {"format": "Keras"}, **given})


def test_python_is_the_one_that_steelyard_runs_in(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    here = ProgramHere.of(container(args=["-v"], workingDir="code"), tmp_path)
    assert Path(here.command[0]).parent == Path(sys.executable).parent
    assert (here.command[1:], here.folder) == (("train.py", "-v"), tmp_path / "code")


def test_a_program_in_its_folder_is_named_by_a_path(tmp_path: Path) -> None:
    (tmp_path / "train").write_text("#!/bin/sh\n")
    with pytest.raises(ConfigurationError, match=r"no program '\./train' on this machine, where i is not used"):
        ProgramHere.of(container(command=["./train"], image="i"), tmp_path)
    (tmp_path / "train").chmod(0o755)
    assert ProgramHere.of(container(command=["./train"]), tmp_path).command == (str(tmp_path / "train"),)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"command": ["no-such-program"]}, r"spec\.model\.container\.command: there is no program 'no-such-program'"),
        ({"workingDir": "nowhere"}, r"spec\.model\.container\.workingDir: there is no folder .*nowhere"),
    ],
)
def test_what_cannot_be_started_is_told(tmp_path: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ProgramHere.of(container(**given), tmp_path)


def engine(folder: Path, code: int = 0) -> None:
    """A docker that answers in this way."""
    (folder / "docker").write_text(f'#!/bin/sh\n[ "$1" = info ] && exit {code}\necho "$@" >> {folder}/told\n')
    (folder / "docker").chmod(0o755)


def test_an_image_without_a_command_is_run_by_an_engine_that_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = container(command=None, image="a/b:1", args=["-v"], workingDir="/app")
    monkeypatch.setenv("PATH", str(tmp_path))
    for code in (None, 1):
        if code is not None:
            engine(tmp_path, code)
        _runs.cache_clear()
        with pytest.raises(ConfigurationError, match=r"neither docker nor podman is at work .* to run a/b:1; start"):
            ProgramHere.of(given, tmp_path)
    engine(tmp_path)
    _runs.cache_clear()
    here = ProgramHere.of(given, tmp_path)
    assert here.command == ("docker", "run", "--workdir", "/app", "a/b:1", "-v")
    monkeypatch.setenv("STEELYARD_RESULT_FILE", "/tmp/of one/result.json")
    subprocess.run(here.started("worker-0", tmp_path, Path("/data"), ["RANK"]), check=True)
    here.remove(["worker-0", "worker-1"])
    removed, ran, cleared = (tmp_path / "told").read_text().splitlines()
    assert removed == "rm --force worker-0" and cleared == "rm --force worker-0 worker-1"
    assert ran.startswith("run --name worker-0 --volume=/tmp/of one:/tmp/of one --env STEELYARD_RESULT_FILE --rm ")
    mounted = f"--volume={tmp_path}:{tmp_path} --volume=/data:/data:ro --env RANK --workdir /app a/b:1 -v"
    assert "--read-only" in ran and mounted in ran


def test_another_script_is_another_program(tmp_path: Path) -> None:
    here = ProgramHere.of(container(), tmp_path)
    absent = here.digest()
    (tmp_path / "train.py").write_text("1")
    one = here.digest()
    (tmp_path / "train.py").write_text("2")
    assert len({absent, one, here.digest()}) == 3
