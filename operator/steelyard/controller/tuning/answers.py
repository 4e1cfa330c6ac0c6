"""The results of children, and which trials still run. Pure; imports the search, the api and the controller's pure
parts."""

from dataclasses import dataclass, field

from steelyard.contract.trial_report import TrialReport
from steelyard.controller.tuning.facts import Child, Pack, Suggestion
from steelyard.controller.tuning.observation import SearchObservation
from steelyard.search.log import Entry, Values
from steelyard.tuning.trials import trial_name


@dataclass
class Answers:
    """What the children of a search say that its log does not."""

    new: list[Entry] = field(default_factory=list)
    """By number."""
    running: dict[int, Values] = field(default_factory=dict)
    """The values of the trials that run, by number."""
    useless: list[Child] = field(default_factory=list)
    """TrainingJobs of which nobody can tell what they answer: they are asked again."""
    lost: list[Pack] = field(default_factory=list)
    """Packs that have ended and whose result nobody can tell any more."""
    ended: list[Pack] = field(default_factory=list)
    """Packs at whose pods somebody must look."""


def answers_of(seen: SearchObservation) -> Answers:
    """What the children say now."""
    answers = Answers()
    for child in seen.trials:
        _take_trial(answers, seen, child)
    for pack in seen.packs:
        if any(suggestion.number not in seen.entries for suggestion in pack.suggestions):
            _take_pack(answers, seen, pack)
    for number, defect in seen.refused.items():
        values = seen.asked.get(number)
        if values is not None:
            answers.new.append(_failed(Suggestion(number, values), f"{defect.reason}: {defect.message}"))
    answers.new.sort(key=lambda entry: entry.number)
    return answers


def _take_trial(answers: Answers, seen: SearchObservation, child: Child) -> None:
    suggestion = child.suggestion
    if not child.name.removeprefix(f"{seen.context.name}-").isdecimal():
        return  # Somebody's own, whatever it is.
    if suggestion is None or child.name != trial_name(seen.context.name, suggestion.number):
        answers.useless.append(child)
    elif suggestion.number in seen.entries:
        return
    elif child.outcome == "Running":
        answers.running[suggestion.number] = suggestion.values
    else:
        entry = _answer(child, suggestion)
        if _fits(seen, entry):
            answers.new.append(entry)
        else:
            answers.useless.append(child)


def _fits(seen: SearchObservation, entry: Entry) -> bool:
    """Whether the log can hold it: somebody may have edited what a child remembers of its trial."""
    try:
        entry.encode(seen.spec.parameters)
    except ValueError:
        return False
    return True


def _answer(child: Child, suggestion: Suggestion) -> Entry:
    if child.outcome == "Failed":
        return _failed(suggestion, f"{child.reason}: {child.message}")
    if child.report is None or child.report.number != suggestion.number:
        return _failed(suggestion, "it ended well, but left no report of this trial")
    return Entry.of(child.report, suggestion.values, suggestion.seen)


def _failed(suggestion: Suggestion, reason: str) -> Entry:
    report = TrialReport(suggestion.number, "Failed", reason=" ".join(reason.split()))
    return Entry.of(report, suggestion.values, suggestion.seen)


def _take_pack(answers: Answers, seen: SearchObservation, pack: Pack) -> None:
    open_suggestions = [suggestion for suggestion in pack.suggestions if suggestion.number not in seen.entries]
    if pack.is_running:
        answers.running |= {suggestion.number: suggestion.values for suggestion in open_suggestions}
        return
    ending = seen.pack_endings.get(pack.job.uid)
    if ending is None or ending.is_lost:
        (answers.ended if ending is None else answers.lost).append(pack)
        answers.running |= {suggestion.number: suggestion.values for suggestion in open_suggestions}
        return
    defect = ending.defect
    reason = f"{defect.reason}: {defect.message}" if defect else f"{pack.job.name} left no report of this trial"
    for suggestion in open_suggestions:
        report = ending.reports.get(suggestion.number)
        entry = _failed(suggestion, reason) if report is None else Entry.of(report, suggestion.values, suggestion.seen)
        answers.new.append(entry)
