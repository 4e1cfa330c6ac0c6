"""The state machine of a search: from what is observed to its status and what is to be done. Pure: no clock, no API
call, no sampler.

As for TrainingJobs each decision starts from what is in the cluster. Where something must be found out first (the next
values of trials, a pack's pods, an earlier search's log) the decision says so, and is made again with what was found.
Imports tuning, the search, the api and the controller's pure parts.
"""

from collections.abc import Sequence
from datetime import datetime

from steelyard.api.errors import ConfigurationError
from steelyard.contract.stages import Reason
from steelyard.contract.trial_report import TrialReport
from steelyard.controller.events import Event
from steelyard.controller.policies import retention
from steelyard.controller.policies.base import CHECK_AGAIN_SECONDS, GO, Phase, verdicts
from steelyard.controller.tuning import children
from steelyard.controller.tuning.actions import (
    Action,
    DeleteChild,
    DeletePack,
    MakeChild,
    MakePack,
    PauseChild,
    PausePack,
    TuningDecision,
)
from steelyard.controller.tuning.answers import Answers, answers_of
from steelyard.controller.tuning.draft import TuningDraft
from steelyard.controller.tuning.facts import Suggestion
from steelyard.controller.tuning.observation import SearchObservation
from steelyard.controller.tuning.policies import POLICIES, SearchCase
from steelyard.search.best import best_of
from steelyard.search.log import Entry
from steelyard.tuning.placement import first_packed, is_packed, leaves_models
from steelyard.tuning.search import End, known_to, next_step
from steelyard.tuning.warm_start import answered_before

_CANT_GO_ON = (
    "the search can't go on, as its workspace was removed (spec.template.workspace.retain); make a new one that names "
    "it in spec.warmStart"
)


def decide(seen: SearchObservation, now: datetime) -> TuningDecision:
    """What follows from an observation."""
    draft = TuningDraft(seen.status, seen.generation, now)
    decision = TuningDecision(draft)
    answers = answers_of(seen)
    if answers.ended:
        decision.needs_pods = tuple(answers.ended)
        return decision
    decision.new = answers.new
    decision.entries = {**seen.entries, **{entry.number: entry for entry in answers.new}}
    if draft.is_over:
        goes_on = _goes_on(seen, decision, answers, now)
        if goes_on and not retention.has_workspace(seen.status):
            decision.events.append(Event("WorkspaceRemoved", _CANT_GO_ON, is_warning=True))
        if not goes_on or not retention.has_workspace(seen.status):
            decision.new, decision.is_over = [], True
            return decision
        draft.go_on()
        decision.events.append(Event("GoesOn", f"the search goes on: spec.maxTrials is {seen.spec.max_trials}"))
    is_new = draft.started is None
    if is_new:
        draft.start(seen.context.image)
        decision.events.append(Event("SearchStarted", _story_of(seen)))
    if seen.defect is not None:
        _fail(decision, seen, seen.defect.reason, seen.defect.message)
        _take_answers(decision, seen, answers)
    elif is_new and seen.spec.warm_start is not None:
        _take_prior(decision, seen)
    else:
        _step(decision, seen, answers)
    return decision


def _step(decision: TuningDecision, seen: SearchObservation, answers: Answers) -> None:
    draft = decision.draft
    decision.before += [DeleteChild(child) for child in answers.useless if not child.is_going]
    decision.before += [DeletePack(pack) for pack in answers.lost if not pack.job.is_going]
    if answers.useless or answers.lost:
        decision.again_after = CHECK_AGAIN_SECONDS
    is_held = _ask_policies(decision, seen)
    if not decision.is_over:
        _pause(decision, seen, is_held)
        if not is_held and not draft.is_prepared:
            _prepare(decision, seen)
        if not is_held and draft.is_prepared and not decision.is_over:
            _search(decision, seen, answers)
    if not decision.ask:
        _take_answers(decision, seen, answers)


def _ask_policies(decision: TuningDecision, seen: SearchObservation) -> bool:
    """Asks whether the search may go on; returns whether it is to pause."""
    verdict = GO
    for verdict in verdicts(POLICIES, Phase.ADMIT, SearchCase(seen, decision.draft)):
        decision.follow(verdict)
        if verdict.failure is not None:
            _fail(decision, seen, verdict.failure.reason, verdict.failure.message)
    return verdict.holds


def _take_answers(decision: TuningDecision, seen: SearchObservation, answers: Answers) -> None:
    """Puts into the status what is known of the trials."""
    before = best_of(list(seen.entries.values()), seen.spec.objective.direction)
    decision.draft.log(seen.spec, decision.entries, decision.new)
    made = {number for action in decision.after for number in _asked_by(action)}
    running = answers.running.keys() | made if not decision.is_over else set[int]()
    decision.draft.show(seen.spec, decision.entries, running)
    best = best_of(list(decision.entries.values()), seen.spec.objective.direction)
    if best is not None and best.number != (before.number if before else None):
        message = f"trial {best.number}: {seen.spec.objective.name} {best.value:.6g}"
        decision.events.insert(0, Event("NewBest", message))


def _asked_by(action: Action) -> tuple[int, ...]:
    """The numbers of the trials of what an action makes."""
    if isinstance(action, MakePack):
        return action.numbers
    return (action.number,) if isinstance(action, MakeChild) and action.number is not None else ()


# --- before the first trial -------------------------------------------------------------------------------------------


def _story_of(seen: SearchObservation) -> str:
    spec = seen.spec
    at_once = f", {spec.parallel_trials} at a time" if spec.parallel_trials > 1 else ""
    return f"{spec.algorithm.name} has at most {spec.max_trials} trials{at_once}"


def _take_prior(decision: TuningDecision, seen: SearchObservation) -> None:
    """Keeps what an earlier search has found out, once and for all: later its log may be another, or gone."""
    if seen.prior_lines is None:
        decision.needs_prior = True
        return
    decision.draft.status["prior"] = list(seen.prior_lines)
    decision.again_after = 0.0


def _prepare(decision: TuningDecision, seen: SearchObservation) -> None:
    """The workspace, and the data in it."""
    context, draft, data = seen.context, decision.draft, seen.data
    if data is None:
        if seen.spec.template.workspace.claim_name is None:
            decision.after.append(MakeChild("persistentvolumeclaims", children.workspace_claim(context)))
        decision.after.append(MakeChild("trainingjobs", children.data_child(context)))
    elif data.outcome == "Failed":
        _fail(decision, seen, data.reason, f"{data.name}: {data.message}", "Prepared")
    elif data.outcome == "Complete":
        draft.prepared(data.message)
        decision.events.append(Event("Prepared", f"the data is prepared once for all trials: {data.message}"))


# --- the search -------------------------------------------------------------------------------------------------------


def _search(decision: TuningDecision, seen: SearchObservation, answers: Answers) -> None:
    spec, draft, entries = seen.spec, decision.draft, decision.entries
    packed = is_packed(spec, entries)
    if packed is not None and spec.placement == "Auto":
        draft.status["packed"] = packed
    running = set(answers.running)
    step = next_step(
        spec,
        entries,
        running,
        minutes=draft.counted_seconds / 60,
        exhausted_at=draft.status.get("exhaustedAt"),
    )
    if step.end is not None and step.end.has_failed:
        draft.searched(step.end)
        _fail(decision, seen, step.end.reason, step.end.message)
        return
    if step.ask:
        _ask(decision, seen, step.ask, packed is True)
    elif step.end is not None and not running:
        _finish(decision, seen, step.end)


def _ask(decision: TuningDecision, seen: SearchObservation, wanted: Sequence[int], packed: bool) -> None:
    if any(number not in seen.asked for number in wanted):
        decision.ask = tuple(wanted)
        return
    # Those that a pod each is for come first, then packs.
    alone = [number for number in wanted if not packed or number < first_packed(seen.spec)]
    suggestions: list[Suggestion] = []
    for number in alone or wanted:
        values = seen.asked[number]
        if values is None:
            decision.draft.status["exhaustedAt"] = number
            decision.again_after = 0.0
            break
        known = known_to(seen.spec, decision.entries, number)
        told = tuple(entry.number for entry in known) if seen.spec.asynchronous else None
        suggestion = Suggestion(number, values, told)
        if (entry := answered_before(seen.prior, number, values, told)) is None:
            try:
                body = children.trial_child(seen.context, suggestion, known)
            except ConfigurationError as error:
                entry = Entry.of(TrialReport(number, "Failed", reason=_one_line(error)), values, told)
        if entry is not None:
            _add(decision, entry)
        elif alone:
            decision.after.append(MakeChild("trainingjobs", body, number))
        else:
            suggestions.append(suggestion)
    if suggestions:
        decision.after.append(children.pack_of(seen.context, suggestions, decision.entries))


def _add(decision: TuningDecision, entry: Entry) -> None:
    """A result that no trial was needed for: the next one may be created at once."""
    decision.entries = {**decision.entries, entry.number: entry}
    decision.new.append(entry)
    decision.again_after = 0.0


def _one_line(error: ConfigurationError) -> str:
    return " ".join(f"{error.reason}: {error.message}".split())


# --- the end ----------------------------------------------------------------------------------------------------------


def _finish(decision: TuningDecision, seen: SearchObservation, end: End) -> None:
    """All trials are finished: the best model is made and published."""
    draft, context, child = decision.draft, seen.context, seen.best
    if not draft.is_searched:
        draft.searched(end)
        decision.events.append(Event("SearchEnded", f"{end.reason}: {end.message}"))
    best = best_of(list(decision.entries.values()), seen.spec.objective.direction)
    if best is None:
        count = len(decision.entries)
        story = f"none of the {count} trials ran to its end with a value" if count else "no trial was created"
        message = f"{story}: {end.message}"
        _fail(decision, seen, Reason.NO_ANSWER, message)
        return
    told = f"the best of {len(decision.entries)}: trial {best.number}, {seen.spec.objective.name} {best.value:.6g}"
    if seen.spec.template.publish == []:
        _complete(decision, told)
        return
    try:
        objects = children.best_children(context, best, decision.entries, end, _model_of(seen, decision, best))
    except ConfigurationError as error:
        _fail(decision, seen, error.reason, error.message, "Published")
        return
    if child is None:
        decision.after += objects
    elif child.search != children.search_of(context, decision.entries):
        # It is of the search as it was before it went on.
        if not child.is_going:
            decision.before.append(DeleteChild(child))
        decision.again_after = CHECK_AGAIN_SECONDS
    elif child.outcome == "Failed":
        _fail(decision, seen, child.reason, f"{child.name}: {child.message}", "Published")
    elif child.outcome == "Complete":
        draft.publish(child.model, child.size, child.message)
        _complete(decision, told)


def _model_of(seen: SearchObservation, decision: TuningDecision, best: Entry) -> str | None:
    """The folder with the best trial's own model; None where it left none."""
    is_alone = not is_packed(seen.spec, decision.entries) or best.number < first_packed(seen.spec)
    has_model = is_alone or leaves_models(seen.spec)
    if best.state != "Complete" or not has_model or seen.spec.template.evaluation.cross_validation is not None:
        return None
    return children.model_of_trial(seen.context, best.number)


def _complete(decision: TuningDecision, message: str) -> None:
    decision.draft.complete(message)
    decision.events.append(Event("Complete", message))
    decision.after.clear()
    decision.is_over = True


def _fail(
    decision: TuningDecision, seen: SearchObservation, reason: str, message: str, condition: str | None = None
) -> None:
    """The end of a search: nothing is made any more. What runs pauses, so that a search with a mended spec goes on."""
    decision.draft.fail(reason, message, condition)
    decision.events.append(Event(reason, message, is_warning=True))
    decision.before.clear()
    decision.after.clear()
    _pause(decision, seen, True)
    decision.again_after = None
    decision.is_over = True


def _pause(decision: TuningDecision, seen: SearchObservation, is_to_pause: bool) -> None:
    """Has all that runs pause, or go on."""
    for child in seen.children:
        if child.outcome == "Running" and child.is_suspended != is_to_pause and not child.is_going:
            decision.before.append(PauseChild(child, is_to_pause))
    for pack in seen.packs:
        if pack.is_running and pack.is_suspended != is_to_pause and not pack.job.is_going:
            decision.before.append(PausePack(pack, is_to_pause))


def _goes_on(seen: SearchObservation, decision: TuningDecision, answers: Answers, now: datetime) -> bool:
    """Whether a search that is over has something to do again, now that its spec has changed."""
    draft, tried = decision.draft, TuningDraft(seen.status, seen.generation, now)
    tried.go_on()
    may_not = any(verdict.is_last for verdict in verdicts(POLICIES, Phase.ADMIT, SearchCase(seen, tried)))
    if seen.defect is not None or may_not:
        return False
    if draft.reason_of("Failed") == Reason.DEADLINE_EXCEEDED:
        return True
    step = next_step(
        seen.spec,
        decision.entries,
        answers.running,
        minutes=draft.counted_seconds / 60,
        exhausted_at=draft.status.get("exhaustedAt"),
    )
    return draft.is_prepared and step.end is None
