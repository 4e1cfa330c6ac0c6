"""Who a process is among the workers of a stage, as its environment says."""

import json

import pytest

from steelyard.contract.errors import StageError
from steelyard.contract.stages import Env, ExitCode, Reason
from steelyard_trainer.gang.contained import environment_of
from steelyard_trainer.gang.member import Limits, Member

LIMITS = Limits(3, 100, 300)


@pytest.mark.parametrize("given", ["", "[]", "{", '{"backoffLimit": 3}', '{"backoffLimit": {}}'])
def test_limits_that_cannot_be_read_are_said(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(Env.RUN_POLICY, given)
    with pytest.raises(
        StageError, match=r"STEELYARD_RUN_POLICY is .*; allowed: a JSON object with the numbers"
    ) as told:
        Limits.from_environment()
    assert told.value.exit_code == ExitCode.CONFIGURATION
    monkeypatch.setenv(Env.RUN_POLICY, json.dumps({"backoffLimit": 1, "disruptionLimit": 2, "gangTimeoutSeconds": 3}))
    assert Limits.from_environment() == Limits(1, 2, 3)


@pytest.mark.parametrize("index", ["2", "-1", "x"])
def test_an_index_beyond_the_workers_is_refused(index: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {Env.STAGE_KEY: "k", Env.SUPERVISORS: "a:1,b:1", Env.WORKERS: "a:2,b:2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(Env.WORKER_INDEX, index)
    with pytest.raises(StageError, match=f"STEELYARD_WORKER_INDEX is '{index}'; allowed: 0 to 1"):
        Member.from_environment(LIMITS)
    monkeypatch.setenv(Env.WORKER_INDEX, "1")
    member = Member.from_environment(LIMITS)
    assert member == Member(1, "k", LIMITS, ("a:1", "b:1"), ("a:2", "b:2"))
    told = member.not_ready([0])
    assert told.reason == Reason.WORKERS_NOT_READY
    assert "not all of the 2 workers were ready within 300 s" in told.message
    assert told.message.endswith("no answer from worker 0 (a:1)")


def test_a_program_without_peers_has_a_port_of_its_own() -> None:
    own = environment_of(Member(0, "k", LIMITS), {"TF_CONFIG": "another's", "A": "b"}, [""])
    port = own.pop("MASTER_PORT")
    assert int(port) > 1023
    assert own == {"A": "b", "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1"}


def test_a_program_is_told_addresses_with_their_own_kind_of_brackets() -> None:
    member = Member(1, "k", LIMITS, ("a:1", "b:1"), ("a:2", "b:3"))
    own = environment_of(member, {}, ["fd00::1", "10.0.0.2"])
    assert (own["MASTER_ADDR"], own["MASTER_PORT"], own["RANK"], own["WORLD_SIZE"]) == ("fd00::1", "2", "1", "2")
    assert json.loads(own["TF_CONFIG"])["cluster"] == {"worker": ["[fd00::1]:2", "10.0.0.2:3"]}
