"""Searches that were interrupted, killed, changed or finished, and are run again: no answer is lost."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from search_support import Programs, rates, run_search, tuning_job
from search_watching import HANG, interrupt, when

from steelyard.search.events import (
    SearchEnded,
    SearchStarted,
    TrialEnded,
)
from steelyard.search.log import SearchDocument

HERE = Path(__file__).parent


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


def test_how_many_run_at_once_may_change_where_no_trial_depends_on_it(tmp_path: Path) -> None:
    first = run_search(tmp_path, tuning_job(tmp_path, parallelTrials=1, maxTrials=3), Programs())
    more = run_search(tmp_path, tuning_job(tmp_path, parallelTrials=3), Programs())
    assert more.of(SearchStarted)[0].message == "" and more.answers[:3] == first.answers
    learning = {"algorithm": {"name": "TPE"}}
    run_search(tmp_path, tuning_job(tmp_path, **learning), Programs())
    other = run_search(tmp_path, tuning_job(tmp_path, parallelTrials=3, **learning), Programs())
    assert other.of(SearchStarted)[0].message.startswith("it begins anew: changed: parallelTrials")


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
