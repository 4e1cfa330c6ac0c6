"""The state machine of a search: its beginning, its trials, its end."""

from dataclasses import replace
from typing import Any

import pytest
from controller_support import NOW, ago
from controller_tuning_support import (
    DROPOUT,
    UNITS,
    answer,
    begun,
    child,
    conditions,
    context_with,
    decided,
    made,
    observation,
    trial,
)

from steelyard.contract.trial_report import TrialReport
from steelyard.controller.observation import text_of
from steelyard.controller.policies.endings import Broken
from steelyard.controller.tuning.actions import (
    DeleteChild,
    MakeChild,
    PauseChild,
)
from steelyard.controller.tuning.decide import decide
from steelyard.controller.tuning.draft import TuningDraft
from steelyard.controller.tuning.facts import Suggestion
from steelyard.search.log import Entry

SEARCH = context_with()
ALL = [answer(number) for number in range(6)]


def test_a_new_search_makes_its_workspace_and_prepares_the_data() -> None:
    decision = decided(SEARCH, {})
    assert made(decision) == ["search-workspace", "search-data"] and decision.before == []
    assert decision.draft.status["startTime"] == decision.draft.status["activeSince"] == text_of(NOW)
    assert [event.reason for event in decision.events] == ["SearchStarted"]
    again = decided(SEARCH, decision.draft.status)
    assert made(again) == made(decision) and again.draft.changes() == {} and again.events == []


def test_data_on_a_claim_of_the_users_needs_no_workspace_of_ours() -> None:
    context = context_with("template.workspace={claimName: scratch}")
    decision = decided(context, {})
    assert made(decision) == ["search-data"]
    (action,) = decision.after
    assert isinstance(action, MakeChild) and action.body["spec"]["workspace"]["claimName"] == "scratch"


def test_prepared_data_lets_the_first_trials_be_created_in_the_same_write() -> None:
    status = decided(SEARCH, {}).draft.status
    decision = decided(SEARCH, status, child("search-data", "Complete", message="1797 rows"))
    assert made(decision) == ["search-0", "search-1"]
    assert conditions(decision) == {"Prepared": ("True", "Succeeded")}
    assert decision.draft.status["trials"]["running"] == 2


def test_bad_data_fails_the_search_with_its_reason() -> None:
    status = decided(SEARCH, {}).draft.status
    decision = decided(SEARCH, status, child("search-data", "Failed", reason="CheckFailed", message="too few rows"))
    assert conditions(decision) == {"Prepared": ("False", "CheckFailed"), "Failed": ("True", "CheckFailed")}
    assert decision.is_over and decision.after == []


def test_a_result_is_logged_and_the_next_trial_created_in_one_write() -> None:
    decision = decided(SEARCH, begun(SEARCH), trial(0, "Complete"), trial(1))
    assert [entry.number for entry in decision.new] == [0]
    assert made(decision) == ["search-2"]
    status = decision.draft.status
    assert len(status["log"]) == 1 and status["progress"] == "1/6" and status["metric"] == "accuracy 0"
    assert status["trials"] == {"created": 3, "running": 2, "complete": 1, "pruned": 0, "failed": 0, "repeated": 0}


def test_a_trial_waits_for_the_results_that_it_is_created_with() -> None:
    """Trial 2 knows the result of trial 0, whoever finishes first."""
    decision = decided(SEARCH, begun(SEARCH), trial(0), trial(1, "Complete"))
    assert made(decision) == [] and len(decision.draft.status["log"]) == 1
    independent = context_with("algorithm.name=Random")
    assert made(decided(independent, begun(independent), trial(0), trial(1, "Complete"))) == ["search-2"]


def test_the_log_is_in_the_order_of_the_numbers_whoever_answers_first() -> None:
    first = decided(SEARCH, begun(SEARCH), trial(0), trial(1, "Complete")).draft.status
    second = decided(SEARCH, first, trial(0, "Complete"), trial(1, "Complete")).draft.status
    assert [line[:2] for line in second["log"]] == ["[0", "[1"]


def test_an_answer_that_is_logged_is_never_taken_again() -> None:
    """The operator died between the status and whatever followed."""
    status = begun(SEARCH, answer(0))
    decision = decided(SEARCH, status, trial(0, "Complete"), trial(1))
    assert decision.new == [] and made(decision) == ["search-2"]


def test_a_new_best_is_told_and_shown() -> None:
    decision = decided(SEARCH, begun(SEARCH, answer(0)), trial(1, "Complete"))
    assert [event.reason for event in decision.events] == ["NewBest"]
    best = {"trial": 1, "value": 0.01, "parameters": {DROPOUT: "0.01", UNITS: "16"}}
    assert decision.draft.status["best"] == best
    worse = decided(SEARCH, begun(SEARCH, answer(0, 0.9)), trial(1, "Complete"))
    assert worse.events == [] and worse.draft.status["best"]["trial"] == 0


def test_the_time_that_is_left_is_told_by_the_trials_that_are_done() -> None:
    decision = decided(SEARCH, begun(SEARCH, answer(0), seconds_ago=30), trial(1, "Complete"))
    assert decision.draft.status["secondsLeft"] == 30 / 2 * 4


@pytest.mark.parametrize(
    ("failed", "reason"),
    [
        (trial(0, "Failed", reason="InvalidData", message="a\nb"), "InvalidData: a b"),
        (trial(0, "Complete", report=None), "it ended well, but left no report of this trial"),
        (
            trial(0, "Complete", report=TrialReport(7, "Complete", 0.5)),
            "it ended well, but left no report of this trial",
        ),
    ],
)
def test_a_trial_that_fails_is_an_answer_with_a_reason(failed: object, reason: str) -> None:
    decision = decided(SEARCH, begun(SEARCH), failed, trial(1))  # type: ignore[arg-type]
    assert [(entry.state, entry.reason) for entry in decision.new] == [("Failed", reason)]
    assert made(decision) == ["search-2"]


def test_too_many_failures_end_the_search_and_what_runs_pauses() -> None:
    status = begun(SEARCH, answer(0, state="Failed", value=None))
    decision = decided(SEARCH, status, trial(1, "Failed", reason="Crashed", message="x"), trial(2))
    assert conditions(decision)["Failed"] == ("True", "TooManyFailedTrials")
    assert conditions(decision)["Searched"] == ("False", "TooManyFailedTrials")
    assert decision.before == [PauseChild(trial(2), True)] and decision.is_over
    assert len(decision.draft.status["log"]) == 2


def test_a_trial_that_somebody_removed_is_asked_again() -> None:
    assert made(decided(SEARCH, begun(SEARCH, answer(0)), trial(2))) == ["search-1"]


def test_a_trial_whose_values_nobody_can_read_is_removed_and_created_again() -> None:
    spoilt = [
        trial(0, suggestion=None),
        trial(0, "Complete", suggestion=Suggestion(0, {DROPOUT: 0.1, UNITS: 17})),
        trial(0, suggestion=Suggestion(5, answer(0).values)),
    ]
    for one in spoilt:
        decision = decided(SEARCH, begun(SEARCH), one, trial(1))
        assert decision.before == [DeleteChild(one)] and decision.new == []


def test_values_that_make_no_valid_job_are_a_failed_trial() -> None:
    context = context_with("template.training.earlyStopping={monitor: val_loss}")
    seen = observation(context, begun(context), asked={0: {"model.mlp.hiddenUnits.9": 3}, 1: answer(1).values})
    decision = decide(replace(seen, asked={0: {DROPOUT: 0.1, "training.epochs": 0}, 1: answer(1).values}), NOW)
    assert [(entry.number, entry.state) for entry in decision.new] == [(0, "Failed")]
    assert "training.epochs" in decision.new[0].reason and made(decision) == ["search-1"]


def test_a_trial_that_the_api_server_refuses_has_failed() -> None:
    asked = {number: answer(number).values for number in range(3)}
    decision = decided(SEARCH, begun(SEARCH), asked=asked, refused={0: Broken("ChildRefused", "no")})
    assert [(entry.number, entry.state, entry.reason) for entry in decision.new] == [(0, "Failed", "ChildRefused: no")]


def test_nothing_left_to_ask_is_remembered_and_ends_the_search() -> None:
    status = begun(SEARCH, *ALL[:3])
    decision = decide(observation(SEARCH, status, trial(3), asked={4: None}), NOW)
    assert decision.draft.status["exhaustedAt"] == 4 and made(decision) == []
    status = begun(SEARCH, *ALL[:4], exhaustedAt=4)
    assert conditions(decided(SEARCH, status))["Searched"] == ("True", "SpaceExhausted")


def test_the_search_ends_when_the_last_trial_has() -> None:
    status = begun(SEARCH, *ALL[:4])
    assert "Searched" not in conditions(decided(SEARCH, status, trial(4, "Complete"), trial(5)))
    decision = decided(SEARCH, status, trial(4, "Complete"), trial(5, "Complete"))
    assert conditions(decision)["Searched"] == ("True", "Succeeded")
    assert made(decision) == ["search-search-6", "search-best"]


def test_minutes_that_are_up_end_the_asking_and_publish_the_best() -> None:
    context = context_with("maxMinutes=1")
    status = begun(context, answer(0), seconds_ago=61)
    assert made(decided(context, status, trial(1))) == []
    decision = decided(context, status, trial(1, "Complete"))
    assert conditions(decision)["Searched"] == ("True", "TimeIsUp") and "search-best" in made(decision)


def test_the_deadline_fails_the_search_and_a_later_one_lets_it_go_on() -> None:
    context = context_with("runPolicy.activeDeadlineSeconds=60")
    early = decided(context, begun(context, seconds_ago=50), trial(0), trial(1))
    assert not early.is_over and early.again_after == 10
    late = decided(context, begun(context, seconds_ago=60), trial(0, "Complete"), trial(1))
    assert conditions(late)["Failed"] == ("True", "DeadlineExceeded") and len(late.draft.status["log"]) == 1
    assert late.before == [PauseChild(trial(1), True)]
    longer = context_with("runPolicy.activeDeadlineSeconds=90")
    on = decided(longer, late.draft.status, trial(1, is_suspended=True), generation=2)
    assert not on.is_over and "Failed" not in conditions(on)
    assert PauseChild(trial(1, is_suspended=True), False) in on.before and made(on) == ["search-2"]


def test_a_search_without_any_answer_has_failed() -> None:
    context = context_with("maxTrials=2", "maxFailedTrials=9")
    failed = [answer(number, state="Failed", value=None) for number in range(2)]
    assert conditions(decided(context, begun(context, *failed)))["Failed"] == ("True", "NoAnswer")


BEST = child("search-best", search="search-search-6")


@pytest.mark.parametrize("placement", ["Pods", "Packed", "Auto"])
def test_the_best_trials_own_model_is_published(placement: str) -> None:
    search = context_with(f"placement={placement}")
    decision = decided(search, begun(search, *ALL))
    job = decision.after[-1]
    assert isinstance(job, MakeChild) and job.body["spec"]["trained"] == {
        "uri": "pvc://search-workspace/search-5/trained"
    }
    assert job.body["metadata"]["annotations"] == {"steelyard.dev/search": "search-search-6"}
    assert decided(search, decision.draft.status, BEST).after == []


def test_a_published_model_completes_the_search() -> None:
    model = {"chosen": "Int8", "bytes": 94208}
    done = replace(BEST, outcome="Complete", model=model, size="94 kB", message="94 kB")
    decision = decided(SEARCH, begun(SEARCH, *ALL), done)
    assert conditions(decision)["Complete"] == conditions(decision)["Published"] == ("True", "Succeeded")
    status = decision.draft.status
    assert (status["model"], status["size"], status["phase"]) == (model, "94 kB", "Complete")
    assert "activeSince" not in status and decision.is_over


def test_a_model_that_can_not_be_published_fails_the_search() -> None:
    failed = replace(BEST, outcome="Failed", reason="GateFailed", message="0.8 < 0.9")
    decision = decided(SEARCH, begun(SEARCH, *ALL), failed)
    assert conditions(decision)["Published"] == ("False", "GateFailed")
    assert conditions(decision)["Failed"] == ("True", "GateFailed")


def test_a_best_model_of_a_former_end_makes_room_for_the_new_one() -> None:
    old = replace(BEST, search="search-search-4", outcome="Complete")
    decision = decided(SEARCH, begun(SEARCH, *ALL), old)
    assert decision.before == [DeleteChild(old)] and decision.after == [] and not decision.is_over
    going = replace(old, is_going=True)
    assert decided(SEARCH, begun(SEARCH, *ALL), going).before == []


def test_nothing_is_published_where_the_template_says_so() -> None:
    context = context_with("template.publish=[]", "template.compression=null")
    decision = decided(context, begun(context, *ALL))
    assert conditions(decision)["Complete"] == ("True", "Succeeded") and made(decision) == []


def test_a_suspended_search_pauses_what_runs_and_asks_nothing() -> None:
    context = context_with("runPolicy.suspend=true")
    status = begun(context, answer(0), seconds_ago=30)
    decision = decided(context, status, trial(1, "Complete"), trial(2))
    assert decision.before == [PauseChild(trial(2), True)] and made(decision) == []
    assert decision.draft.status["phase"] == "Suspended" and len(decision.draft.status["log"]) == 2
    assert decision.draft.status["activeSeconds"] == 30 and "activeSince" not in decision.draft.status
    assert decided(context, decision.draft.status, trial(2, is_suspended=True)).before == []


def test_time_does_not_pass_while_a_search_is_suspended() -> None:
    paused = {**begun(SEARCH, answer(0)), "activeSeconds": 30.0}
    del paused["activeSince"]
    pause = TuningDraft(paused, 1, ago(1000))
    pause.suspend()
    decision = decided(SEARCH, pause.status, trial(1, is_suspended=True))
    assert decision.before == [PauseChild(trial(1, is_suspended=True), False)]
    assert decision.draft.counted_seconds == 30 and decision.draft.status["activeSince"] == text_of(NOW)
    assert decision.draft.status["phase"] == "Searching" and made(decision) == ["search-2"]


def complete(*entries: Entry) -> dict[str, object]:
    """The status of a search that is Complete."""
    done = replace(BEST, outcome="Complete", search=f"search-search-{len(entries)}", model={}, message="done")
    context = context_with(f"maxTrials={len(entries)}")
    return decided(context, begun(context, *entries), done).draft.status


def test_a_larger_number_of_trials_lets_a_finished_search_go_on() -> None:
    decision = decided(SEARCH, complete(*ALL[:4]), generation=2)
    assert made(decision) == ["search-4", "search-5"] and not decision.is_over
    assert {"Complete", "Searched"}.isdisjoint(conditions(decision)) and "completionTime" not in decision.draft.status
    assert decision.draft.status["progress"] == "4/6"


@pytest.mark.parametrize(("state", "reason"), [("True", "Removed"), ("False", "Removing")])
def test_a_search_whose_workspace_was_removed_can_not_go_on_and_says_so(state: str, reason: str) -> None:
    status: dict[str, Any] = dict(complete(*ALL[:4]))
    removed = {"type": "WorkspaceRemoved", "status": state, "reason": reason, "message": "", "lastTransitionTime": ""}
    status["conditions"] = [*status["conditions"], removed]
    decision = decided(SEARCH, status, generation=2)
    assert decision.is_over and decision.draft.changes() == {"observedGeneration": 2} and made(decision) == []
    (event,) = decision.events
    assert event.is_warning and "make a new one that names it in spec.warmStart" in event.message
    needed = {**removed, "status": "False", "reason": "InUse"}
    assert not decided(SEARCH, {**status, "conditions": [*complete(*ALL[:4])["conditions"], needed]}).is_over  # type: ignore[misc]


def test_what_lets_nothing_be_asked_changes_nothing() -> None:
    status = complete(*ALL)
    decision = decided(SEARCH, status, generation=2)
    assert decision.is_over and decision.draft.changes() == {"observedGeneration": 2}


def test_what_an_earlier_search_found_out_is_read_once_before_anything_else() -> None:
    context = context_with("warmStart.tuningJob=earlier")
    assert decided(context, {}).needs_prior
    lines = [answer(number).encode(context.spec.parameters) for number in range(2)]
    first = decided(context, {}, prior_lines=lines)
    assert first.draft.status["prior"] == lines and first.after == [] and first.again_after == 0
    assert made(decided(context, first.draft.status)) == ["search-workspace", "search-data"]


def test_values_that_an_earlier_search_has_tried_need_no_trial() -> None:
    context = context_with("warmStart.tuningJob=earlier")
    known = answer(8, 0.7, values=answer(0).values)
    status = begun(context, prior=[known.encode(context.spec.parameters)])
    decision = decided(context, status)
    assert [(entry.number, entry.state, entry.value) for entry in decision.new] == [(0, "Repeated", 0.7)]
    assert made(decision) == ["search-1"] and decision.again_after == 0
    last = decided(context, {**status, **decision.draft.status}, trial(1))
    assert last.new == [] and made(last) == ["search-2"]


def test_a_training_job_of_another_name_is_left_alone() -> None:
    decision = decided(SEARCH, begun(SEARCH), child("search-mine", "Complete"))
    assert decision.before == [] and made(decision) == ["search-0", "search-1"]
