"""The state machine of a search whose trials share pods."""

from dataclasses import replace

import pytest
from controller_tuning_support import (
    FOREST,
    answer,
    begun,
    context_with,
    decided,
    forest_values,
    made,
    pack,
    trial,
)

from steelyard.contract.trial_report import TrialReport
from steelyard.controller.policies.endings import Broken
from steelyard.controller.tuning.actions import (
    DeletePack,
    MakePack,
    PausePack,
)
from steelyard.controller.tuning.facts import Suggestion
from steelyard.controller.tuning.observation import PackEnding

GRID = context_with(*FOREST, "placement=Packed")


def reports(*numbers: int, defect: Broken | None = None) -> PackEnding:
    """The end of a pack that has answered these."""
    return PackEnding({number: TrialReport(number, "Complete", number / 100) for number in numbers}, defect)


def test_many_trials_go_into_one_pod() -> None:
    decision = decided(GRID, begun(GRID))
    (action,) = decision.after
    assert isinstance(action, MakePack) and action.numbers == tuple(range(12))
    assert decision.draft.status["trials"]["running"] == 12
    assert decided(GRID, begun(GRID), packs=[pack(0, 12)]).after == []


def test_the_pods_of_a_pack_are_looked_at_before_it_is_judged() -> None:
    ended = pack(0, 12, "Complete")
    decision = decided(GRID, begun(GRID), packs=[ended])
    assert decision.needs_pods == (ended,) and decision.draft.changes() == {}


def test_a_pack_reports_its_trials_and_those_it_has_not_have_failed() -> None:
    context = context_with(*FOREST, "placement=Packed", "maxFailedTrials=9")
    ended = pack(0, 4, "Complete")
    decision = decided(context, begun(context), packs=[ended], pack_endings={ended.job.uid: reports(0, 1, 3)})
    states = [(entry.number, entry.state) for entry in decision.new]
    assert states == [(0, "Complete"), (1, "Complete"), (2, "Failed"), (3, "Complete")]
    assert decision.new[3].values == forest_values(3) and made(decision)[0] == "search-pack-4"


def test_a_pack_that_breaks_fails_its_trials_and_one_that_is_lost_runs_again() -> None:
    context = context_with(*FOREST, "placement=Packed", "maxFailedTrials=9")
    ended = pack(0, 4, "Failed")
    broken = reports(0, defect=Broken("OutOfMemory", "killed"))
    decision = decided(context, begun(context), packs=[ended], pack_endings={ended.job.uid: broken})
    assert [entry.reason for entry in decision.new] == ["", *["OutOfMemory: killed"] * 3]
    gone = PackEnding({}, is_lost=True)
    lost = decided(context, begun(context), packs=[ended], pack_endings={ended.job.uid: gone})
    assert lost.before == [DeletePack(ended)] and lost.new == [] and lost.after == []


def test_a_suspended_search_pauses_its_pack() -> None:
    context = context_with(*FOREST, "placement=Packed", "runPolicy.suspend=true")
    running = pack(0, 12)
    assert decided(context, begun(context), packs=[running]).before == [PausePack(running, True)]


@pytest.mark.parametrize(("seconds", "name", "packed"), [(0.5, "search-pack-2", True), (30.0, "search-2", False)])
def test_the_first_trials_decide_whether_the_others_share_a_pod(seconds: float, name: str, packed: bool) -> None:
    context = context_with(*FOREST)
    first = decided(context, begun(context))
    assert made(first) == ["search-0", "search-1"] and "packed" not in first.draft.status
    answers = [replace(answer(number), values=forest_values(number), seconds=seconds) for number in range(2)]
    assert (
        made(
            decided(context, begun(context, answers[0]), replace(trial(1), suggestion=Suggestion(1, forest_values(1))))
        )
        == []
    )
    later = decided(context, begun(context, *answers))
    assert made(later)[0] == name and later.draft.status["packed"] is packed


@pytest.mark.parametrize(
    ("workers", "seconds", "names"),
    [(1, 0.5, ["search-pack-2"]), (1, 30.0, ["search-2", "search-3"]), (2, 0.5, ["search-2", "search-3"])],
)
def test_short_trials_of_networks_of_one_worker_share_a_pod(workers: int, seconds: float, names: list[str]) -> None:
    context = context_with("placement=Auto", "algorithm.name=Random", f"template.training.workers={workers}")
    answers = [replace(answer(number), seconds=seconds) for number in range(2)]
    assert made(decided(context, begun(context, *answers))) == names
