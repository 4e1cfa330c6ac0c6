"""The pure parts of the local runner: decisions, conditions, verdicts on ended processes, logs, the source's look."""

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.api.dataset import Dataset
from steelyard.api.errors import ConfigurationError, DataError
from steelyard.api.loading import parse_training_job
from steelyard.api.run_policy import RunPolicy
from steelyard.contract.stages import ExitCode, Notice, Progress, Reason, Result, StageName
from steelyard.contract.workspace import Workspace
from steelyard.local.decisions import decide
from steelyard.local.follower import LogFollower, parse_event, tail_of
from steelyard.local.source import source_digest, source_findings
from steelyard.local.state import StageRecord, State
from steelyard.planning import Plan, Stage
from steelyard.planning.conditions import (
    Condition,
    after_failure,
    after_redo,
    after_start,
    after_success,
    set_condition,
)
from steelyard.planning.verdicts import Again, Attempts, Done, Failed, ProcessEnd, judge
from steelyard.stores.surroundings import Surroundings

JOB = parse_training_job(
    {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "job"},
        "spec": {"dataset": {"uri": "t.csv", "target": "y"}, "model": {"linear": {}}},
    }
)
NAMES: tuple[StageName, ...] = ("prepare", "train", "finish")
ALL = dict.fromkeys(NAMES, True)


def plan_of(**keys: str) -> Plan:
    return Plan("job", tuple(Stage(name, keys.get(name, "k"), 1, {"x": keys.get(name, "k")}) for name in NAMES))


def record(key: str = "k", *, succeeded: bool = True) -> StageRecord:
    return StageRecord(key, {"x": key}, Result("any", key, "Succeeded", "") if succeeded else None)


def needed(records: dict[StageName, StageRecord], present: dict[StageName, bool] = ALL, **options: Any) -> list[str]:
    decisions = decide(options.pop("plan", plan_of()), records, present, **options)
    return [f"{each.stage.name}: {each.why}" for each in decisions if each.is_needed]


def test_what_was_done_with_the_same_inputs_is_skipped() -> None:
    assert needed({}) == [f"{name}: it was not done yet" for name in NAMES]
    assert needed({name: record() for name in NAMES}) == []
    assert needed({"prepare": record(), "train": record(succeeded=False)}) == [
        "train: it goes on where it stopped",
        "finish: it was not done yet",
    ]


def test_a_changed_key_says_what_changed() -> None:
    records: dict[StageName, StageRecord] = {name: record() for name in NAMES}
    plan = plan_of(train="k2", finish="k2")
    plan = Plan("job", (*plan.stages[:2], Stage("finish", "k2", 1, {"x": "k"})))
    assert needed(records, plan=plan) == ["train: changed: x", "finish: train is done again"]
    assert [each.is_redone for each in decide(plan, records, ALL)] == [False, True, True]


def test_lost_files_matter_only_while_the_job_is_not_finished() -> None:
    records: dict[StageName, StageRecord] = {name: record() for name in NAMES}
    lost: dict[StageName, bool] = {**ALL, "prepare": False}
    assert needed(records, lost) == []
    del records["finish"]
    assert needed(records, lost) == ["prepare: what it made is gone", "finish: it was not done yet"]
    assert len(needed({name: record() for name in NAMES}, force=True)) == 3


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    conditions = set_condition((), Condition("Prepared", "True", "A", "", "1"))
    conditions = set_condition(conditions, Condition("Prepared", "True", "B", "", "2"))
    assert conditions == (Condition("Prepared", "True", "B", "", "1"),)
    assert set_condition(conditions, Condition("Prepared", "False", "C", "", "3"))[0].last_transition_time == "3"
    assert Condition.from_json(conditions[0].to_json()) == conditions[0]
    assert Condition.from_json({**conditions[0].to_json(), "observedGeneration": 3}) == conditions[0]


def test_conditions_tell_the_story() -> None:
    conditions = after_success((), "prepare", JOB, "Succeeded", "", "1")
    conditions = after_success(conditions, "finish", JOB, "Succeeded", "", "2")
    assert [each.type for each in conditions] == ["Prepared", "Evaluated", "Published"]
    conditions = after_redo(conditions, ["finish"], JOB, "changed: x", "3")
    assert {each.type: each.status for each in conditions} == {
        "Prepared": "True",
        "Evaluated": "False",
        "Published": "False",
    }
    conditions = after_failure(conditions, "train", JOB, "LossNotFinite", "in epoch 2", "4")
    assert {each.type: each.reason for each in conditions if each.type in ("Trained", "Failed")} == {
        "Trained": "LossNotFinite",
        "Failed": "LossNotFinite",
    }
    assert "Failed" not in {each.type for each in after_start(conditions)}


def end(code: int, reason: str | None = None, worker: int = 0) -> ProcessEnd:
    return ProcessEnd(worker, code, Result("train", "k", reason, f"said {reason}") if reason else None, "last words")


def verdict(*ends: ProcessEnd, attempts: Attempts | None = None, **policy: int) -> Done | Again | Failed:
    return judge("train", ends, attempts or Attempts(), RunPolicy.model_validate(policy))


def test_verdicts() -> None:
    assert isinstance(verdict(end(0, "Succeeded"), end(0)), Done)
    assert verdict(end(75, "WorkerLost"), end(65, "InvalidData", worker=1)) == Failed(
        "InvalidData", "said InvalidData", 65, 1
    )
    crashed = verdict(end(75, "WorkerLost"), end(-9, worker=1))
    assert isinstance(crashed, Again) and crashed.reason == Reason.CRASHED
    assert "worker 1" in crashed.message and "SIGKILL" in crashed.message and "last words" in crashed.message
    disrupted = verdict(end(75, "WorkerLost"), end(0, "Succeeded"), backoffLimit=0)
    assert isinstance(disrupted, Again) and disrupted.reason == "WorkerLost"


def test_a_stall_is_counted_as_a_crash_and_named_as_what_it_is() -> None:
    attempts = Attempts()
    again = verdict(end(1, "Stalled"), attempts=attempts, backoffLimit=1)
    assert isinstance(again, Again) and (again.reason, again.message) == (Reason.STALLED, "said Stalled")
    too_often = "said Stalled; it ended early 2 times, more often than spec.runPolicy.backoffLimit allows"
    assert verdict(end(1, "Stalled"), attempts=attempts, backoffLimit=1) == Failed(Reason.STALLED, too_often, 1, 0)
    # A supervisor that has started it again as often as it may itself.
    spent = verdict(end(0, worker=1), end(ExitCode.SPENT, "Stalled"), backoffLimit=3)
    assert spent == Failed(Reason.STALLED, "said Stalled", 1, 0)


@given(st.integers(0, 100))
def test_a_crash_is_forgiven_as_often_as_the_limit_says(limit: int) -> None:
    attempts = Attempts()
    verdicts = [verdict(end(1), attempts=attempts, backoffLimit=limit) for _ in range(limit + 1)]
    *again, last = verdicts
    pauses = [each.pause_seconds for each in again if isinstance(each, Again)]
    assert len(pauses) == limit and pauses == sorted(pauses) and all(pause <= 30 for pause in pauses)
    assert isinstance(last, Failed) and last.reason == Reason.BACKOFF_LIMIT_EXCEEDED
    assert attempts.disruptions == 0


@given(st.data())
def test_a_follower_finds_every_event_wherever_the_text_is_cut(data: st.DataObject) -> None:
    events: list[Progress | Notice] = [Progress("train", 1, 2, "epochs", {"loss": 0.25}, 1), Notice("train", "größer")]
    lines = [json.dumps(event.to_json(), ensure_ascii=False) for event in events]
    text = "\n".join(["noise", lines[0], "{half", "", lines[1], "no end"]).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    with tempfile.NamedTemporaryFile() as file:
        path = Path(file.name)
        file.write(b'{"event": "notice", "stage": "train", "message": "of before"}\n')
        file.flush()
        follower = LogFollower(path)
        found = []
        for begin, stop in zip([0, *cuts], [*cuts, len(text)], strict=True):
            file.write(text[begin:stop])
            file.flush()
            found += follower.read()
        assert found == events
        assert tail_of(path, 2) == "{half\nno end"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"event": "progress", "stage": "train"}',
        b'{"event": "notice", "stage": 1}',
        b"\xff{",
        b'{"a":' * 100_000,
        b'{"event": "progress", "stage": "train", "done": 1, "total": 1%s, "unit": "steps"}' % (b"0" * 400),
    ],
)
def test_other_lines_are_no_events(line: bytes) -> None:
    assert parse_event(line) is None


def test_a_figure_that_no_float_holds_is_left_out() -> None:
    line = (
        '{"event": "progress", "stage": "train", "done": 1, "total": 2, "unit": "steps", "values": {"a": %s, "b": 1}}'
    )
    event = parse_event((line % ("1" + "0" * 400)).encode())
    assert event == Progress("train", 1, 2, "steps", {"b": 1.0})


def test_the_state_comes_back_as_it_was(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert State.load(workspace) is None
    conditions = (Condition("Prepared", "True", "Succeeded", "", "1"),)
    state = State("job", {"prepare": record(), "train": record(succeeded=False)}, conditions)
    state.save(workspace)
    assert State.load(workspace) == state
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]
    workspace.state_file.write_text('{"job": "j"')
    with pytest.raises(ConfigurationError, match="can't be understood"):
        State.load(workspace)


def dataset(**fields: Any) -> Dataset:
    return Dataset.model_validate({"uri": "t.csv", "target": "y", **fields})


def test_a_source_is_read_again_only_when_it_looks_different(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n1,2\n")
    digest, seen = source_digest(dataset(), Surroundings(tmp_path), None)
    assert seen is not None and digest == seen.digest
    remembered = type(seen)(seen.path, seen.size, seen.mtime_ns, "remembered")
    assert source_digest(dataset(), Surroundings(tmp_path), remembered)[0] == "remembered"
    path.write_text("x,y\n1,2\n3,4\n")
    assert source_digest(dataset(), Surroundings(tmp_path), remembered)[0] not in ("remembered", digest)
    assert source_digest(dataset(uri="sklearn:iris"), Surroundings(tmp_path), None) == ("sklearn:iris", None)
    with pytest.raises(DataError, match=r"nowhere\.csv") as raised:
        source_digest(dataset(uri="nowhere.csv"), Surroundings(tmp_path), None)
    assert raised.value.reason == Reason.SOURCE_NOT_FOUND


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"x,y\n", "has a header but no rows"),
        (b"x,y\n\n\n1,2\n", None),
        (b"\xef\xbb\xbfx,y\n1,2\n", None),
        (b"\x89PNG\r\n\x1a\n\x00", "is an image (PNG), not a CSV file"),
        (b"x,x,y\n1,2,3\n", "the column 'x' more than once"),
        (b"x,y\n1,2,3\n", "2 columns, but 3 cells"),
        (b"x,z\n1,2\n", "no column 'y'; the columns are x, z"),
        (b"y\n1\n", "no feature is left"),
        (b'x,y\n"1,2\n', "is not a CSV file"),
    ],
)
def test_a_csv_file_is_judged_by_its_first_lines(tmp_path: Path, content: bytes, expected: str | None) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    messages = [str(finding.problem) for finding in source_findings(dataset(), path)]
    assert (not messages) if expected is None else any(expected in message for message in messages), messages
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress(content))
    assert len(source_findings(dataset(), packed)) == len(messages)


def test_columns_that_are_not_there_are_the_manifests_fault(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n1,2\n")
    findings = source_findings(dataset(exclude=["id"], categorical=["zip"]), path)
    assert [(finding.problem.path, finding.exit_code) for finding in findings] == [
        ("spec.dataset.exclude[0]", ExitCode.CONFIGURATION),
        ("spec.dataset.categorical[0]", ExitCode.CONFIGURATION),
    ]


def test_a_parquet_file_is_judged_by_its_ends(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x": [1.0], "y": [2.0]}), path)
    whole = path.read_bytes()
    hollow = b"PAR1" + bytes(20) + b"PAR1"
    for content, expected in (
        (whole, []),
        (whole[:15], ["is cut off"]),
        (hollow, ["is not a whole Parquet file"]),
        (b"x,y\n1,2\n" * 4, ["is not a Parquet"]),
    ):
        path.write_bytes(content)
        found = source_findings(dataset(uri="t.parquet"), path)
        assert len(found) == len(expected)
        assert all(text in finding.problem.message for text, finding in zip(expected, found, strict=True))
