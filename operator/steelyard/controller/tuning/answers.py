"""What children have answered, and which questions still run. Pure; imports the api and the controller's pure parts."""

from dataclasses import dataclass, field

from steelyard.api.search_log import Entry, TrialReport, Values
from steelyard.controller.tuning.facts import Child, Pack, Question
from steelyard.controller.tuning.observation import SearchObservation
from steelyard.tuning.trials import trial_name


@dataclass
class Answers:
    """What the children of a search say that its log does not."""

    new: list[Entry] = field(default_factory=list)
    """By number."""
    running: dict[int, Values] = field(default_factory=dict)
    """The questions that are asked and not answered."""
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
        if any(question.number not in seen.entries for question in pack.questions):
            _take_pack(answers, seen, pack)
    for number, defect in seen.refused.items():
        values = seen.asked.get(number)
        if values is not None:
            answers.new.append(_failed(Question(number, values), f"{defect.reason}: {defect.message}"))
    answers.new.sort(key=lambda entry: entry.number)
    return answers


def _take_trial(answers: Answers, seen: SearchObservation, child: Child) -> None:
    question = child.question
    if not child.name.removeprefix(f"{seen.context.name}-").isdecimal():
        return  # Somebody's own, whatever it is.
    if question is None or child.name != trial_name(seen.context.name, question.number):
        answers.useless.append(child)
    elif question.number in seen.entries:
        return
    elif child.outcome == "Running":
        answers.running[question.number] = question.values
    else:
        entry = _answer(child, question)
        if _fits(seen, entry):
            answers.new.append(entry)
        else:
            answers.useless.append(child)


def _fits(seen: SearchObservation, entry: Entry) -> bool:
    """Whether the log can hold it: somebody may have edited what a child remembers of its question."""
    try:
        entry.encode(seen.spec.parameters)
    except ValueError:
        return False
    return True


def _answer(child: Child, question: Question) -> Entry:
    if child.outcome == "Failed":
        return _failed(question, f"{child.reason}: {child.message}")
    if child.report is None or child.report.number != question.number:
        return _failed(question, "it ended well, but left no report of this trial")
    return Entry.of(child.report, question.values, question.seen)


def _failed(question: Question, reason: str) -> Entry:
    report = TrialReport(question.number, "Failed", reason=" ".join(reason.split()))
    return Entry.of(report, question.values, question.seen)


def _take_pack(answers: Answers, seen: SearchObservation, pack: Pack) -> None:
    open_questions = [question for question in pack.questions if question.number not in seen.entries]
    if pack.is_running:
        answers.running |= {question.number: question.values for question in open_questions}
        return
    ending = seen.pack_endings.get(pack.job.uid)
    if ending is None or ending.is_lost:
        (answers.ended if ending is None else answers.lost).append(pack)
        answers.running |= {question.number: question.values for question in open_questions}
        return
    defect = ending.defect
    reason = f"{defect.reason}: {defect.message}" if defect else f"{pack.job.name} left no report of this trial"
    for question in open_questions:
        report = ending.reports.get(question.number)
        entry = _failed(question, reason) if report is None else Entry.of(report, question.values, question.seen)
        answers.new.append(entry)
