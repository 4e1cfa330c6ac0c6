"""`steelyard.run` and `steelyard.tune`: real stages, on a table in memory."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from process_support import processes_under, wait_for_none_under

import steelyard
from steelyard.api.training_job import TrainingJob
from steelyard.search.manifest import parse_manifest

GENEROUS_SECONDS = 300


def table(seed: int = 0) -> pd.DataFrame:
    """What flats cost, by size and place."""
    generator = np.random.default_rng(seed)
    size, place = generator.uniform(20, 120, 120).round(1), generator.choice(["north", "south"], 120)
    return pd.DataFrame({"size": size, "place": place, "rent": (10 * size + 50 * (place == "north")).round()})


def manifest(kind: str = "TrainingJob", name: str = "flats", **spec: Any) -> dict[str, Any]:
    """The least that a ridge regression of that table needs; `spec` is put beside."""
    job: dict[str, Any] = {"dataset": {"target": "rent"}, "model": {"ridge": {}}}
    if kind == "TuningJob":
        alpha = {"path": "model.ridge.alpha", "type": "Categorical", "values": [0.1, 100.0]}
        job = {"template": job, "objective": {"metric": "r2"}, "parameters": [alpha], "maxTrials": 2}
        job["algorithm"] = {"name": "Grid"}
    return {"apiVersion": "steelyard.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": job | spec}


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_table_in_memory_becomes_a_model_and_an_equal_one_is_not_prepared_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = manifest()
    result = steelyard.run(given, table().set_index(pd.Index(range(7, 127), name="number")))
    assert given == manifest()
    assert result.is_new and result.model == tmp_path / "models/flats" and result.published == (result.model,)
    assert result.workspace == tmp_path / ".steelyard/flats"
    assert result.metrics["r2"] > 0.99 and result.standard_errors.keys() <= result.metrics.keys()
    assert [each["name"] for each in result.candidates] == [result.chosen] and result.candidates[0]["bytes"] > 0
    assert result.naive_metrics.keys() == result.metrics.keys() and result.naive_metrics["r2"] < 0.1
    assert "prepare: started" in capfd.readouterr().out
    model = steelyard.load(result.model)
    assert model.digest == result.digest and model.features == ["size", "place"]
    assert model.metadata["metrics"]["test"]["r2"]["value"] == result.metrics["r2"]
    np.testing.assert_allclose(model.predict(table()), table()["rent"], rtol=0.1)

    # The same rows from another library; nothing is written to the terminal where it is not wanted.
    again = steelyard.run(given, pl.from_pandas(table()), progress=False)
    assert not again.is_new and again.digest == result.digest and again.metrics == result.metrics
    assert capfd.readouterr() == ("", "")

    # Another value of a field: the data is not prepared again.
    other = steelyard.run(given, table(), overrides={"model.ridge.alpha": 1000.0})
    printed = capfd.readouterr().out
    assert "prepare: skipped" in printed and "train: started (changed: model.ridge.alpha)" in printed
    assert other.is_new and other.metrics["r2"] < result.metrics["r2"]

    # Other rows.
    steelyard.run(given, table(seed=1))
    assert "prepare: started (changed: source)" in capfd.readouterr().out


def test_a_manifest_is_a_file_or_a_model_as_well_and_the_gate_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    table().to_csv(folder / "rows.csv", index=False)
    given = manifest(evaluation={"require": [{"metric": "r2", "minimum": 0.9999999}]})
    given["spec"]["dataset"]["uri"] = "rows.csv"
    file = folder / "job.yaml"
    file.write_text(str(given))
    with pytest.raises(steelyard.SteelyardError, match=r"(?s)r2.*log: .*finish-0\.log") as caught:
        steelyard.run(str(file), overrides={"model.ridge.alpha": 500.0}, progress=False)
    assert (caught.value.reason, caught.value.exit_code) == ("GateFailed", 10)
    good = steelyard.run(file, overrides={"evaluation": {}, "publish": []}, workspace="space", progress=False)
    assert good.model is None and good.published == () and good.metrics["r2"] > 0.99
    assert good.workspace == tmp_path / "space"

    given["spec"]["dataset"]["uri"] = str(folder / "rows.csv")
    job = parse_manifest(given)
    assert isinstance(job, TrainingJob)
    with pytest.raises(steelyard.SteelyardError, match="r2"):
        steelyard.run(job, overrides={"model.ridge.alpha": 500.0}, progress=False)


def test_a_search_finds_the_best_trial_and_publishes_it(capfd: pytest.CaptureFixture[str]) -> None:
    result = steelyard.tune(manifest("TuningJob"), table())
    assert "trial 1" in capfd.readouterr().out
    assert result.is_new and result.metric == "r2" and result.best_trial == 0
    assert result.best_parameters == {"model.ridge.alpha": 0.1}
    trials = pd.DataFrame(result.trials)
    assert trials["trial"].tolist() == [0, 1] and trials["model.ridge.alpha"].tolist() == [0.1, 100.0]
    assert trials["r2"][0] == result.best_value > trials["r2"][1]
    assert result.model is not None and (result.model / "search.html").exists() and result.metrics["r2"] > 0.99
    again = steelyard.tune(manifest("TuningJob"), table(), progress=False)
    assert not again.is_new and again.trials == result.trials and again.digest == result.digest


def test_an_interruption_ends_all_processes(tmp_path: Path) -> None:
    table().to_csv("rows.csv", index=False)
    program = (
        "import pandas, steelyard\n"
        f"steelyard.run({manifest(model={'mlp': {}}, training={'epochs': 10000})!r}, pandas.read_csv('rows.csv'))"
    )
    run = subprocess.Popen(
        [sys.executable, "-u", "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    assert run.stdout is not None
    assert any(line.startswith("train: ") and "epochs" in line for line in run.stdout)
    assert processes_under(tmp_path)
    os.kill(run.pid, signal.SIGINT)
    _, errors = run.communicate(timeout=GENEROUS_SECONDS)
    assert run.returncode == -signal.SIGINT
    assert errors.splitlines()[-1].startswith("KeyboardInterrupt: interrupted by SIGINT during train")
    assert wait_for_none_under(tmp_path, seconds=5) == []


def test_mistakes_are_the_librarys_own_errors(tmp_path: Path) -> None:
    with pytest.raises(steelyard.ManifestError, match=r"spec\.model"):
        steelyard.run(manifest(model={"ridgy": {}}), table())
    with pytest.raises(steelyard.ManifestError, match=r"spec\.dataset\.uri: this field is needed"):
        steelyard.run(manifest())
    with pytest.raises(steelyard.ConfigurationError, match=r"a TuningJob, which steelyard\.tune runs"):
        steelyard.run(manifest("TuningJob"), table())  # type: ignore[arg-type]
    with pytest.raises(steelyard.ConfigurationError, match=r"a TrainingJob, which steelyard\.run runs"):
        steelyard.tune(manifest(), table())
    with pytest.raises(steelyard.ConfigurationError, match="a list is no manifest"):
        steelyard.run([])  # type: ignore[arg-type]
    with pytest.raises(
        steelyard.ConfigurationError, match=r"overrides, training\.epochs: spec\.training is 3, which has no field"
    ):
        steelyard.run(manifest(training=3), table(), overrides={"training.epochs": 5})
    with pytest.raises(steelyard.ConfigurationError, match="claims, models: there is no folder"):
        steelyard.run(manifest(), table(), claims={"models": tmp_path / "none"})
    with pytest.raises(steelyard.DataError, match="a list is no table"):
        steelyard.run(manifest(), [1])  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
    gap = table().astype({"rent": object}).set_index(pd.Index(range(1000, 1120)))
    gap.iloc[3, 2] = None
    with pytest.raises(steelyard.DataError, match=r"(?s)rent.*row 4 \(index 1003\).*log: ") as caught:
        steelyard.run(manifest(), gap, progress=False)
    assert caught.value.exit_code == 65 and "input.parquet" not in caught.value.message


def test_only_the_main_thread_may_run_a_job(tmp_path: Path) -> None:
    raised: list[Exception] = []

    def elsewhere() -> None:
        try:
            steelyard.run(manifest(), table())
        except steelyard.SteelyardError as error:
            raised.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "main thread" in str(raised[0]) and list(tmp_path.iterdir()) == []
