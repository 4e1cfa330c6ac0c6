"""The local runner of searches with programs of a few lines: order, packs, resumes, failures, signals."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from search_support import Programs, rates, run_search, trees, tuning_job

from steelyard.api.errors import ConfigurationError
from steelyard.api.training_job import TrainingJob
from steelyard.contract.events import RunEnded, StageStarted
from steelyard.contract.stages import Notice
from steelyard.search.events import (
    NewBest,
    SearchEnded,
    SearchEvent,
    SearchStarted,
    TrialEnded,
    TrialStarted,
    TrialTold,
)
from steelyard.search.log import SearchDocument
from steelyard.tuning.trials import trial_job

HERE = Path(__file__).parent
HANG = "time.sleep(600)"
CRASH = "os.kill(os.getpid(), signal.SIGKILL)"


def when(kind: type, number: int, act: Callable[[], None]) -> Callable[[SearchEvent], None]:
    """A watcher that acts once, at the event of a kind about a trial."""
    left = [act]

    def watch(event: SearchEvent) -> None:
        about = event.entry.number if isinstance(event, TrialEnded) else getattr(event, "number", None)
        if left and isinstance(event, kind) and about == number:
            left.pop()()

    return watch


# Has each trial note how many of them run.
COUNT_RUNNING = """
running = workspace.parent / "running"
running.mkdir(exist_ok=True)
(running / str(os.getpid())).touch()
time.sleep(0.3)
made(workspace / "seen", str(len(list(running.iterdir()))))
(running / str(os.getpid())).unlink()
"""


def most_running(folder: Path) -> int:
    return max(int(path.read_text()) for path in (folder / ".steelyard/search/trials").glob("*/seen"))


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_the_data_is_prepared_once_the_trials_run_and_the_best_is_published(tmp_path: Path) -> None:
    programs = Programs()
    # One at a time, as of two either may end first.
    run = run_search(tmp_path, tuning_job(tmp_path, parallelTrials=1), programs)
    assert run.error is None
    assert programs.started[0] == "prepare" and programs.started[-1] == "finish"
    assert sorted(programs.started[1:-1]) == [f"{number:04}" for number in range(6)]
    assert [entry.values["training.optimizer.learningRate"] for entry in run.entries] == [
        0.01, 0.02, 0.03, 0.04, 0.05, 0.06
    ]  # fmt: skip
    assert [event.entry.number for event in run.of(NewBest)] == [0, 1, 2]
    (ended,) = run.of(SearchEnded)
    assert (ended.reason, ended.best["trial"], ended.best["value"]) == ("Succeeded", 2, 1.0)
    assert ended.trials == {"created": 6, "running": 0, "complete": 6, "pruned": 0, "failed": 0, "repeated": 0}
    assert run.events[-1] == run.of(RunEnded)[0] and run.events[-1].summary["chosen"] == "Int8"
    assert (tmp_path / "models/search/SHA256SUMS").exists()
    # Only the best trial's model is kept, and the last job begins with it.
    trials = tmp_path / ".steelyard/search/trials"
    assert [path.parent.name for path in trials.glob("*/trained")] == ["0002"]
    best = json.loads((tmp_path / ".steelyard/search/best/job.json").read_text())["spec"]
    assert best["trained"] == {"uri": ".steelyard/search/trials/0002/trained"}
    assert best["dataset"]["uri"] == ".steelyard/search/data/prepared"
    handed = json.loads(Path(programs.environments[-1]["STEELYARD_SEARCH_FILE"]).read_text())
    assert (handed["name"], len(handed["log"])) == ("search", 6)
    assert all("STEELYARD_SEARCH_FILE" not in each for each in programs.environments[:-1])


def test_trials_run_as_many_at_a_time_as_the_manifest_says_and_share_the_processors(tmp_path: Path) -> None:
    programs = Programs()
    programs.train = COUNT_RUNNING + programs.train
    tuning = tuning_job(tmp_path, parallelTrials=3)
    assert run_search(tmp_path, tuning, programs).error is None
    assert most_running(tmp_path) == 3
    threads = max(1, len(os.sched_getaffinity(0)) // 3)
    assert {each["STEELYARD_THREADS"] for each in programs.environments[1:-1]} == {str(threads)}


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


def test_a_failed_trial_is_in_the_log_with_its_reason_and_too_many_fail_the_search(tmp_path: Path) -> None:
    programs = Programs()
    failing = "number, value = answer(job)\nif number in (1, 2): end(65, 'InvalidData', 'column b is bad')\n"
    programs.train = failing + programs.train
    run = run_search(tmp_path, tuning_job(tmp_path), programs)
    assert run.error is None
    assert [entry.state for entry in run.entries] == [
        "Complete",
        "Failed",
        "Failed",
        "Complete",
        "Complete",
        "Complete",
    ]
    assert run.entries[1].reason == "InvalidData: column b is bad"
    ended = run.of(SearchEnded)[0]
    assert ended.trials["failed"] == 2 and ended.best["trial"] == 3
    (tmp_path / "few").mkdir()
    few = run_search(tmp_path / "few", tuning_job(tmp_path / "few", maxFailedTrials=1, parallelTrials=1), programs)
    assert few.error is not None and few.error.reason == "TooManyFailedTrials"
    assert "column b is bad" in few.error.message and len(few.entries) == 3
    assert not (tmp_path / "few/models").exists()


def test_a_trial_that_crashes_is_started_again_as_often_as_the_template_says(tmp_path: Path) -> None:
    programs = Programs()
    program = f"""
mark = workspace / "crashed"
if not mark.exists():
    mark.touch(); {CRASH}
"""
    programs.train = program + programs.train
    assert run_search(tmp_path, tuning_job(tmp_path), programs).error is None
    assert programs.started.count("0000") == 2
    (tmp_path / "never").mkdir()
    tuning = tuning_job(tmp_path / "never", template={"runPolicy": {"backoffLimit": 0}}, maxFailedTrials=0)
    run = run_search(tmp_path / "never", tuning, programs)
    assert run.error is not None and run.error.reason == "TooManyFailedTrials"
    assert run.entries[0].reason.startswith("BackoffLimitExceeded: train crashed once")
    assert "SIGKILL" in run.of(TrialEnded)[0].reason


def test_a_pruned_trial_has_not_failed_and_is_not_the_best(tmp_path: Path) -> None:
    programs = Programs()
    programs.train = programs.train.replace(
        "report(number, value)", "report(number, value, 'P' if number % 2 else 'C')"
    )
    run = run_search(tmp_path, tuning_job(tmp_path, parameters=rates(3), maxTrials=3), programs)
    assert run.error is None
    assert [entry.state for entry in run.entries] == ["Complete", "Pruned", "Complete"]
    assert run.of(SearchEnded)[0].trials["pruned"] == 1
    programs.train = programs.train.replace("'P' if number % 2 else 'C'", "'P'")
    none = run_search(tmp_path, tuning_job(tmp_path, parameters=rates(2), maxTrials=2), programs)
    assert none.error is not None and none.error.reason == "NoAnswer" and "2 pruned" in none.error.message


def test_an_interrupted_search_goes_on_where_it_stopped_and_ends_with_the_log_of_one_that_was_not(
    tmp_path: Path,
) -> None:
    """Trial 2 hangs in the first run, so that its answer is missing while later ones might be there."""
    spec: dict[str, Any] = {
        "algorithm": {"name": "Random"},
        "parallelTrials": 2,
        "maxTrials": 8,
        "parameters": rates(20),
    }
    (tmp_path / "whole").mkdir()
    whole = run_search(tmp_path / "whole", tuning_job(tmp_path / "whole", **spec), Programs())
    programs = Programs()
    programs.train = f"number, value = answer(job)\nif number == 2: {HANG}\n" + programs.train
    began = time.monotonic()
    first = run_search(tmp_path, tuning_job(tmp_path, **spec), programs, watch=when(TrialEnded, 4, interrupt))
    assert time.monotonic() - began < 20
    assert first.error is not None and (first.error.reason, first.error.exit_code) == ("Interrupted", 130)
    assert "run the same command again" in first.error.message
    assert [entry.number for entry in first.entries] == [0, 1, 3, 4]
    again = Programs()
    second = run_search(tmp_path, tuning_job(tmp_path, **spec), again)
    assert second.error is None
    assert again.done == ["0002", "0005", "0006", "0007", "finish"]
    assert second.answers == whole.answers


def test_a_search_that_learns_asks_the_same_after_an_interruption(tmp_path: Path) -> None:
    spec: dict[str, Any] = {
        "algorithm": {"name": "TPE", "startupTrials": 2},
        "parameters": [{"path": "training.optimizer.learningRate", "type": "Double", "min": 0.001, "max": 0.1}],
        "maxTrials": 7,
    }
    (tmp_path / "whole").mkdir()
    whole = run_search(tmp_path / "whole", tuning_job(tmp_path / "whole", **spec), Programs())
    assert len({entry.values["training.optimizer.learningRate"] for entry in whole.entries}) == 7
    for number in (1, 4):
        run = run_search(tmp_path, tuning_job(tmp_path, **spec), Programs(), watch=when(TrialEnded, number, interrupt))
        assert run.error is not None and run.error.reason == "Interrupted"
    last = run_search(tmp_path, tuning_job(tmp_path, **spec), Programs())
    assert last.answers == whole.answers


def test_what_is_packed_keeps_its_answers_when_interrupted(tmp_path: Path) -> None:
    programs = Programs()
    programs.pack = programs.pack.replace("        say(", f"        if answer(each)[0] == 2: {HANG}\n        say(")
    tuning = tuning_job(tmp_path, model="randomForest", placement="Packed")
    run = run_search(tmp_path, tuning, programs, watch=when(TrialEnded, 1, interrupt))
    assert run.error is not None and run.error.exit_code == 130
    assert [entry.number for entry in run.entries] == [0, 1]
    again = Programs()
    assert run_search(tmp_path, tuning, again).error is None
    pack = tmp_path / ".steelyard/search/packs/0002/pack.json"
    assert [each["spec"]["trial"]["number"] for each in json.loads(pack.read_text())["trials"]] == [2, 3, 4, 5]


def test_a_runner_that_is_killed_loses_nothing_that_it_has_told(tmp_path: Path) -> None:
    """Killed at each of several answers. One trial at a time: two may be answered at once, and are told one by one."""
    script = f"""
import os, signal, sys
sys.path[:0] = {[str(HERE), str(HERE.parent)]}
from pathlib import Path
from search_support import Programs, run_search, tuning_job
from steelyard.search.events import TrialEnded
folder, at = Path(sys.argv[1]), int(sys.argv[2])
def watch(event):
    if isinstance(event, TrialEnded) and event.entry.number == at:
        os.kill(os.getpid(), signal.SIGKILL)
run_search(folder, tuning_job(folder, parallelTrials=1), Programs(), watch=watch)
"""
    for at in (0, 2, 5):
        ended = subprocess.run([sys.executable, "-c", script, str(tmp_path), str(at)], check=False, timeout=60)
        assert ended.returncode == -signal.SIGKILL
    programs = Programs()
    run = run_search(tmp_path, tuning_job(tmp_path), programs)
    assert run.error is None and programs.started == ["finish"]
    (tmp_path / "whole").mkdir()
    assert run.answers == run_search(tmp_path / "whole", tuning_job(tmp_path / "whole"), Programs()).answers


def test_a_report_that_was_not_taken_down_is_taken_from_the_trials_folder(tmp_path: Path) -> None:
    run_search(tmp_path, tuning_job(tmp_path), Programs())
    file = tmp_path / ".steelyard/search/search.json"
    document = json.loads(file.read_text())
    document["log"] = document["log"][:3]
    file.write_text(json.dumps(document))
    programs = Programs()
    run = run_search(tmp_path, tuning_job(tmp_path), programs)
    assert run.error is None and len(run.entries) == 6
    assert programs.started == []


def test_a_finished_search_is_not_done_again_unless_forced(tmp_path: Path) -> None:
    run_search(tmp_path, tuning_job(tmp_path), Programs())
    programs = Programs()
    run = run_search(tmp_path, tuning_job(tmp_path), programs)
    assert programs.started == [] and run.events[-1].reason == "AlreadyFinished"
    assert run.events[-1].summary["best"]["trial"] == 2
    forced = Programs()
    again = run_search(tmp_path, tuning_job(tmp_path), forced, force=True)
    assert len(forced.started) == 8 and again.of(SearchStarted)[0].message.startswith(
        "it begins anew: --force was given; "
    )


def test_more_trials_go_on_with_the_same_log_and_what_changes_no_answer_keeps_it(tmp_path: Path) -> None:
    first = run_search(tmp_path, tuning_job(tmp_path, maxTrials=2), Programs())
    assert first.of(SearchEnded)[0].best["trial"] == 1
    programs = Programs()
    run = run_search(tmp_path, tuning_job(tmp_path, maxTrials=4, maxFailedTrials=0), programs)
    assert programs.done == ["0002", "0003", "finish"]
    assert len(run.of(SearchStarted)[0].entries) == 2
    assert run.answers[:2] == first.answers and run.of(SearchEnded)[0].best["trial"] == 2
    # Another place to publish to is a matter of the last job alone.
    elsewhere = Programs()
    programs.finish = programs.finish.replace("models/search", "elsewhere")
    tuning = tuning_job(tmp_path, maxTrials=4, template={"publish": [{"uri": "elsewhere"}]})
    assert run_search(tmp_path, tuning, elsewhere).error is None
    assert elsewhere.started == ["finish"]


def test_a_changed_search_or_source_begins_anew_and_says_why(tmp_path: Path) -> None:
    first = run_search(tmp_path, tuning_job(tmp_path), Programs())
    programs = Programs()
    other = {"template": {"training": {"epochs": 3}}}
    run = run_search(tmp_path, tuning_job(tmp_path, **other), programs)
    message = run.of(SearchStarted)[0].message
    kept = r"; the 6 finished trials of before are kept in (search\.[0-9a-f]{8}\.json)"
    found = re.fullmatch(f"it begins anew: changed: template.training.epochs{kept}", message)
    assert found, message
    assert len(programs.started) == 7  # The data is the same.
    old = json.loads((tmp_path / ".steelyard/search" / found[1]).read_text())
    assert SearchDocument.from_json(old).entries == tuple(first.entries)
    # Taken back, no trial is run again.
    back = run_search(tmp_path, tuning_job(tmp_path), programs := Programs())
    message = back.of(SearchStarted)[0].message
    assert re.fullmatch(f"it goes back to 6 finished trials: changed: template.training.epochs{kept}", message), message
    assert back.entries == first.entries and not [name for name in programs.started if name.isdecimal()]
    tuning = tuning_job(tmp_path, **other)
    (tmp_path / "table.csv").write_text((tmp_path / "table.csv").read_text() + "9,9,yes\n")
    changed = Programs()
    run = run_search(tmp_path, tuning, changed)
    assert run.of(SearchStarted)[0].message.startswith("it begins anew: changed: source, template.training.epochs; ")
    assert changed.started[0] == "prepare" and len(changed.started) == 8


def test_a_manifest_with_a_mistake_costs_no_answer(tmp_path: Path) -> None:
    classes = Programs().prepare.replace('"key": key', '"key": key, "task": "Classification"')
    first = run_search(tmp_path, tuning_job(tmp_path), Programs(prepare=classes))
    for programs, mistake in (
        (Programs(prepare=classes), {"objective": {"metric": "r2"}}),
        (
            Programs(prepare="end(65, 'InvalidData', 'there is no column labl')"),
            {"template": {"dataset": {"uri": "table.csv", "target": "labl"}}},
        ),
    ):
        wrong = run_search(tmp_path, tuning_job(tmp_path, **mistake), programs)
        assert wrong.error is not None
        assert wrong.entries == first.entries
    again = run_search(tmp_path, tuning_job(tmp_path), Programs(prepare=classes))
    assert again.error is None and again.of(SearchStarted)[0].message == "" and again.entries == first.entries


def test_a_longer_log_that_is_kept_is_not_replaced_by_a_shorter_one(tmp_path: Path) -> None:
    first = run_search(tmp_path, tuning_job(tmp_path), Programs())
    forced = run_search(tmp_path, tuning_job(tmp_path), Programs(), force=True, watch=when(TrialEnded, 1, interrupt))
    assert forced.error is not None and len(forced.entries) < 6
    run_search(tmp_path, tuning_job(tmp_path, template={"training": {"epochs": 3}}), Programs())
    back = run_search(tmp_path, tuning_job(tmp_path), Programs())
    assert back.entries == first.entries


def test_another_deadline_of_trials_is_no_other_search(tmp_path: Path) -> None:
    first = run_search(tmp_path, tuning_job(tmp_path), Programs())
    longer = run_search(tmp_path, tuning_job(tmp_path, trialDeadlineSeconds=99), Programs())
    assert longer.of(SearchStarted)[0].message == "" and longer.entries == first.entries


def test_a_pack_that_can_not_be_started_is_explained(tmp_path: Path) -> None:
    run_search(tmp_path, tuning_job(tmp_path, model="randomForest", placement="Packed", maxTrials=2), Programs())
    packs = tmp_path / ".steelyard/search/packs"
    shutil.rmtree(packs)
    packs.touch()
    with pytest.raises(NotADirectoryError):
        run_search(tmp_path, tuning_job(tmp_path, model="randomForest", placement="Packed"), Programs())


def test_how_many_run_at_once_may_change_where_no_trial_depends_on_it(tmp_path: Path) -> None:
    first = run_search(tmp_path, tuning_job(tmp_path, parallelTrials=1, maxTrials=3), Programs())
    more = run_search(tmp_path, tuning_job(tmp_path, parallelTrials=3), Programs())
    assert more.of(SearchStarted)[0].message == "" and more.answers[:3] == first.answers
    learning = {"algorithm": {"name": "TPE"}}
    run_search(tmp_path, tuning_job(tmp_path, **learning), Programs())
    other = run_search(tmp_path, tuning_job(tmp_path, parallelTrials=3, **learning), Programs())
    assert other.of(SearchStarted)[0].message.startswith("it begins anew: changed: parallelTrials")


def test_nothing_is_published_where_the_template_says_so(tmp_path: Path) -> None:
    programs = Programs()
    run = run_search(tmp_path, tuning_job(tmp_path, template={"publish": []}), programs)
    assert run.error is None and "finish" not in programs.started
    assert run.events[-1].summary["best"]["trial"] == 2
    again = run_search(tmp_path, tuning_job(tmp_path, template={"publish": []}), Programs())
    assert again.events[-1].reason == "AlreadyFinished"


def test_a_search_ends_where_it_is_good_enough_or_knows_everything(tmp_path: Path) -> None:
    objective = {"metric": "accuracy", "target": 0.9999}
    run = run_search(tmp_path, tuning_job(tmp_path, objective=objective, parallelTrials=1), Programs())
    assert run.of(SearchEnded)[0].reason == "TargetReached" and len(run.entries) == 2
    (tmp_path / "all").mkdir()
    run = run_search(tmp_path / "all", tuning_job(tmp_path / "all", maxTrials=50), Programs())
    assert run.of(SearchEnded)[0].reason == "SpaceExhausted" and len(run.entries) == 6


def test_the_summary_of_two_objectives_names_the_front(tmp_path: Path) -> None:
    programs = Programs()
    # The smaller the rate, the smaller the model: of six trials those up to the best are not beaten.
    programs.train = programs.train.replace(
        "report(number, value)", "report(number, value, 'C', 0.1, job['spec']['training']['optimizer']['learningRate'])"
    )
    tuning = tuning_job(
        tmp_path,
        objective={"metric": "accuracy", "secondary": "Size"},
        algorithm={"name": "NSGA-II"},
        template={"compression": {}},
    )
    run = run_search(tmp_path, tuning, programs)
    assert run.error is None
    rates_of_front = {
        entry.values["training.optimizer.learningRate"]
        for entry in run.entries
        if entry.number in run.events[-1].summary["front"]
    }
    assert rates_of_front == {0.01, 0.02, 0.03}


def test_time_that_was_used_before_counts(tmp_path: Path) -> None:
    spec: dict[str, Any] = {"maxMinutes": 0.05, "parallelTrials": 1}
    programs = Programs()
    programs.train = "time.sleep(0.5)\n" + programs.train
    first = run_search(tmp_path, tuning_job(tmp_path, **spec), programs, watch=when(TrialEnded, 1, interrupt))
    assert first.error is not None
    file = tmp_path / ".steelyard/search/search.json"
    document = json.loads(file.read_text())
    assert 1.0 < document["seconds"] < 60
    document["seconds"] = 1000.0
    file.write_text(json.dumps(document))
    run = run_search(tmp_path, tuning_job(tmp_path, **spec), programs)
    assert run.error is None
    assert run.of(SearchEnded)[0].reason == "TimeIsUp" and len(run.entries) == 2


def test_trials_and_searches_that_take_too_long_are_ended(tmp_path: Path) -> None:
    programs = Programs()
    programs.train = f"number, value = answer(job)\nif number == 0: {HANG}\n" + programs.train
    run = run_search(tmp_path, tuning_job(tmp_path, trialDeadlineSeconds=1), programs)
    assert run.error is None
    assert run.entries[0].reason.startswith("DeadlineExceeded") and "trialDeadlineSeconds" in run.entries[0].reason
    assert run.of(SearchEnded)[0].trials["failed"] == 1
    (tmp_path / "late").mkdir()
    tuning = tuning_job(tmp_path / "late", runPolicy={"activeDeadlineSeconds": 2})
    late = run_search(tmp_path / "late", tuning, programs)
    assert late.error is not None and (late.error.reason, late.error.exit_code) == ("DeadlineExceeded", 1)
    assert late.events[-1].reason == "DeadlineExceeded"


def test_a_search_that_is_to_be_suspended_does_not_begin(tmp_path: Path) -> None:
    programs = Programs()
    run = run_search(tmp_path, tuning_job(tmp_path, runPolicy={"suspend": True}), programs)
    assert run.error is not None and "spec.runPolicy.suspend" in run.error.message
    assert programs.started == [] and not (tmp_path / ".steelyard").exists()


def test_a_search_starts_from_what_another_one_has_found(tmp_path: Path) -> None:
    first = run_search(tmp_path, tuning_job(tmp_path, maxTrials=3), Programs())
    other = tuning_job(tmp_path, name="other", warmStart={"tuningJob": "search"}, maxTrials=3)
    programs = Programs(finish=Programs().finish.replace("search", "other"))
    run = run_search(tmp_path, other, programs)
    assert run.error is None
    asked_by_other = run.entries
    asked = [entry.values for entry in asked_by_other]
    assert len(asked) == 3 and all(entry.values not in asked for entry in first.entries)
    # When nothing else is left, what is known already is not tried again.
    whole = tuning_job(tmp_path, name="whole", warmStart={"tuningJob": "other"}, maxTrials=6)
    programs = Programs(finish=Programs().finish.replace("search", "whole"))
    run = run_search(tmp_path, whole, programs)
    assert run.error is None
    assert [entry.state for entry in run.entries] == ["Complete"] * 3 + ["Repeated"] * 3
    assert {json.dumps(entry.values): entry.value for entry in run.entries[3:]} == {
        json.dumps(entry.values): entry.value for entry in asked_by_other
    }
    assert len([name for name in programs.started if name.isdecimal()]) == 3
    late = tuning_job(tmp_path, name="late", warmStart={"tuningJob": "other"})
    (tmp_path / "table.csv").write_text("a,b,label\n" + "1,2,yes\n3,4,no\n" * 30)
    old = run_search(tmp_path, late, Programs())
    assert old.error is not None and "the data has changed since the search 'other'" in old.error.message
    gone = tuning_job(tmp_path, name="third", warmStart={"tuningJob": "gone"})
    missing = run_search(tmp_path, gone, Programs())
    assert missing.error is not None and "spec.warmStart.tuningJob" in missing.error.message


def test_data_that_is_bad_fails_the_search_before_any_trial(tmp_path: Path) -> None:
    programs = Programs(prepare="end(65, 'InvalidData', 'there is no column label')")
    run = run_search(tmp_path, tuning_job(tmp_path), programs)
    assert run.error is not None and (run.error.exit_code, run.error.message) == (65, "there is no column label")
    assert programs.started == ["prepare"] and run.of(StageStarted)[0].stage == "prepare"


def test_two_runs_do_not_share_a_workspace_and_other_folders_are_left_alone(tmp_path: Path) -> None:
    seen = []

    def second() -> None:
        seen.append(run_search(tmp_path, tuning_job(tmp_path), Programs()).error)

    assert run_search(tmp_path, tuning_job(tmp_path), Programs(), watch=when(TrialEnded, 0, second)).error is None
    assert seen[0] is not None and seen[0].reason == "WorkspaceInUse"
    foreign = tmp_path / "foreign"
    (foreign / ".steelyard/search").mkdir(parents=True)
    (foreign / ".steelyard/search/thesis.txt").touch()
    refused = run_search(foreign, tuning_job(foreign), Programs())
    assert refused.error is not None and "thesis.txt" in refused.error.message


def test_values_that_make_no_job_fail_their_trial_with_the_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As may be found too late where there are too many combinations to look at all of them beforehand."""

    def refuse(*given: Any) -> TrainingJob:
        if given[1] == 1:
            raise ConfigurationError("spec.training.optimizer.momentum: Adam has no such setting")
        return trial_job(*given)

    monkeypatch.setattr("steelyard.local.tuning.suggestions.trial_job", refuse)
    run = run_search(tmp_path, tuning_job(tmp_path, maxTrials=3), Programs())
    assert [entry.state for entry in run.entries] == ["Complete", "Failed", "Complete"]
    assert "momentum" in run.entries[1].reason and run.error is None


def test_what_a_trial_says_is_told_with_its_number(tmp_path: Path) -> None:
    programs = Programs()
    programs.train = "say(event='notice', stage=stage, message='half', reason='Resumed')\n" + programs.train
    run = run_search(tmp_path, tuning_job(tmp_path, maxTrials=2), programs)
    told = {event.number: event.told for event in run.events if type(event).__name__ == "TrialTold"}
    assert told == {0: Notice("train", "half", "Resumed", 0), 1: Notice("train", "half", "Resumed", 0)}
