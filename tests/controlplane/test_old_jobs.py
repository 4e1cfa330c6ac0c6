"""Jobs that an older operator has begun are finished by this one: no child is made twice, and their end is the same.

30 jobs of both kinds are there twice. In the one namespace the old operator works on them to their end. In the other it
is killed when each job stands where it is wanted (begun_jobs.py); some of their pods end while no operator runs; then
come the new CRDs and the new operator.
"""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import old_operator
import pytest
from begun_jobs import ALLOWED_CLAIMS, JOBS, OBJECTS, Ends, Place
from cluster.api import Api
from cluster.audit import Entry
from cluster.kubectl import fresh_namespace
from cluster.simulation import SimulatedCluster
from crd_support import install_crds
from operator_support import OperatorProcess

PATIENCE_SECONDS = 400.0
OLD, NEW = "old-operator", "new-operator"


@dataclass(frozen=True)
class Story:
    """What became of the jobs."""

    undisturbed: dict[str, dict[str, Any]]
    """The jobs in the end, where the old operator finished them."""
    handed_on: dict[str, dict[str, Any]]
    """The same where the new one did."""
    left: dict[tuple[str, str], str]
    """The uids of what the old operator left behind."""
    found: dict[tuple[str, str], str]
    """The uids of what there is in the end."""
    expected: set[tuple[str, str]]
    """What the old operator alone made."""
    writes: list[Entry]
    """Of both operators, where the jobs were handed on."""
    log: str
    """The new operator's."""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Lives it through, on a cluster of its own: it begins with the old CRDs."""
    folder = tmp_path_factory.mktemp("old-jobs")
    packages = old_operator.unpack(folder / "packages")
    with SimulatedCluster(folder / "cluster", die_with_parent=True) as cluster, ExitStack() as stack:
        install_crds(cluster.kubectl, old_operator.FOLDER)
        api = Api(cluster.kubeconfig)
        namespaces = [stack.enter_context(fresh_namespace(cluster.kubectl)) for _ in range(2)]
        undisturbed, handed_on = (Place(api, str(namespace.namespace)) for namespace in namespaces)
        audit = cluster.audit.since()

        def operator(user: str, place: Place, packages: Path | None) -> OperatorProcess:
            kubeconfig = cluster.kubeconfig_of_user(user, "system:masters")
            settings = {"namespaces": place.namespace, "allowed_claims": ALLOWED_CLAIMS}
            process = OperatorProcess(kubeconfig, folder / f"{user}-{place.namespace}", packages=packages, **settings)
            return stack.enter_context(process)

        for place in (undisturbed, handed_on):
            place.create()
        operator(OLD, undisturbed, packages)
        old = operator(OLD, handed_on, packages)
        for place in (undisturbed, handed_on):
            wait_until(lambda place=place: has_come_there(place), lambda place=place: place.left_to_stand())
            place.pause()
        for place in (undisturbed, handed_on):
            wait_until(lambda place=place: is_paused(place), lambda place=place: place.jobs())
        old.kill()
        left = handed_on.children()
        handed_on.let_go(Ends.MEANWHILE)
        wait_until(
            lambda: not handed_on.stages_that_run(Ends.MEANWHILE), lambda: handed_on.stages_that_run(Ends.MEANWHILE)
        )
        finish(undisturbed)
        expected = undisturbed.children().keys()
        install_crds(cluster.kubectl)
        new = operator(NEW, handed_on, None)
        finish(handed_on)
        entries = audit.entries(namespace=handed_on.namespace, writes=True)
        writes = [entry for entry in entries if entry.user in (OLD, NEW) and entry.resource in OBJECTS]
        yield Story(
            undisturbed.jobs(),
            handed_on.jobs(),
            left,
            handed_on.children(),
            {*expected},
            writes,
            new.log.read_text(),
        )


def finish(place: Place) -> None:
    """Has all jobs of a namespace end."""
    place.go_on()

    def is_done() -> bool:
        # Also those pods that came since.
        place.let_go(Ends.LATER, Ends.MEANWHILE)
        return all(JOBS[name].has_ended(job) for name, job in place.jobs().items())

    wait_until(is_done, lambda: {n: job["status"] for n, job in place.jobs().items() if not JOBS[n].has_ended(job)})


def has_come_there(place: Place) -> bool:
    """Whether all jobs are where they are to be left. Has the first pods fail, of those jobs whose pods fail."""
    place.let_first_fail()
    return not place.left_to_stand()


def is_paused(place: Place) -> bool:
    """Whether what was suspended says so."""
    return all(job["status"]["phase"] == "Suspended" for name, job in place.jobs().items() if JOBS[name].is_paused)


def wait_until(is_so: Callable[[], bool], what_is: Callable[[], object]) -> None:
    """Waits for something that takes seconds."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < until, what_is()
        time.sleep(1)


def timeless(value: Any) -> Any:
    """A part of a status without times and what is made of a job's uid, which differ between two equal jobs. So does
    whether a job has waited for a while: that is the machine's pace."""
    if isinstance(value, dict):
        return {name: timeless(each) for name, each in value.items() if not is_passing(name)}
    if isinstance(value, list):
        return [timeless(each) for each in value if not has_waited(each)]
    return value


def has_waited(value: Any) -> bool:
    """Whether this is the condition that a job waited, and no longer does."""
    return isinstance(value, dict) and (value.get("type"), value.get("status")) == ("Waiting", "False")


def is_passing(name: str) -> bool:
    """Whether a field holds a time, or a digest that a job's uid is in."""
    return name.endswith(("Time", "Since", "Seconds")) or name in ("key", "digest")


def test_the_old_operator_is_that_of_the_wheel(tmp_path: Path) -> None:
    packages = old_operator.unpack(tmp_path / "packages")
    operator = OperatorProcess(tmp_path / "kubeconfig", tmp_path, packages=packages)
    program = "import steelyard.controller.operator as o, kopf; print(o.__file__, kopf.__file__, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], env=operator.environment, capture_output=True, check=True)
    own, dependency = map(Path, done.stdout.decode().splitlines())
    assert own.is_relative_to(packages) and not dependency.is_relative_to(packages)
    assert "chunk_size" not in own.read_text(), "its lists have no pages"


def test_there_are_jobs_of_both_kinds_in_all_stages() -> None:
    assert Counter(begun.resource for begun in JOBS.values()) == {"trainingjobs": 20, "tuningjobs": 10}
    phases = {begun.phase for begun in JOBS.values()}
    assert phases == {
        "Waiting", "Suspended", "Preparing", "Training", "Searching", "Finishing", "Complete", "Failed",
    }  # fmt: skip
    assert {begun.ends for begun in JOBS.values()} == {*Ends}


@pytest.mark.parametrize("name", JOBS)
def test_a_job_ends_as_it_would_have_with_the_old_operator(story: Story, name: str) -> None:
    status, expected = story.handed_on[name]["status"], story.undisturbed[name]["status"]
    assert status["phase"] == JOBS[name].last, status
    assert timeless(status) == timeless(expected)


def test_no_child_is_made_twice(story: Story) -> None:
    made = Counter((each.resource, each.name) for each in story.writes if (each.verb, each.code) == ("create", 201))
    assert {child: count for child, count in made.items() if count > 1} == {}
    assert {*made} == story.expected
    assert {each.user for each in story.writes if each.verb == "create"} == {OLD, NEW}


def test_no_child_is_made_again(story: Story) -> None:
    assert [entry for entry in story.writes if "delete" in entry.verb] == []
    assert {child: story.found.get(child) for child in story.left} == story.left


def test_the_new_operator_has_nothing_to_complain_about(story: Story) -> None:
    assert [line for line in story.log.splitlines() if '"level": "error"' in line or "Traceback" in line] == []
