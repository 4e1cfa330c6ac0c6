"""The command line: help, usage, exit codes and messages of what needs no run."""

import inspect
import io
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from steelyard import __version__
from steelyard.cli.display import LiveTable, PlainLines, describe
from steelyard.cli.main import app, main
from steelyard.cli.outcome import outcome_lines
from steelyard.cli.run import summary
from steelyard.contract.events import RunEnded, StageEnded, StageRetried, StageSkipped, StageStarted
from steelyard.contract.stages import Notice, Progress
from steelyard.local.job import LocalJob
from steelyard.local.runner import check_trainer_is_installed, launch_trainer

MANIFEST = """
apiVersion: steelyard.dev/v1alpha1
kind: TrainingJob
metadata: {name: tiny}
spec:
  dataset: {uri: table.csv, target: label}
  model: {linear: {}}
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    (tmp_path / "table.csv").write_text("a,b,label\n1,2,yes\n3,4,no\n")
    path = tmp_path / "job.yaml"
    path.write_text(MANIFEST)
    return path


def steelyard(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int, str, str]:
    """Runs `main`; gives the exit code, standard output and standard error."""
    monkeypatch.setattr(sys, "argv", ["steelyard", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    output, errors = capsys.readouterr()
    return int(ended.value.code or 0), output, errors


def test_help_says_what_it_is_for_and_how_to_begin() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output
    assert "steelyard run data.yaml" in shown and "Exit codes" in shown
    for command in ("init", "run", "plan", "validate", "verify", "predict"):
        assert f"│ {command}" in shown
        own = CliRunner().invoke(app, [command, "--help"])
        assert own.exit_code == 0 and f"{command} [OPTIONS]" in own.output
    assert CliRunner().invoke(app, []).output.strip() == shown.strip()


@pytest.mark.parametrize("command", app.registered_commands, ids=lambda command: command.callback.__name__)
def test_lines_of_a_command_s_help_end_with_sentences(command: Any) -> None:
    """typer keeps the line breaks of the source."""
    lines = inspect.cleandoc(command.callback.__doc__).splitlines()
    assert [line for line in lines if line and not line.endswith((".", "sqlite:///STUDY.db"))] == []


def test_what_is_no_model_is_not_compressed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "net.keras"
    for content, says in ((pickle.dumps([1]), f"{path} is a pickle, which runs"), (None, f"{path} does not exist")):
        if content is not None:
            path.write_bytes(content)
        else:
            path.unlink()
        code, output, errors = steelyard(
            monkeypatch, capsys, "compress", path, "--data", "a.csv", "--target", "y", "--print-manifest"
        )
        assert (code, output) == (65, "") and says in errors


def test_version_and_wrong_usage() -> None:
    assert CliRunner().invoke(app, ["--version"]).output == f"steelyard {__version__}\n"
    for wrong in (["run"], ["ran", "x"], ["run", "x", "--workers", "2"], ["run", "x", "-o", "xml"]):
        assert CliRunner().invoke(app, wrong).exit_code == 2


def test_the_shell_completes_commands() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'steelyard'; from steelyard.cli.main import main; main()"],
        env={"_STEELYARD_COMPLETE": "complete_bash", "COMP_WORDS": "steelyard va", "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.stdout.split() == ["validate"], shown.stderr


def test_commands_start_without_the_heavy_libraries() -> None:
    heavy = ("tensorflow", "keras", "numpy", "pandas", "pyarrow", "sklearn", "ai_edge_litert")
    script = f"import sys, steelyard.cli.main; sys.exit(str([name for name in {heavy} if name in sys.modules]))"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert shown.stderr.strip() == "[]"


@pytest.mark.parametrize("command", ["run", "plan", "validate"])
def test_a_bad_manifest_is_one_message_and_78(
    command: str, manifest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, output, errors = steelyard(monkeypatch, capsys, command, manifest, "--set", "training.epoch=5")
    assert (code, output) == (78, "")
    assert errors.startswith("error: ") and "did you mean epochs?" in errors and "Traceback" not in errors
    code, _, errors = steelyard(monkeypatch, capsys, command, manifest.with_name("none.yaml"))
    assert code == 78 and "does not exist" in errors


@pytest.mark.parametrize("command", ["run", "plan", "validate"])
def test_a_missing_source_is_65_with_its_path(
    command: str, manifest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest.with_name("table.csv").unlink()
    code, _, errors = steelyard(monkeypatch, capsys, command, manifest)
    assert code == 65 and str(manifest.with_name("table.csv")) in errors and "dataset.uri" in errors


def test_what_scikit_learn_ships_is_valid_without_a_file(
    manifest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = ("--set", "dataset.uri=sklearn:iris", "--set", "dataset.target=target")
    assert steelyard(monkeypatch, capsys, "validate", manifest, *table)[0] == 0


def test_validate_says_all_mistakes_at_once(
    manifest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert steelyard(monkeypatch, capsys, "validate", manifest)[0] == 0
    (manifest.parent / "taken").mkdir()
    (manifest.parent / "taken/diary.txt").touch()
    arguments = ["--set", "dataset.target=lable", "--set", "dataset.exclude=[c]", "--set", "publish=[{uri: taken}]"]
    code, output, errors = steelyard(monkeypatch, capsys, "validate", manifest, *arguments, "-o", "json")
    document = json.loads(output)
    assert code == document["exitCode"] == 78 and not document["valid"]
    assert [problem["path"] for problem in document["problems"]] == [
        "spec.dataset.target",
        "spec.dataset.exclude[0]",
        "spec.publish[0].uri",
    ]
    assert "a, b, label" in errors and "taken" in errors
    code, _, _ = steelyard(monkeypatch, capsys, "validate", manifest, *arguments[:2])
    assert code == 65
    code, output, _ = steelyard(monkeypatch, capsys, "validate", manifest, "--set", "dataset.uri=1", "-o", "json")
    assert code == 78 and json.loads(output)["problems"][0]["path"] == "spec.dataset.uri"


def test_plan_says_that_rows_are_set_aside_for_students(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], manifest: Path
) -> None:
    for candidate, says in (("Distill", 1), ("Auto", 1), ("Int8", 0)):
        asked = f"compression.candidates=[{candidate}]"
        code, output, _ = steelyard(monkeypatch, capsys, "plan", manifest, "--set", "model={mlp: {}}", "--set", asked)
        assert code == 0
        assert output.count("set aside  a fifth of the training rows, at most 20,000, to steer the search") == says


def test_plan_says_how_many_workers_train_the_students(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], manifest: Path
) -> None:
    for workers, candidate, says in ((2, "Distill", 1), (2, "Int8", 0), (1, "Distill", 0)):
        asked = ("model={mlp: {}}", f"compression.candidates=[{candidate}]", f"training.workers={workers}")
        changes = [part for each in asked for part in ("--set", each)]
        code, output, _ = steelyard(monkeypatch, capsys, "plan", manifest, *changes)
        assert code == 0 and output.count("students   trained by the 2 workers, too") == says
        assert "students are trained" not in steelyard(monkeypatch, capsys, "validate", manifest, *changes)[1]


@pytest.mark.parametrize("command", ["plan", "validate"])
def test_what_a_search_of_candidates_may_cost_is_said_before_it_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], manifest: Path, command: str
) -> None:
    compression = "compression={candidates: [Auto], maxTrainings: 5, maxMinutes: 10}"
    code, output, errors = steelyard(monkeypatch, capsys, command, manifest, "--set", compression)
    costs = "at most 5 trainings and 3 times the work of the model's own training, none begun after 10 minutes"
    assert code == 0 and costs in output, errors
    assert "own training" not in steelyard(monkeypatch, capsys, command, manifest)[1]


@pytest.mark.parametrize("command", ["plan", "validate"])
def test_when_a_stage_has_stalled_is_said_before_it_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], manifest: Path, command: str
) -> None:
    for model, is_one_step in (("{mlp: {}}", False), ("{randomForest: {}}", True)):
        given = ["--set", f"model={model}", "--set", "runPolicy.stallTimeoutSeconds=60"]
        code, output, errors = steelyard(monkeypatch, capsys, command, manifest, *given)
        assert code == 0, errors
        assert ("a fit that takes longer than 60 s counts as stalled" in output) == is_one_step
        assert ("after 60 s without progress a stage starts again" in output) == (command == "plan")


def test_plan_shows_the_stages_and_writes_nothing(
    manifest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, output, _ = steelyard(monkeypatch, capsys, "plan", manifest, "--set", "training.workers=2")
    assert code == 0 and "2 x python -m steelyard_trainer train" in output
    assert str(manifest.parent / "models/tiny") in output and "it was not done yet" in output
    assert sorted(path.name for path in manifest.parent.iterdir()) == ["job.yaml", "table.csv"]


def test_run_with_json_ends_with_an_event_even_where_it_could_not_begin(
    manifest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (["--set", "training.epochs=0"], ["--set", "dataset.uri=none.csv"]):
        code, output, errors = steelyard(monkeypatch, capsys, "run", manifest, *arguments, "-o", "json")
        last = json.loads(output.splitlines()[-1])
        assert (last["event"], last["exitCode"]) == ("runEnded", code) and code in (65, 78)
        assert errors.startswith("error: ")


def test_without_the_trainer_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in ("tensorflow", "keras") else name)
    with pytest.raises(Exception, match=r"no tensorflow, keras\); run: .* -m pip install --editable .*\[trainer\]"):
        check_trainer_is_installed(launch_trainer)


RESULT: dict[str, Any] = {
    "chosen": "Int8",
    "bytes": 250,
    "baselineBytes": 1000,
    "metric": "accuracy",
    "metrics": {"accuracy": [0.975, 0.0082]},
    "metricDrop": 0.004,
    "digest": "sha256:00",
    "candidates": [
        {"name": "Baseline", "bytes": 1000, "metric": 0.98, "latencyMicroseconds": 2.0, "withinBudget": True},
        {"name": "Int8", "bytes": 250, "metric": None, "latencyMicroseconds": 1.0, "withinBudget": False},
    ],
}


def test_the_summary_says_what_it_cost_and_what_to_do_next(manifest: Path) -> None:
    job = LocalJob.load(manifest)
    ended = RunEnded("tiny", "Succeeded", "", 0, 1.0, "", RESULT)
    text = summary(ended, job)
    assert "0.250 of float32 (1,000 bytes), 0.004 less accuracy" in text and "0.975 ± 0.0082" in text
    assert f"steelyard verify {manifest.parent / 'models/tiny'}\n" in text
    assert "loses too much" in text
    # A result document that was too long lacks some of it.
    assert "steelyard predict" in summary(RunEnded("tiny", "AlreadyFinished", "", 0, 1.0, "", {}), job)


def test_the_model_as_it_was_trained_is_shown_by_its_format_whatever_its_version_called_it() -> None:
    lines = outcome_lines(RESULT, [])
    assert any(line.startswith("float32 ") for line in lines) and not any(line.startswith("Baseline") for line in lines)
    candidates = [RESULT["candidates"][0] | {"name": "None"}, RESULT["candidates"][1]]
    assert outcome_lines(RESULT | {"candidates": candidates}, []) == lines
    as_trained = {"chosen": "Baseline", "bytes": 9, "baselineBytes": 9, "baseline": "skops"}
    assert (
        outcome_lines(as_trained, [])
        == outcome_lines(as_trained | {"chosen": "None"}, [])
        == ["chosen      skops, 9 bytes"]
    )


def test_where_not_all_candidates_are_shown_their_number_is() -> None:
    assert outcome_lines(RESULT | {"weighed": 30}, [])[-1] == "2 of 30 candidates; the report has all."
    assert "of 30" not in "".join(outcome_lines(RESULT, []))


def console(*, is_terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=is_terminal, width=120, color_system=None)


def text_of(shown: Console) -> str:
    assert isinstance(shown.file, io.StringIO)
    return shown.file.getvalue()


def test_plain_lines_are_few() -> None:
    shown = console(is_terminal=False)
    lines = PlainLines(shown)
    lines.report(StageStarted("train", 1, 2, "it was not done yet"))
    for worker in (0, 1):
        lines.report(Notice("train", "resumed at epoch 2", "Resumed", worker))
        for epoch in range(1, 2001):
            lines.report(Progress("train", epoch, 2000, "epochs", {"loss": 0.5}, worker))
    lines.report(StageRetried("train", "Crashed", "worker 1 [of train] crashed", 2.0))
    lines.report(StageEnded("train", "Succeeded", "well done", 0, 3.21))
    printed = text_of(shown).splitlines()
    assert printed[0] == "train: started, 2 workers (it was not done yet)"
    assert printed.count("train: resumed at epoch 2") == 1
    assert "train: 2,000/2,000 epochs  loss 0.5" in printed
    assert len(printed) < 30
    assert printed[-3:] == [
        "train: worker 1 [of train] crashed",
        "train: starts again in 2 s",
        "train: done in 3.2 s: well done",
    ]


def test_the_live_table_shows_every_stage() -> None:
    shown = console(is_terminal=True)
    table = LiveTable(shown)
    table.report(StageSkipped("prepare", "nothing changed"))
    table.report(StageStarted("train", 1, 2, "it was not done yet"))
    table.report(Progress("train", 3, 12, "epochs", {"val_accuracy": 0.987654}))
    shown.print(table.render())
    prepare, train, finish = text_of(shown).splitlines()
    assert "skipped" in prepare and "waits" in finish
    assert "runs" in train and "3/12 epochs" in train and "val_accuracy 0.9877" in train and "0:00" in train


def test_every_event_is_json_and_can_be_described() -> None:
    events = [
        StageSkipped("prepare", "m"),
        StageStarted("train", 1, 2, "m"),
        StageRetried("train", "Crashed", "m", 1.0),
        StageEnded("train", "GateFailed", "m", 10, 1.0),
        RunEnded("tiny", "Succeeded", "m", 0, 1.0, "w"),
    ]
    for event in events:
        assert json.loads(json.dumps(event.to_json()))["event"]
        assert "m" in describe(event) or isinstance(event, RunEnded | StageEnded)


def test_the_chosen_line_tells_time_and_what_the_other_end_costs() -> None:
    small = {"name": "Baseline", "bytes": 411_000, "latencyMicroseconds": 5805.04, "withinBudget": True}
    quick = {"name": "Onnx", "bytes": 753_000, "latencyMicroseconds": 8.04, "withinBudget": True}
    found = {"chosen": "Onnx", "bytes": 753_000, "baseline": "skops", "baselineBytes": 411_000, "metric": "accuracy"}
    lines = outcome_lines(found | {"candidates": [small, quick]}, [])
    assert "\n".join(lines).split("\n")[:2] == [
        "chosen      Onnx, 753,000 bytes, 8 us a row: 1.832 of skops (411,000 bytes), "
        "at the same accuracy on the validation set",
        "            the smallest within the budget: skops, 411,000 bytes, 5.8 ms a row",
    ]
    chosen = found | {"chosen": "Baseline", "bytes": 411_000, "candidates": [small, quick]}
    assert "\n".join(outcome_lines(chosen, [])).split("\n")[:2] == [
        "chosen      skops, 411,000 bytes, 5.8 ms a row",
        "            the fastest within the budget: Onnx, 753,000 bytes, 8 us a row",
    ]
    rejected = chosen | {"candidates": [small, quick | {"withinBudget": False}]}
    assert "fastest" not in "\n".join(outcome_lines(rejected, []))
