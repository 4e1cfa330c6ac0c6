"""What a program of the user's own is given, and what is made of what it left."""

import json
from pathlib import Path
from typing import Any

import pytest

from steelyard.api.errors import ConfigurationError
from steelyard.api.loading import parse_training_job
from steelyard.contract.workspace import Workspace
from steelyard_trainer.container.left import begin_folders, metrics_left, model_left, taken_in
from steelyard_trainer.contract import StageContext


def context(folder: Path, key: str = "k", **model: Any) -> StageContext:
    """Of worker 0 of a job whose program leaves a .keras file."""
    spec = {
        "dataset": {"uri": "a.csv", "target": "t"},
        "model": {"container": {"command": ["a"], "model": {"format": "Keras", **model}}},
    }
    manifest = {"apiVersion": "steelyard.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": "a"}, "spec": spec}
    return StageContext("train", parse_training_job(manifest), Workspace(folder), folder, key, 0)


def test_a_program_goes_on_from_its_own_checkpoints_and_from_no_other_s(tmp_path: Path) -> None:
    begin_folders(context(tmp_path))
    given = context(tmp_path).workspace.program.variables(tmp_path / "prepared", 7)
    assert given["STEELYARD_SEED"] == "7" and given["STEELYARD_DATA_DIR"] == str(tmp_path / "prepared")
    checkpoint = Path(given["STEELYARD_CHECKPOINT_DIR"]) / "last"
    checkpoint.write_text("1")
    begin_folders(context(tmp_path))
    assert checkpoint.exists() and Path(given["STEELYARD_MODEL_DIR"]).is_dir()
    begin_folders(context(tmp_path, key="another"))
    assert not checkpoint.exists() and checkpoint.parent.is_dir()


def test_what_is_gone_is_not_done(tmp_path: Path) -> None:
    begin_folders(context(tmp_path))
    folder = context(tmp_path).workspace.program
    inode = folder.root.stat().st_ino
    told = [folder.contained_file, context(tmp_path).workspace.barrier_file]
    for file in (*told, folder.model / "model.keras"):
        file.write_text("{}")
    begin_folders(context(tmp_path))
    assert all(file.exists() for file in told)
    # The workers' pods have mounted the folder itself.
    begin_folders(context(tmp_path, key="another"))
    assert not any(file.exists() for file in told) and folder.root.stat().st_ino == inode
    for file in told:
        file.write_text("{}")
    begin_folders(context(tmp_path, key="another"))
    # The others are past the barrier when worker 0's pod alone was made anew.
    assert not folder.contained_file.exists() and told[1].exists()
    folder.contained_file.write_text("{}")
    with pytest.raises(ConfigurationError, match="left no model"):
        taken_in(context(tmp_path, key="another"))
    assert not folder.contained_file.exists()


def test_what_is_taken_in_lies_where_the_program_does_not_write(tmp_path: Path) -> None:
    workspace = context(tmp_path).workspace
    assert not workspace.taken.is_relative_to(workspace.program.root)


def test_a_model_that_is_not_there_is_told_with_what_is(tmp_path: Path) -> None:
    begin_folders(context(tmp_path))
    folder = context(tmp_path).workspace.program.model
    with pytest.raises(ConfigurationError, match=r"left no model\.keras in STEELYARD_MODEL_DIR$"):
        model_left(context(tmp_path))
    (folder / "net.keras").write_text("")
    with pytest.raises(ConfigurationError, match=r"left no model\.keras .*; it left net\.keras$"):
        model_left(context(tmp_path))
    assert model_left(context(tmp_path, path="net.keras")) == folder / "net.keras"


def test_a_link_out_of_its_folder_is_not_followed(tmp_path: Path) -> None:
    begin_folders(context(tmp_path))
    (tmp_path / "secret").write_text("")
    (context(tmp_path).workspace.program.model / "model.keras").symlink_to(tmp_path / "secret")
    with pytest.raises(ConfigurationError, match="is a link that leads out"):
        model_left(context(tmp_path))


@pytest.mark.parametrize(
    ("content", "figures", "told"),
    [
        (None, {}, ""),
        ('{"loss": 0.5, "steps": 3}', {"loss": 0.5, "steps": 3.0}, ""),
        ('{"loss": NaN, "name": "a", "ok": true, "n": 1}', {"n": 1.0}, "'loss' is left out, as it is no number"),
        (f'{{"loss": 1{"0" * 400}, "n": 1}}', {"n": 1.0}, "'loss' is left out, as it is no number"),
        ("[1]", {}, "a JSON object of numbers by name"),
        ("{", {}, "it is no JSON"),
        ("[" * 60_000, {}, "it is no JSON"),
        (json.dumps({"a" * 70_000: 1}), {}, "it is no JSON"),
    ],
)
def test_figures_are_numbers_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, figures: dict[str, float], told: str
) -> None:
    begin_folders(context(tmp_path))
    if content is not None:
        context(tmp_path).workspace.program.metrics_file.write_text(content)
    assert metrics_left(context(tmp_path)) == figures
    said = capsys.readouterr().out
    assert told in said and bool(told) == bool(said)
