"""What somebody sees in the first minutes: the live table, what comes next, what to do instead of what is not there."""

import io
import json
import os
import pty
import re
import termios
from pathlib import Path
from typing import Any

import pytest
from published_support import report_document
from repository_support import ROOT
from rich.console import Console
from typer.testing import CliRunner

from steelyard.api.models import Model
from steelyard.cli.display import LiveTable
from steelyard.cli.fitting import fitting_columns, fitting_parts, program, quiet_keys, say, told, wrapped
from steelyard.cli.main import app, main
from steelyard.cli.next_commands import next_commands, next_heading
from steelyard.cli.outcome import outcome_lines
from steelyard.cli.output import print_error, print_told
from steelyard.contract.events import RunEnded, StageEnded, StageSkipped, StageStarted
from steelyard.contract.stages import Progress
from steelyard.local.job import LocalJob
from steelyard.local.targets import replaced_models
from steelyard.texts.instead import MODELS


def text_of(shown: Console) -> str:
    assert isinstance(shown.file, io.StringIO)
    return shown.file.getvalue()


def fitted(width: int, events: list[Any], stages: Any = ("prepare", "train", "finish")) -> list[str]:
    """The live table on a terminal of this width."""
    shown = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None, legacy_windows=False)
    table = LiveTable(shown, stages, slow={"train": "starting TensorFlow", "finish": "starting TensorFlow"})
    for event in events:
        table.report(event)
    shown.print(table.render())
    return text_of(shown).splitlines()


MANY = {"loss": 0.123456, "accuracy": 0.912345, "val_loss": 0.234567, "val_accuracy": 0.898765, "step_1": 0.5}


@pytest.mark.parametrize("width", [60, 72, 80, 100, 140])
def test_the_live_table_keeps_the_validation_metric_and_wraps_nowhere(width: int) -> None:
    events = [StageStarted("train", 1, 2, ""), Progress("train", 1234, 2000, "epochs", MANY)]
    prepare, train, finish = fitted(width, events)
    assert max(map(len, (prepare, train, finish))) <= width
    assert width < 72 or "val_accuracy 0.8988" in train
    assert "step_1" not in train
    assert ("loss 0.1235" in train) == (width >= 140)
    # What is shown is shown whole.
    assert width < 72 or all(re.fullmatch(r"\S+ [\d.]+", each) for each in train.split("0:00")[1].strip().split("  "))


def test_the_live_table_says_that_tensorflow_starts_until_there_is_progress() -> None:
    started = [StageStarted("train", 1, 1, "")]
    assert "starting TensorFlow" in fitted(80, started)[1]
    assert "starting TensorFlow" not in fitted(80, [*started, Progress("train", 0, 5, "epochs")])[1]
    assert "starting TensorFlow" not in "".join(fitted(80, [StageStarted("prepare", 1, 1, "")]))


def test_nothing_is_red_while_all_is_well() -> None:
    shown = Console(file=io.StringIO(), force_terminal=True, width=80, color_system="truecolor")
    table = LiveTable(shown)
    for event in (
        StageSkipped("prepare", ""),
        StageStarted("train", 1, 1, ""),
        Progress("train", 1, 3, "epochs", MANY),
        StageStarted("finish", 1, 1, ""),
    ):
        table.report(event)
    shown.print(table.render())
    colors = [tuple(map(int, each)) for each in re.findall(r"38;2;(\d+);(\d+);(\d+)", text_of(shown))]
    assert [color for color in colors if color[0] > 150 and color[0] > 2 * max(color[1:])] == []
    assert not re.search(r"\x1b\[(\d;)*31m", text_of(shown))
    table.report(StageEnded("train", "Crashed", "m", 1, 1.0))
    shown.print(table.render())
    assert re.search(r"\x1b\[(\d;)*31m", text_of(shown))


def test_on_a_terminal_long_lines_end_between_words_and_commands_stay_whole() -> None:
    shown = Console(file=io.StringIO(), force_terminal=True, width=40, color_system=None)
    command = "  steelyard verify models/some/place/far/away --digest sha256:" + "0" * 64
    say(shown, "chosen      Float16, 20 bytes: 0.5 of float32 (40 bytes), at the same accuracy\n" + command)
    first, *rest, last = text_of(shown).splitlines()
    assert first == "chosen      Float16, 20 bytes: 0.5 of"
    assert all(line.startswith(" " * 12) and len(line) <= 40 for line in rest)
    assert last == command


def test_what_is_told_breaks_no_word_and_goes_on_further_in() -> None:
    mistake = "  spec.training.batchSize: 1.5 is not allowed; allowed: a whole number of 1 to 65536"
    said = f"the manifest is not valid:\n{mistake}"
    lines = told(said, 40).split("\n")
    assert lines[:2] == ["the manifest is not valid:", "  spec.training.batchSize: 1.5 is not"]
    assert all(line.startswith("    ") for line in lines[2:]) and all(len(line) <= 40 for line in lines)
    assert " ".join(line.strip() for line in lines) == " ".join(said.replace("\n", " ").split())
    assert told("one\n\ntwo", 40) == "one\n\ntwo"


@pytest.mark.parametrize("command", ["predict", "error"])
def test_what_is_told_on_a_terminal_fits_it(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(shown, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setenv("COLUMNS", "50")
    (print_told if command == "predict" else print_error)("  " + "some words of an error that is long " * 4)
    assert max(map(len, shown.getvalue().splitlines())) <= 50


def test_the_digest_stays_in_one_line_of_80_characters() -> None:
    lines = outcome_lines({"digest": "sha256:" + "0" * 64}, [])
    assert wrapped(lines[0], 80) == lines and len(lines[0]) <= 80


def test_what_ran_when_the_run_ended_is_stopped() -> None:
    events = [
        StageStarted("train", 1, 1, ""),
        Progress("train", 58, 400, "epochs", {}),
        RunEnded("j", "Interrupted", "interrupted", 130, 1.0, ""),
    ]
    prepare, train, finish = fitted(
        100, [StageStarted("prepare", 1, 1, ""), StageEnded("prepare", "", "", 0, 1.0), *events]
    )
    assert "done" in prepare and "stopped" in train and "runs" not in train and "waits" in finish


def test_columns_that_matter_less_are_left_out_whole() -> None:
    cells = [["TRIAL", "STATE", "accuracy", "learningRate", "SECONDS"], ["1", "Complete", "0.9", "0.001", "12.0"]]
    importance = [0, 2, 3, 1, 4]
    assert fitting_columns(cells, importance, 80, 2) == [0, 1, 2, 3, 4]
    assert fitting_columns(cells, importance, 42, 2) == [0, 1, 2, 3]
    assert fitting_columns(cells, importance, 32, 2) == [0, 2, 3]
    assert fitting_columns(cells, importance, 5, 2) == [0, 2]


def test_the_program_is_named_as_it_can_be_typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in (".venv/bin", "bin"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "steelyard").touch(mode=0o755)
    monkeypatch.setattr("sys.argv", [".venv/bin/steelyard"])
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert program() == ".venv/bin/steelyard"
    monkeypatch.setattr("sys.argv", [str(tmp_path / "bin/steelyard")])
    assert program() == "steelyard"
    monkeypatch.setattr("sys.argv", ["pytest"])
    assert program() == "steelyard"


@pytest.mark.parametrize(
    ("dataset", "rows"),
    [
        ({"uri": "table.csv", "target": "y"}, "jobs/table.csv"),
        ({"uri": "sklearn:digits", "target": "target"}, "jobs/digits.csv"),
        ({"uri": "sklearn:wine", "target": "target"}, "ROWS.csv"),
    ],
)
def test_what_comes_next_can_be_pasted(
    dataset: dict[str, str], rows: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs/digits.csv").touch()
    manifest = tmp_path / "jobs/job.yaml"
    spec = {"dataset": dataset, "model": {"linear": {}}}
    document = {"apiVersion": "steelyard.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": "j"}, "spec": spec}
    manifest.write_text(json.dumps(document))
    verify, predict = next_commands(LocalJob.load(manifest), "jobs/my models")
    assert verify == "  steelyard verify 'jobs/my models'"
    assert predict == f"  steelyard predict 'jobs/my models' --input {rows}"
    assert ("stands for a table of yours" in next_heading([verify, predict])) == (rows == "ROWS.csv")


def test_a_model_of_another_target_that_is_replaced_is_told(manifest: Path) -> None:
    folder = manifest.parent / "models/tiny"
    assert list(replaced_models(LocalJob.load(manifest))) == []
    folder.mkdir(parents=True)
    same, other = (json.dumps({**report_document(), "target": target}) for target in ("label", "rent"))
    for content, count in (("no JSON", 0), (same, 0), (other, 1)):
        (folder / "steelyard.json").write_text(content)
        found = list(replaced_models(LocalJob.load(manifest)))
        assert found == [f"{folder} holds a model of 'rent', which this one of 'label' replaces"] * count


def test_parts_of_a_line_are_shown_whole() -> None:
    line = "trial 1  0:05  starting TensorFlow  learningRate 0.1  hiddenUnits [256, 128]"
    assert fitting_parts(line, 80) == line
    assert fitting_parts(line, 60) == "trial 1  0:05  starting TensorFlow  learningRate 0.1"
    assert fitting_parts(line, 3) == "trial 1"


def test_the_terminal_writes_no_ctrl_c_into_the_live_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a terminal: on a pseudo terminal whose foreground group is this process's."""
    _, slave = pty.openpty()
    with open(slave, closefd=False) as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        monkeypatch.setattr("os.tcgetpgrp", lambda _descriptor: os.getpgrp())
        assert termios.tcgetattr(slave)[3] & termios.ECHOCTL
        with pytest.raises(KeyboardInterrupt), quiet_keys():
            assert not termios.tcgetattr(slave)[3] & termios.ECHOCTL
            assert termios.tcgetattr(slave)[3] & termios.ECHO
            raise KeyboardInterrupt
        assert termios.tcgetattr(slave)[3] & termios.ECHOCTL


# What to do instead


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    (tmp_path / "table.csv").write_text("a,b,label\n1,2,yes\n3,4,no\n")
    path = tmp_path / "job.yaml"
    path.write_text(
        "apiVersion: steelyard.dev/v1alpha1\nkind: TrainingJob\nmetadata: {name: tiny}\n"
        "spec:\n  dataset: {uri: table.csv, target: label}\n  model: {linear: {}}\n"
    )
    return path


def said(*arguments: str) -> tuple[int, str]:
    """The exit code and the error of a command."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        errors = io.StringIO()
        patch.setattr("sys.argv", ["steelyard", *arguments])
        patch.setattr("sys.stderr", errors)
        main()
    return int(ended.value.code or 0), errors.getvalue()


@pytest.mark.parametrize(
    ("override", "instead"),
    [
        ("dataset.uri=s3://bucket/table.csv", "aws s3 cp s3://bucket/table.csv ."),
        ("dataset.uri=gs://bucket/table.csv", "gcloud storage cp gs://bucket/table.csv ."),
        ("dataset.uri=https://example.org/t.csv", "curl -O https://example.org/t.csv"),
        ("dataset.uri=abfs://box/t.csv", "download it, and name the file"),
        ("dataset.uri=sales.xlsx", "pandas.read_excel('sales.xlsx').to_csv('sales.csv', index=False)"),
        ("dataset.uri=photos", "a folder, of images for instance, is not read"),
        ("dataset.uri=photo.png", "images are not read"),
        ("dataset.uri=rows.jsonl", "pandas: DataFrame.to_parquet"),
        ("model.keras.path=net.keras", "a network is model: {mlp: {hiddenUnits: [64]}}"),
        ("model.pytorch.file=3", "a training program of your own is model: {container: "),
        ("model.xgboost.depth=3", "boosted trees are model: {gradientBoosting: {}}"),
        ("model.LGBMClassifier={}", "boosted trees are model: {gradientBoosting: {}}"),
        ("model.hist_gradient_boosting={}", "boosted trees are model: {gradientBoosting: {}}"),
        ("model.rf={}", "trees are model: {randomForest: {}}"),
        ("model.decisionTree={}", "trees are model: {randomForest: {}}"),
        ("model.DecisionTreeClassifier={}", "trees are model: {randomForest: {}}"),
        ("model.KNeighborsClassifier={}", "model: {nearestNeighbors: {}}"),
        ("model.logistic={}", "model: {logisticRegression: {}}"),
        ("model.neuralNetwork={}", "a network is model: {mlp: {hiddenUnits: [64]}}"),
        ("model.conv2d={}", "a table, one for each pixel: model: {cnn: {inputShape: [8, 8, 1]}}"),
        ("model.lstm={}", "there are networks for tables only (mlp, linear, cnn, wideAndDeep)"),
        (
            "model.svm={}",
            "there is no model svm; there are mlp, linear, cnn, resNet8, dsCnn and wideAndDeep (networks)",
        ),
        ("model.naiveBayes={}", "there is no model naiveBayes; there are mlp"),
        ("training.gpus=1", "spec.template.resources.train.limits"),
        ("gpus=1", "spec.template.resources.train.limits"),
        ("publish=[{uri: s3://bucket/model}]", "publish to a folder, and copy it to s3://bucket/model"),
        ("kind=PyTorchJob", "a PyTorchJob runs a container of yours"),
        ("kind=TrainJob", "`steelyard init TABLE.csv` writes a TrainingJob"),
    ],
)
@pytest.mark.parametrize("command", ["run", "validate"])
def test_a_manifest_with_what_is_not_there(command: str, override: str, instead: str, manifest: Path) -> None:
    code, errors = said(command, str(manifest), "--set", override)
    assert code == 78
    assert errors.count("\n  instead: ") == 1 and instead in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    "override", ["dataset.uri=pvc://Data/x.csv", "dataset.uri=sklearn:nope", "publish=[{uri: 'pvc://models'}]"]
)
def test_of_a_place_that_there_is_nothing_else_is_advised(override: str, manifest: Path) -> None:
    code, errors = said("validate", str(manifest), "--set", override)
    assert code == 78 and "allowed: " in errors and "instead" not in errors


def test_the_models_that_there_are_are_told_without_exception() -> None:
    names = {info.alias for info in Model.model_fields.values()}
    assert names == set(re.findall(r"[a-zA-Z0-9]+", MODELS)) - {"and", "networks", "regression", "classification"}


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("table.csv", "it is a table: `steelyard init {folder}/table.csv` writes a manifest for it"),
        ("table.parquet", "it is a table: `steelyard init"),
        ("sheet.xlsx", "it is a spreadsheet: save the sheet as CSV"),
        ("train.py", "Steelyard runs no code of yours"),
        ("photos", "it holds images, which are not read"),
        ("jobs", "is a folder; name the manifest in it"),
        ("s3://bucket/job.yaml", "a manifest is a file on this machine: download it"),
    ],
)
def test_what_is_no_manifest_given_to_run(name: str, instead: str, tmp_path: Path) -> None:
    (tmp_path / "photos/cats").mkdir(parents=True)
    (tmp_path / "photos/cats/1.PNG").touch()
    (tmp_path / "jobs").mkdir()
    for file in ("table.csv", "table.parquet", "sheet.xlsx", "train.py"):
        (tmp_path / file).write_bytes(b"PK\x03\x04\xff")
    code, errors = said("run", name if "://" in name else str(tmp_path / name))
    assert code == 78
    assert instead.format(folder=tmp_path) in errors


@pytest.mark.parametrize("value", ["none", "None", "null"])
def test_no_compression_can_be_set(value: str, manifest: Path) -> None:
    code = CliRunner().invoke(app, ["validate", str(manifest), "--set", f"compression={value}"]).exit_code
    assert code == 0


def test_nothing_advises_to_install_steelyard_from_a_registry_that_has_it_not() -> None:
    """pip is pointed at the source."""
    folders = ("operator", "images", "docs", "examples")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md")]
    lines = [line for path in (ROOT / "README.md", *files) for line in path.read_text().splitlines()]
    assert [line for line in lines if re.search(r"pip install [^.`]*\bsteelyard\b(?! *@)", line)] == []
