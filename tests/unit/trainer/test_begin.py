"""How a stage begins: the places that it writes to are really written to, and its number is taken."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from steelyard.api.errors import ConfigurationError
from steelyard.api.loading import parse_training_job
from steelyard.contract.stages import Reason
from steelyard.contract.workspace import Workspace
from steelyard.stores.writable import check_writable
from steelyard_trainer.begin import begin
from steelyard_trainer.contract import StageContext

NOBODY = 65534


def context(folder: Path, worker: int = 0, **claims: Path) -> StageContext:
    """A pod's: it sees these claims, and of the rest of the world its workspace only."""
    manifest: dict[str, Any] = {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "tested"},
        "spec": {
            "dataset": {"uri": "sklearn:iris", "target": "target"},
            "model": {"linear": {}},
            "publish": [{"uri": "pvc://models/deep/tested"}],
        },
    }
    job = parse_training_job(manifest)
    return StageContext("train", job, Workspace(folder / "workspace"), None, "k", worker, claims)


def test_the_workspace_is_made_and_worker_0_takes_a_number(tmp_path: Path) -> None:
    assert [begin(context(tmp_path)).attempt.number for _ in range(2)] == [1, 2]  # type: ignore[union-attr]
    assert begin(context(tmp_path, worker=1)).attempt is None
    # Nothing is left of the write test.
    assert [path.name for path in (tmp_path / "workspace").iterdir()] == ["attempts"]


def test_a_claim_that_this_stage_sees_is_looked_at_too(tmp_path: Path) -> None:
    claim = tmp_path / "claim"
    claim.mkdir()
    begin(context(tmp_path, models=claim))
    assert list(claim.iterdir()) == []
    (claim / "deep").write_text("something else")
    begin(context(tmp_path))
    with pytest.raises(ConfigurationError, match=r"deep can't be written to by user .*Not a directory") as raised:
        begin(context(tmp_path, models=claim))
    assert raised.value.reason == Reason.NOT_WRITABLE


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that every user can look into, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def as_nobody(statement: str) -> str:
    """What another user's process is told. What is imported must be there before the rights go."""
    script = (
        "import os, tempfile; from pathlib import Path; from steelyard_trainer.begin import check_targets\n"
        "from steelyard.api.errors import ConfigurationError\n"
        "from steelyard.stores.registry import store_at; from steelyard.stores.surroundings import Surroundings\n"
        f"os.setgroups([4242]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        f"try: {statement}\n"
        "except ConfigurationError as error: print(error.reason, error.exit_code, error.message)\n"
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_folder_of_someone_elses_is_named_with_users_groups_and_mode(open_folder: Path) -> None:
    folder = open_folder / "claim"
    folder.mkdir()
    os.chown(folder, 1234, 5678)
    folder.chmod(0o2750)
    look = f"check_targets([store_at({str(folder / 'models/tested')!r}, Surroundings(Path('/')))])"
    said = as_nobody(look)
    assert said.startswith(f"NotWritable 78 {folder} can't be written to by user {NOBODY} (groups 4242, {NOBODY})")
    assert "it belongs to user 1234 and group 5678, mode 2750" in said
    folder.chmod(0o777)
    assert as_nobody(look) == ""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount")
def test_a_volume_that_is_mounted_read_only_is_found_by_root_too(tmp_path: Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", tmp_path], check=False).returncode != 0:
        pytest.skip("mounting a file system is not allowed here")
    try:
        with pytest.raises(ConfigurationError, match=r"user 0 .*Read-only file system; it belongs to user 0") as raised:
            check_writable(tmp_path / "not/there/yet")
        assert raised.value.reason == Reason.NOT_WRITABLE
    finally:
        subprocess.run(["umount", tmp_path], check=True)
