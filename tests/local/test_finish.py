"""The stage finish for real: Keras models are converted, measured in LiteRT, chosen, judged and published."""

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from candidates_support import kept_candidates
from finish_support import ALL, DIGITS, FinishStage, outputs_of, report_of
from keras.saving import load_model
from sklearn.metrics import accuracy_score

from steelyard.api.errors import ConfigurationError, SteelyardError
from steelyard.contract.package import SUMS_FILE, files_of
from steelyard.contract.report import ConfusionReport, PublishedReport
from steelyard.contract.stages import Reason
from steelyard.report.model import report_page
from steelyard.report.told import Told
from steelyard.stores.integrity import digest_of, verify
from steelyard.stores.registry import store_at
from steelyard.stores.surroundings import Surroundings
from steelyard_trainer.evaluation.evidence import errors_of


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> FinishStage:
    """Published with all candidates into the folder `model`."""
    stage = FinishStage.ready(tmp_path_factory.mktemp("digits"), DIGITS)
    stage.outcome = stage.finish(publish=[{"uri": "model"}], **ALL)  # type: ignore[attr-defined]
    return stage


@pytest.fixture
def model(digits: FinishStage, tmp_path: Path) -> Path:
    """A copy of the published model, to be harmed."""
    return shutil.copytree(digits.folder / "model", tmp_path / "model")


def types_in(content: bytes) -> set[str]:
    interpreter = Interpreter(model_content=content)
    return {np.dtype(tensor["dtype"]).name for tensor in interpreter.get_tensor_details()}


def contents(digits: FinishStage) -> dict[str, bytes]:
    kept = kept_candidates(digits.workspace)
    return {name: (folder / "model/model.tflite").read_bytes() for name, folder in kept.items()}


def test_every_candidate_is_what_it_says(digits: FinishStage) -> None:
    made = contents(digits)
    assert {name: types_in(content) for name, content in made.items()} == {
        "Baseline": {"float32"},
        "DynamicRange": {"float32", "int8"},
        "Float16": {"float32", "float16"},
        "Int8": {"float32", "int8", "int32"},
    }
    sizes = {name: len(content) for name, content in made.items()}
    assert sizes["DynamicRange"] < 0.4 * sizes["Baseline"]
    assert sizes["Int8"] < 0.5 * sizes["Baseline"]
    assert 0.45 * sizes["Baseline"] < sizes["Float16"] < 0.6 * sizes["Baseline"]


def test_candidates_are_measured_on_the_validation_part(digits: FinishStage) -> None:
    validation = digits.prepared().read("validation")
    candidates = report_of(digits.folder / "model")["choice"]["candidates"]
    assert [candidate["name"] for candidate in candidates] == ["Baseline", "DynamicRange", "Float16", "Int8"]
    for candidate in candidates:
        content = contents(digits)[candidate["name"]]
        expected = accuracy_score(validation.targets, outputs_of(content, validation.features).argmax(1))
        assert candidate["validation"]["accuracy"]["value"] == expected
        assert candidate["bytes"] == len(content)
        assert 0 < candidate["latencyMicroseconds"] < 10_000
    baseline = candidates[0]["validation"]["accuracy"]["value"]
    assert all(c["drop"] == baseline - c["validation"]["accuracy"]["value"] for c in candidates)


def test_the_smallest_within_the_budget_is_published(digits: FinishStage) -> None:
    report = report_of(digits.folder / "model")
    within = [c for c in report["choice"]["candidates"] if c["drop"] <= 0.01]
    best = min(within, key=lambda candidate: candidate["bytes"])
    assert len(within) > 1
    assert report["choice"]["chosen"] == best["name"] != "Baseline"
    assert (digits.folder / "model/model.tflite").read_bytes() == contents(digits)[best["name"]]


def test_the_figures_of_every_part_are_those_of_the_published_file(digits: FinishStage) -> None:
    content = (digits.folder / "model/model.tflite").read_bytes()
    metrics = report_of(digits.folder / "model")["metrics"]
    for split in ("train", "validation", "test"):
        examples = digits.prepared().read(split)
        accuracy = accuracy_score(examples.targets, outputs_of(content, examples.features).argmax(1))
        assert metrics[split]["accuracy"]["value"] == accuracy > 0.9
        error = np.sqrt(accuracy * (1 - accuracy) / len(examples.targets))
        assert metrics[split]["accuracy"]["standardError"] == pytest.approx(error)


def test_the_summary_is_that_of_the_report(digits: FinishStage) -> None:
    summary = digits.outcome.summary  # type: ignore[attr-defined]
    report = report_of(digits.folder / "model")
    assert summary["chosen"] == report["choice"]["chosen"]
    assert summary["bytes"] == (digits.folder / "model/model.tflite").stat().st_size
    assert summary["baselineBytes"] == len(contents(digits)["Baseline"])
    assert summary["metric"] == "accuracy"
    assert summary["metrics"] == {n: [f["value"], f["standardError"]] for n, f in report["metrics"]["test"].items()}
    assert summary["digest"] == digest_of(digits.folder / "model")
    assert summary["published"] == [str(digits.folder / "model")]
    assert len(json.dumps(summary)) < 3000


def test_the_published_folder_is_whole(digits: FinishStage) -> None:
    model = digits.folder / "model"
    assert sorted(path.name for path in model.iterdir()) == sorted([*files_of("LiteRT"), SUMS_FILE])
    assert verify(model, digits.outcome.summary["digest"]) == []  # type: ignore[attr-defined]
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", SUMS_FILE], cwd=model, capture_output=True, check=False
    )
    assert checked.returncode == 0
    assert [path.name for path in digits.folder.iterdir() if path.name.startswith(".")] == []


def test_the_report_holds_the_evidence(digits: FinishStage) -> None:
    report = report_of(digits.folder / "model")
    assert report["manifest"]["spec"]["dataset"] == DIGITS
    assert report["dataset"]["fingerprint"] == digits.prepared().fingerprint
    assert report["dataset"]["rows"] == {"train": 1257, "validation": 180, "test": 360}
    assert {"steelyard", "python", "tensorflow", "keras", "numpy", "ai-edge-litert"} <= report["versions"].keys()
    assert report["training"]["atBestEpoch"] == {"loss": 0.1} and report["training"]["history"] == {"loss": [0.2, 0.1]}


def test_the_page_has_every_epoch_and_the_candidates(digits: FinishStage) -> None:
    page = (digits.folder / "model/report.html").read_text()
    history = json.loads(digits.workspace.training_file.read_text())["history"]
    curves = re.findall(r'<polyline points="([^"]*)" class="(first|second)"', page)
    assert len(curves) == len(history) and {len(points.split()) for points, _ in curves} == {len(history["loss"])}
    # `show` makes it again from the folder alone.
    assert report_page(Told(PublishedReport.read(digits.folder / "model"))) == page
    for candidate in report_of(digits.folder / "model")["choice"]["candidates"]:
        name = "float32" if candidate["name"] == "Baseline" else candidate["name"]
        assert f"<title>{name}: {candidate['bytes']:,} bytes, " in page


def test_what_compression_changed_is_told_of_the_test_set_beside_a_linear_model(digits: FinishStage) -> None:
    report = PublishedReport.read(digits.folder / "model")
    before, test = report.before, digits.prepared().read("test")
    assert before is not None and before.answers is not None and isinstance(before.errors, ConfusionReport)
    outputs = load_model(digits.workspace.model_file).predict(test.features, verbose=0)
    assert before.errors == errors_of(digits.prepared().classes, test.targets, outputs)
    assert before.answers.rows == len(test.targets)
    gained = report.metrics["test"]["accuracy"].value - before.metrics["accuracy"].value
    assert gained * before.answers.rows == pytest.approx(before.answers.won - before.answers.lost)
    # A linear model is fitted on the same rows, and judged on the same.
    assert report.headroom is not None and report.headroom.rows == len(digits.prepared().read("train").targets)
    assert 0.9 < report.headroom.linear.value < 1
    assert all(each.made and each.made.seconds > 0 and each.made.work is None for each in report.choice.candidates)
    times = {each.name: each.times for each in report.choice.candidates}
    assert times["Baseline"] and times["Baseline"].against_baseline is None
    assert all(each and each.against_baseline for name, each in times.items() if name != "Baseline")


def test_the_card_says_the_figures(digits: FinishStage) -> None:
    card = (digits.folder / "model/README.md").read_text()
    report = report_of(digits.folder / "model")
    for part in report["metrics"].values():
        assert f"{part['accuracy']['value']:.4g} ± {part['accuracy']['standardError']:.2g}" in card
    for candidate in report["choice"]["candidates"]:
        name = "float32" if candidate["name"] == "Baseline" else candidate["name"]
        assert f"| {name} | {candidate['bytes']:,} |" in card
    assert report["dataset"]["fingerprint"] in card


def test_the_keras_model_computes_the_same_and_bears_no_date(digits: FinishStage) -> None:
    path = digits.folder / "model/model.keras"
    test = digits.prepared().read("test").features
    outputs = load_model(path).predict(test, verbose=0)
    np.testing.assert_allclose(outputs, outputs_of(contents(digits)["Baseline"], test), atol=1e-5)
    with zipfile.ZipFile(path) as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}
        assert "date" not in archive.read("metadata.json").decode()


@pytest.mark.parametrize("name", [*sorted(files_of("LiteRT")), SUMS_FILE])
def test_one_flipped_bit_in_any_published_file_is_found(model: Path, name: str) -> None:
    whole = (model / name).read_bytes()
    for position in {0, 1, len(whole) // 3, len(whole) // 2, len(whole) - 2, len(whole) - 1}:
        flipped = bytearray(whole)
        flipped[position] ^= 0x20
        (model / name).write_bytes(flipped)
        problems = verify(model)
        assert problems, position
        assert name == SUMS_FILE or [problem.file for problem in problems] == [name]
    (model / name).write_bytes(whole)
    assert verify(model) == []


def test_finishing_again_changes_nothing(digits: FinishStage) -> None:
    """Neither are candidates made again, nor is the model published again."""
    watched = [*digits.workspace.finished.rglob("*.tflite"), *(digits.folder / "model").iterdir()]
    before = [path.stat() for path in watched]
    again = digits.finish(publish=[{"uri": "model"}], **ALL)
    assert again == digits.outcome  # type: ignore[attr-defined]
    assert [path.stat()[:10] for path in watched] == [stat[:10] for stat in before]
    assert [(path.stat().st_ino, path.stat().st_mtime_ns) for path in watched] == [
        (stat.st_ino, stat.st_mtime_ns) for stat in before
    ]


def test_what_an_attempt_that_was_killed_left_is_made_again(digits: FinishStage) -> None:
    kept = kept_candidates(digits.workspace)
    files = {name: folder / "model/model.tflite" for name, folder in kept.items()}
    whole, untouched = files["Int8"].read_bytes(), files["Float16"].stat().st_mtime_ns
    files["Int8"].write_bytes(whole[:100])
    (kept["DynamicRange"] / "measured.json").unlink()
    (next(digits.workspace.finished.iterdir()) / "partial-1").mkdir()
    (next(digits.workspace.finished.iterdir()) / "Int8.tflite").touch()  # Of an earlier version.
    digits.finish(publish=[{"uri": "again"}], **ALL)
    assert files["Int8"].read_bytes() == whole
    assert kept_candidates(digits.workspace) == kept
    assert files["Float16"].stat().st_mtime_ns == untouched
    (folder,) = digits.workspace.finished.iterdir()
    assert sorted(folder.iterdir()) == sorted(kept.values())
    assert verify(digits.folder / "again") == []


def test_latency_can_be_the_objective(digits: FinishStage) -> None:
    wanted = {"candidates": ["DynamicRange", "Float16", "Int8"], "objective": "Latency", "maxMetricDrop": 1}
    summary = digits.finish(publish=[{"uri": "fast"}], compression=wanted).summary
    fastest = min(summary["candidates"], key=lambda candidate: candidate["latencyMicroseconds"])
    assert summary["chosen"] == fastest["name"]


def test_a_gate_that_is_not_met_publishes_nothing(digits: FinishStage) -> None:
    before = digest_of(digits.folder / "model")
    evaluation = {"require": [{"metric": "accuracy", "minimum": 0.9999}], "maxGeneralizationGap": 0.0001}
    places = [{"uri": "model"}, {"uri": "nothing"}]
    code, result, errors = digits.run(publish=places, evaluation=evaluation, **ALL)
    metrics = report_of(digits.folder / "model")["metrics"]
    train, test = (metrics[split]["accuracy"]["value"] for split in ("train", "test"))
    assert (code, result.reason) == (10, Reason.GATE_FAILED)
    for figure in (f"{test:.6g} ±", "at least 0.9999", f"{train:.6g} ±", f"{train - test:.6g}", "at most 0.0001"):
        assert figure in result.message
    assert "Traceback" not in errors
    assert not (digits.folder / "nothing").exists()
    assert digest_of(digits.folder / "model") == before


def test_the_bound_of_the_gap_is_on_the_test_part(digits: FinishStage) -> None:
    metrics = report_of(digits.folder / "model")["metrics"]
    gap = metrics["train"]["accuracy"]["value"] - metrics["test"]["accuracy"]["value"]
    assert gap > 0
    digits.finish(publish=[{"uri": "model"}], evaluation={"maxGeneralizationGap": gap + 1e-6}, **ALL)
    with pytest.raises(SteelyardError, match="a gap of"):
        digits.finish(publish=[{"uri": "model"}], evaluation={"maxGeneralizationGap": gap - 1e-6}, **ALL)


# Where the model goes


def test_places_that_are_occupied_are_refused_before_any_work(digits: FinishStage) -> None:
    (digits.folder / "file").touch()
    (digits.folder / "folder").mkdir()
    (digits.folder / "folder/thesis.txt").write_text("dear")
    annotated = shutil.copytree(digits.folder / "model", digits.folder / "annotated")
    (annotated / "notes.txt").write_text("dear too")
    digits.workspace.training_file.rename(digits.workspace.root / "away")
    try:
        for place, said in (("file", "is a file"), ("folder", "no published model"), ("annotated", "notes.txt")):
            with pytest.raises(ConfigurationError, match=said) as caught:
                digits.finish(publish=[{"uri": place}])
            assert caught.value.reason == Reason.TARGET_OCCUPIED
    finally:
        (digits.workspace.root / "away").rename(digits.workspace.training_file)
    assert (digits.folder / "folder/thesis.txt").read_text() == "dear"
    assert (annotated / "notes.txt").read_text() == "dear too"


def test_an_empty_folder_is_filled_and_a_damaged_model_replaced(digits: FinishStage) -> None:
    (digits.folder / "empty").mkdir()
    damaged = shutil.copytree(digits.folder / "model", digits.folder / "damaged")
    (damaged / "model.tflite").write_bytes(b"")
    (damaged / SUMS_FILE).unlink()
    digits.finish(publish=[{"uri": "empty"}, {"uri": "damaged"}], **ALL)
    assert verify(digits.folder / "empty") == verify(damaged) == []


def test_a_place_inside_another_is_refused(digits: FinishStage) -> None:
    (digits.folder / "link").symlink_to(digits.folder / "one")  # The manifest's own rule compares the words alone.
    with pytest.raises(ConfigurationError, match="published to as well"):
        digits.finish(publish=[{"uri": "one"}, {"uri": "link/two"}])


def test_a_full_disk_leaves_nothing(digits: FinishStage, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"mounting a tmpfs is not permitted: {mounted.stderr.strip()}")
    try:
        code, result, errors = digits.run(publish=[{"uri": str(disk / "model")}], **ALL)
        assert (code, result.reason) == (78, Reason.NO_SPACE)
        assert str(disk / "model") in result.message
        assert "Traceback" not in errors
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_kill_while_publishing_leaves_a_whole_model_or_none(digits: FinishStage, tmp_path: Path) -> None:
    """Two models take each other's place as fast as can be, until the process is killed."""
    first = digits.folder / "model"
    digits.finish(publish=[{"uri": "other"}])
    second = digits.folder / "other"
    assert digest_of(first) != digest_of(second)
    script = (
        "import sys; from pathlib import Path\n"
        "from steelyard.stores.integrity import digest_of\n"
        "from steelyard.stores.registry import store_at\n"
        "from steelyard.stores.surroundings import Surroundings\n"
        "target, *packages = map(Path, sys.argv[1:])\n"
        "store = store_at(str(target), Surroundings(target.parent))\n"
        "while True:\n"
        "    for package in packages:\n"
        "        store.put(package, digest_of(package))\n"
        "        print('published', flush=True)"
    )
    target = tmp_path / "place" / "model"
    pause = random.Random(7)
    found: list[str | None] = []
    for _ in range(20):
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(target), str(first), str(second)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(pause.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if target.exists():
            assert verify(target) == []
        found.append(digest_of(target) if target.exists() else None)
    assert {digest_of(first), digest_of(second)} & set(found)
    store_at(str(target), Surroundings(tmp_path)).put(first, digest_of(first))
    assert list(target.parent.iterdir()) == [target]


def test_nothing_is_published_where_the_manifest_names_no_place(digits: FinishStage) -> None:
    outcome = digits.finish()
    assert outcome.summary["published"] == []
    assert "published nowhere" in outcome.message
