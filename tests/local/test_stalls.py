"""Workers that stop to go on: seen, asked where they are, and started again. Real processes and signals: a gang of
small programs, which start at once, and one of TensorFlow."""

import os
import signal
import sys
from pathlib import Path

import pytest
from supervise_support import LIMITS, Workers
from training_support import TrainStage, tensorflow_process, training_job, wait

from steelyard.contract.stages import ExitCode, Reason

SUPERVISOR = """
import sys
from steelyard_trainer.contract import StageContext, run_stage
from steelyard_trainer.gang.member import Limits, Member
from steelyard_trainer.gang.supervisor import Program, Supervisor

def work(context):
    # Less than a manifest may say.
    limits = Limits(context.job.spec.run_policy.backoff_limit, 100, 300, stall_timeout_seconds=3)
    program = Program("the program", (sys.executable, PROGRAM), lambda own, _hosts: dict(own), lambda: None)
    return Supervisor(Member.from_environment(limits), program).run()

run_stage("train", work, StageContext.from_environment)
"""
WORKER = """
import os, signal, time
from pathlib import Path
from steelyard_trainer.contract import Outcome, StageContext, run_stage
from steelyard_trainer import pulse

folder, index, begun = Path(os.environ["STEELYARD_WORKSPACE"]), os.environ["STEELYARD_WORKER_INDEX"], time.time()

def hang(*_):
    time.sleep(600)

def reduce(step):
    "Returns when both workers are here."
    (folder / f"at-{index}-{step}").touch()
    other = folder / f"at-{1 - int(index)}-{step}"
    while not other.exists():
        time.sleep(0.01)

def work(context):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGURG, hang)
    for step in range(40):
        time.sleep(0.05)
        pulse.step()
        reduce(step)
        pulse.step()
    return Outcome("done", {})

pulse.begin()
pulse.beat()
run_stage("train", work, StageContext.from_environment)
"""


def small_gang(folder: Path, **run_policy: int) -> tuple[TrainStage, list]:
    """Two supervisors of programs that meet at each step, and the stage that they run."""
    stage = TrainStage.new(folder / "w", training_job(workers=2, run_policy=run_policy))
    (folder / "code").mkdir()
    (program := folder / "code" / "worker.py").write_text(WORKER)
    (supervisor := folder / "supervisor.py").write_text(SUPERVISOR.replace("PROGRAM", repr(str(program))))
    return stage, stage.start(command=(sys.executable, str(supervisor)))


def stalls(stage: TrainStage) -> list[str]:
    return [notice["message"] for notice in stage.notices() if notice["reason"] == Reason.STALLED]


def has_met(stage: TrainStage, step: int) -> bool:
    return all((stage.workspace.root / f"at-{worker}-{step}").exists() for worker in (0, 1))


@pytest.mark.parametrize(
    ("number", "victim", "where"),
    [
        (signal.SIGURG, 1, "its main thread was in code/worker.py:10 hang < code/worker.py:"),
        (signal.SIGURG, 0, "its main thread was in code/worker.py:10 hang < code/worker.py:"),
        (signal.SIGSTOP, 1, "it does not answer a signal: it is stopped, or hangs within the system"),
    ],
    ids=["worker 1 hangs", "worker 0 hangs", "worker 1 is stopped"],
)
def test_a_gang_goes_on_when_a_worker_has_stalled(tmp_path, number, victim, where):
    stage, supervisors = small_gang(tmp_path)
    stage.wait_for(lambda: has_met(stage, 5))
    tensorflow_process(supervisors[victim]).send_signal(number)
    assert wait(supervisors) == [0, 0]
    assert stage.result().summary["restarts"] == 1
    (told,) = stalls(stage)
    assert told.startswith(
        f"worker {victim} stalled: no step, epoch or progress line for 3 s (spec.runPolicy.stallTimeoutSeconds); "
        f"{where}"
    )
    assert told.endswith("; starts again from the last checkpoint")
    # The other one waited for it, and says so in its own log.
    assert f"worker {1 - victim} stalled; its main thread:" in stage.log(1 - victim)
    assert "in reduce" in stage.log(1 - victim)
    assert ("in hang" in stage.log(victim)) == (number == signal.SIGURG)
    assert not stalls_of_others(stage)


def stalls_of_others(stage: TrainStage) -> list:
    """Told once, by worker 0."""
    return [notice for notice in stage.notices(1) if notice["reason"] == Reason.STALLED]


def test_a_gang_that_stalls_too_often_fails_for_good(tmp_path):
    stage, supervisors = small_gang(tmp_path, backoffLimit=0)
    stage.wait_for(lambda: has_met(stage, 2))
    tensorflow_process(supervisors[1]).send_signal(signal.SIGSTOP)
    stage.wait_for(lambda: any(supervisor.poll() is not None for supervisor in supervisors))
    ended = next(worker for worker in (0, 1) if supervisors[worker].poll() is not None)
    # A runner ends the others then.
    supervisors[1 - ended].terminate()
    assert wait(supervisors)[ended] == ExitCode.SPENT
    result = stage.result(ended)
    assert result.reason == Reason.STALLED
    assert result.message.startswith("worker 1 stalled: no step")
    assert result.message.endswith("; it ended early once, more often than spec.runPolicy.backoffLimit allows")


# It tells of its progress until it hangs; the second time it is done.
PROGRAM = """
for step in 1 2 3; do
    echo '{"event": "progress", "stage": "train", "done": 1, "total": 9, "unit": "steps"}'
    sleep 1
done
mkdir first 2> /dev/null && sleep 600
echo its last words
"""


def test_a_program_of_a_users_own_is_heard_by_its_lines(tmp_path):
    workers = Workers(tmp_path, workers=1, limits={**LIMITS, "stallTimeoutSeconds": 3})
    (supervisor,) = workers.start(["sh", "-c", PROGRAM])
    assert wait([supervisor]) == [0]
    assert workers.result().summary == {"restarts": 1}
    log = workers.log()
    assert log.count('"event": "progress"') == 6
    assert log.rstrip().endswith("its last words")
    assert (
        "worker 0 stalled: no step, epoch or progress line for 3 s (spec.runPolicy.stallTimeoutSeconds); where" in log
    )


ALONE = """
import os, signal, sys, time
from steelyard_trainer.alone import watch
from steelyard_trainer.contract import Outcome, StageContext, run_stage
from steelyard_trainer import pulse

def work(context):
    watch(context)
    pulse.beat()
    if sys.argv[1] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if sys.argv[1] == "wait":
        print("waits", flush=True)
        time.sleep(600)
    return Outcome("done", {"rows": 3})

run_stage("train", work, StageContext.from_environment)
"""


@pytest.mark.parametrize(
    ("what", "code", "reason"),
    [("end", 0, Reason.SUCCEEDED), ("kill", -signal.SIGKILL, None), ("wait", ExitCode.TRY_AGAIN, Reason.INTERRUPTED)],
)
def test_a_stage_that_is_watched_ends_as_it_would_alone(tmp_path, what, code, reason):
    stage = TrainStage.new(tmp_path / "w", training_job(run_policy={"stallTimeoutSeconds": 600}))
    (program := tmp_path / "alone.py").write_text(ALONE)
    (process,) = stage.start(command=(sys.executable, str(program), what))
    if what == "wait":
        stage.wait_for(lambda: "waits" in stage.log())
        process.terminate()
    assert wait([process]) == [code]
    if reason is not None:
        assert stage.result().reason == reason
        assert stage.result().summary == ({"rows": 3} if code == 0 else {})


def test_a_source_that_does_not_answer_stalls_the_stage_that_reads_it(tmp_path):
    """A pipe that nobody writes to stands for a file server that hangs."""
    os.mkfifo(tmp_path / "rows.csv")
    spec = {"dataset": {"uri": str(tmp_path / "rows.csv"), "target": "y"}}
    stage = TrainStage.new(tmp_path / "w", training_job(run_policy={"stallTimeoutSeconds": 10}, spec=spec))
    assert wait(stage.start(name="prepare")) == [1]
    result = stage.result()
    assert (result.stage, result.reason) == ("prepare", Reason.STALLED)
    assert result.message.startswith("prepare stalled: no step, epoch or progress line for 10 s")
    assert "; its main thread was in " in result.message
    assert "prepare stalled; its main thread:" in stage.log()


def test_real_workers_go_on_when_one_of_them_has_stalled(tmp_path, monkeypatch):
    """The first steps, which are compiled, take no part of what nobody waits for."""
    (tmp_path / "at-start").mkdir()
    hang = "import signal, time\n\ndef hang(*_):\n    time.sleep(600)\n\nsignal.signal(signal.SIGURG, hang)\n"
    (tmp_path / "at-start" / "sitecustomize.py").write_text(hang)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "at-start"), os.environ.get("PYTHONPATH", "")]))
    job = training_job(workers=2, epochs=6, checkpoint={"everySteps": 7}, run_policy={"stallTimeoutSeconds": 10})
    stage = TrainStage.prepared(tmp_path / "w", job)
    supervisors = stage.start()
    stage.wait_for_steps(20)
    tensorflow_process(supervisors[1]).send_signal(signal.SIGURG)
    assert wait(supervisors) == [0, 0]
    assert stage.result().summary["restarts"] == 1
    (told,) = stalls(stage)
    # Where it hangs in the middle of a step, in which the other waits for it, none is behind.
    assert told.startswith(("worker 1 stalled: no step", "2 workers stalled, none of them behind the others: no step"))
    assert "at-start/sitecustomize.py:4 hang < " in told
    assert "goes on from the checkpoint after step" in stage.log()
    assert "worker 0 stalled; its main thread:" in stage.log()
