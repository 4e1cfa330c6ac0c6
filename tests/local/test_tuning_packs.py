"""The local runner of searches whose trials share a process."""

import json
import os
import shutil
from pathlib import Path

import pytest
from search_support import Programs, run_search, trees, tuning_job
from search_watching import COUNT_RUNNING, CRASH, most_running

from steelyard.search.events import (
    TrialStarted,
    TrialTold,
)


def test_packed_trials_give_the_same_log_by_one_process(tmp_path: Path) -> None:
    logs = []
    for placement in ("Pods", "Packed"):
        folder = tmp_path / placement
        folder.mkdir()
        programs = Programs()
        run = run_search(folder, tuning_job(folder, model="randomForest", placement=placement), programs)
        assert run.error is None
        logs.append(run.answers)
        expected = [f"{number:04}" for number in range(6)] if placement == "Pods" else ["pack"]
        assert programs.done == sorted(["prepare", *expected, "finish"])
    assert logs[0] == logs[1]
    assert programs.environments[1]["STEELYARD_PACK_PROCESSES"] == "2"


def test_networks_share_a_process_with_the_threads_of_one_and_leave_their_models_as_apart(tmp_path: Path) -> None:
    """Short ones, and only where nothing is said."""
    programs = Programs()
    left = 'for number, folder in json.loads(file.read_text())["workspaces"].items():\n        '
    left += 'made(pathlib.Path(folder) / "trained/training.json", number)'
    say = 'say(stage="train", event="progress", done=1, total=2, unit="epochs", trial=4, worker=0)'
    programs.pack = programs.pack.replace("    for each in", f"    {left}\n    {say}\n    for each in")
    run = run_search(tmp_path, tuning_job(tmp_path, placement="Auto"), programs)
    assert run.error is None and programs.done == ["0000", "0001", "finish", "pack", "prepare"]
    assert [event.is_packed for event in run.of(TrialStarted)] == [False] * 2 + [True] * 4
    threads = max(1, len(os.sched_getaffinity(0)) // 2)
    assert {each["STEELYARD_THREADS"] for each in programs.environments[1:4]} == {str(threads)}
    # What a trial says while it runs is its own.
    assert [(event.number, event.told.unit) for event in run.of(TrialTold)] == [(4, "epochs")]
    # Only the best trial's model is kept, and the last job begins with it.
    trials = tmp_path / ".steelyard/search/trials"
    assert [path.parent.name for path in trials.glob("*/trained")] == ["0002"]
    best = json.loads((tmp_path / ".steelyard/search/best/job.json").read_text())["spec"]
    assert best["trained"] == {"uri": ".steelyard/search/trials/0002/trained"}


def test_a_pack_takes_forty_trials_and_as_many_as_run_at_once_where_trials_need_results(tmp_path: Path) -> None:
    def rounds() -> list[int]:
        """How many trials one process was given, at first and later."""
        (pack,) = (tmp_path / ".steelyard/search/packs").iterdir()
        files = [pack / "pack.json", *sorted((pack / "rounds").iterdir())]
        return [len(json.loads(file.read_text())["trials"]) for file in files]

    programs = Programs()
    tuning = tuning_job(tmp_path, model="randomForest", placement="Packed", parameters=trees(50), maxTrials=50)
    assert run_search(tmp_path, tuning, programs).error is None
    assert programs.started.count("pack") == 1 and rounds() == [40, 10]
    programs = Programs()
    learning = tuning_job(tmp_path, model="randomForest", placement="Packed", algorithm={"name": "TPE"})
    assert run_search(tmp_path, learning, programs).error is None
    assert programs.started.count("pack") == 1 and rounds() == [2, 2, 2]


@pytest.mark.parametrize(("seconds", "expected"), [(1.5, ["pack"]), (12.0, ["0002", "0003", "0004", "0005"])])
def test_the_first_trials_tell_whether_the_others_share_a_process(
    tmp_path: Path, seconds: float, expected: list[str]
) -> None:
    programs = Programs()
    programs.train = programs.train.replace("value))", f"value, 'C', {seconds}))")
    run = run_search(tmp_path, tuning_job(tmp_path, model="randomForest"), programs)
    assert run.error is None
    assert sorted(programs.started[1:3]) == ["0000", "0001"]
    assert [name for name in programs.done if name not in ("0000", "0001", "finish", "prepare")] == expected
    assert [event.is_packed for event in run.of(TrialStarted)][2:] == [expected == ["pack"]] * 4


def test_a_pack_that_dies_keeps_its_answers_and_the_rest_goes_on_apart(tmp_path: Path) -> None:
    programs = Programs()
    programs.pack = programs.pack.replace("        say(", f"        if answer(each)[0] == 3: {CRASH}\n        say(")
    tuning = tuning_job(tmp_path, model="randomForest", placement="Packed")
    run = run_search(tmp_path, tuning, programs)
    assert run.error is None
    assert programs.done == ["0003", "0004", "0005", "finish", "pack", "prepare"]
    assert [entry.state for entry in run.entries] == ["Complete"] * 6


def test_what_a_pack_leaves_open_runs_as_many_at_a_time_as_the_manifest_says(tmp_path: Path) -> None:
    programs = Programs()
    programs.pack = CRASH
    programs.train = COUNT_RUNNING + programs.train
    tuning = tuning_job(tmp_path, model="randomForest", placement="Packed", parallelTrials=2)
    run = run_search(tmp_path, tuning, programs)
    assert run.error is None and len(run.entries) == 6
    assert most_running(tmp_path) == 2


def test_a_pack_that_can_not_be_started_is_explained(tmp_path: Path) -> None:
    run_search(tmp_path, tuning_job(tmp_path, model="randomForest", placement="Packed", maxTrials=2), Programs())
    packs = tmp_path / ".steelyard/search/packs"
    shutil.rmtree(packs)
    packs.touch()
    with pytest.raises(NotADirectoryError):
        run_search(tmp_path, tuning_job(tmp_path, model="randomForest", placement="Packed"), Programs())
