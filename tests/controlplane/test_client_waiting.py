"""Waiting for a job on a real API server, by the client and by `steelyard submit --wait`."""

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from client_support import AT, COMPLETE, DIGEST, MANIFEST, Steelyard, failed, write_status
from cluster.control_plane import ControlPlane
from cluster.kubectl import Kubectl
from cluster.simulation import SimulatedCluster

from steelyard.api.status import TrainingJobStatus
from steelyard.client import Client, JobFailedError, JobNotFoundError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks often: every state that a test writes for a second is seen."""
    monkeypatch.setattr("steelyard.client.handle.POLL_SECONDS", 0.1)
    monkeypatch.setattr("steelyard.client.patience.POLL_SECONDS", 0.1)


def in_background(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.usefixtures("quick")
def test_wait_tells_each_change_and_gives_the_end(jobs: Kubectl, client: Client) -> None:
    handle = client.submit(yaml.safe_load(MANIFEST))
    seen: list[str] = []
    reached = threading.Event()

    def write() -> None:
        for progress in ("train 1/2", "train 2/2"):
            reached.clear()
            write_status(jobs, {"phase": "Training", "progress": progress})
            assert reached.wait(60)
        write_status(jobs, COMPLETE)

    def note(status: TrainingJobStatus) -> None:
        seen.append(status.progress or "-")
        reached.set()

    writer = in_background(write)
    status = handle.wait(timeout=120, on_progress=note)
    writer.join()
    assert [each for each in seen if each != "-"] == ["train 1/2", "train 2/2", "finish 2/2"]
    assert status.model is not None and status.model.digest == DIGEST
    assert handle.job.spec.training.workers == 2 and repr(handle).endswith("tiny: Complete>")


@pytest.mark.usefixtures("quick")
def test_wait_ends_with_the_jobs_failure_with_the_time_or_with_its_removal(jobs: Kubectl, client: Client) -> None:
    handle = client.submit(yaml.safe_load(MANIFEST))
    with pytest.raises(TimeoutError, match="it runs on"):
        handle.wait(timeout=0.3)
    write_status(jobs, failed("GateFailed", "accuracy 0.5 is below 0.9"))
    with pytest.raises(JobFailedError, match=r"accuracy 0.5 is below") as error:
        handle.wait()
    assert (error.value.reason, error.value.exit_code) == ("GateFailed", 10)
    client.delete("tiny")
    client.submit(yaml.safe_load(MANIFEST))
    with pytest.raises(JobNotFoundError):
        handle.wait()


@pytest.mark.usefixtures("quick")
def test_wait_outlives_a_crash_of_the_api_server(
    control_plane: SimulatedCluster, jobs: Kubectl, client: Client
) -> None:
    handle = client.submit(yaml.safe_load(MANIFEST))
    waited: list[TrainingJobStatus] = []
    waiter = in_background(lambda: waited.append(handle.wait(timeout=300)))
    control_plane.restart(ControlPlane.API)
    write_status(jobs, COMPLETE)
    waiter.join()
    assert waited[0].phase == "Complete"


def test_submit_and_wait_looks_and_ends_like_run(jobs: Kubectl, steelyard: Steelyard, manifest: Path) -> None:
    assert steelyard("submit", manifest)[0] == 0
    write_status(jobs, COMPLETE)
    code, output, _ = steelyard("submit", manifest, "--wait")
    assert code == 0
    for line in ("prepare: done in 90.0 s: 1,797 rows", "train: started, 2 workers (Job tiny-train)", "candidate "):
        assert line in output
    assert output.rstrip().endswith(f"steelyard fetch tiny DIR --namespace {jobs.namespace}")
    code, output, _ = steelyard("submit", manifest, "--wait", "-o", "json")
    events = [json.loads(line) for line in output.splitlines()]
    assert events[-1]["event"] == "runEnded" and events[-1]["summary"]["digest"] == DIGEST
    assert [each["stage"] for each in events if each["event"] == "stageEnded"] == ["prepare", "train"]


@pytest.mark.usefixtures("jobs")
def test_the_last_line_of_json_is_the_end_even_where_nothing_began(steelyard: Steelyard, manifest: Path) -> None:
    for wrong in (["--set", "training.epochs=0"], ["--namespace", "nowhere"]):
        code, output, errors = steelyard("submit", manifest, "--wait", "-o", "json", *wrong)
        last = json.loads(output.splitlines()[-1])
        assert code == 78 and (last["event"], last["exitCode"]) == ("runEnded", 78) and errors.startswith("error: ")


@pytest.mark.parametrize(("reason", "code"), [("GateFailed", 10), ("InvalidData", 65), ("Crashed", 1)])
def test_submit_and_wait_ends_with_the_code_of_the_failure(
    reason: str, code: int, jobs: Kubectl, steelyard: Steelyard, manifest: Path
) -> None:
    assert steelyard("submit", manifest)[0] == 0
    write_status(jobs, failed(reason))
    ended, output, errors = steelyard("submit", manifest, "--wait", "-o", "json")
    assert ended == code and errors == "error: because\n"
    last = json.loads(output.splitlines()[-1])
    assert (last["event"], last["reason"], last["exitCode"]) == ("runEnded", reason, code)


def test_ctrl_c_ends_the_waiting_only(jobs: Kubectl, manifest: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "steelyard.cli.main", "submit", str(manifest), "--wait"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    jobs.wait_for("trainingjob", "tiny", lambda _: True)
    write_status(jobs, {"phase": "Training", "stages": [{"name": "train", "key": "k", "workers": 2, "startTime": AT}]})
    assert process.stdout is not None and "train: started" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "the TrainingJob tiny runs on" in errors and "Traceback" not in errors
    assert len(jobs.list("trainingjobs")) == 1


@pytest.mark.usefixtures("quick")
def test_the_documents_example_runs(
    jobs: Kubectl, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "client.md").read_text(), re.DOTALL)
    writer = in_background(
        lambda: (jobs.wait_for("trainingjob", "digits", bool), write_status(jobs, COMPLETE, "digits"))
    )
    exec(example, {})
    writer.join()
    assert capsys.readouterr().out.endswith(f"Complete finish 2/2\n0.972 {DIGEST}\n")
