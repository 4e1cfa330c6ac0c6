"""The trials that run: started, looked at, taken down in the log. Imports tuning, the search, the api and local."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from steelyard.api.dataset import Dataset
from steelyard.api.errors import ConfigurationError
from steelyard.api.metrics import Goal
from steelyard.api.training_job import TrainingJob
from steelyard.contract.stages import Notice, Progress
from steelyard.contract.trial_report import TrialReport
from steelyard.contract.workspace import Workspace
from steelyard.local.processes import Launch, end_all, usable_cpus
from steelyard.local.source import source_digest
from steelyard.local.tuning.job import LocalSearch
from steelyard.local.tuning.pack import PackRun
from steelyard.local.tuning.state import SearchState
from steelyard.local.tuning.suggestions import Suggestion, Suggestions
from steelyard.local.tuning.trial import TrialRun, shortened
from steelyard.search.best import best_of
from steelyard.search.events import NewBest, SearchReport, TrialEnded, TrialStarted, TrialTold
from steelyard.search.log import Entry, Values
from steelyard.tuning.warm_start import answered_before


@dataclass
class Trials:
    """The trials that run, and their processes. For the main thread only."""

    search: LocalSearch
    state: SearchState
    """Gets the answers, and is saved with each."""
    suggestions: Suggestions
    report: SearchReport
    launch: Launch
    pause_factor: float
    exhausted_at: int | None = field(init=False, default=None)
    """The number of the first trial for which no combination was left."""
    _asked: dict[int, Suggestion] = field(init=False, default_factory=dict)
    _runs: dict[int, TrialRun] = field(init=False, default_factory=dict)
    _waiting: dict[int, TrainingJob] = field(init=False, default_factory=dict)
    """Trials that a pack has left open, and for which too many others run."""
    _pack: PackRun | None = field(init=False, default=None)
    _source_digest: str = field(init=False)
    _best: Entry | None = field(init=False)

    def __post_init__(self) -> None:
        search, target = self.search, self.search.tuning.spec.template.dataset.target
        prepared = Dataset(uri=search.dataset_uri, format="Prepared", target=target)
        self._source_digest, _ = source_digest(prepared, search.template.surroundings, None)
        self._best = best_of(list(self.state.entries.values()), self._goal)

    @property
    def asked(self) -> dict[int, Values]:
        """The values of the trials that run, by number."""
        return {number: suggestion.values for number, suggestion in self._asked.items()}

    def ask(self, numbers: Sequence[int], *, is_packed: bool) -> None:
        """Begins trials of these numbers; fewer where no combination is left.

        Args:
            numbers: ascending.
            is_packed: whether one process works them all off; then none runs.

        Raises:
            OSError: a workspace can't be written, or no process be started.
        """
        jobs: dict[int, TrainingJob] = {}
        for number in numbers:
            suggestion = self.suggestions.ask(number, self.state.entries, self.asked)
            if suggestion is None:
                self.exhausted_at = number
                break
            self._asked[number] = suggestion
            if (
                entry := answered_before(self.suggestions.prior, number, suggestion.values, suggestion.seen)
            ) is not None:
                self._take_down([entry])
                continue
            self.report(TrialStarted(number, suggestion.values, is_packed))
            try:
                jobs[number] = self.suggestions.trial(suggestion)
            except ConfigurationError as error:
                self._record([TrialReport(number, "Failed", reason=shortened(error.message))])
        if is_packed and jobs:
            self._start_pack(jobs)
        else:
            for number, job in jobs.items():
                self._start(number, job)

    def poll(self) -> None:
        """Takes the answers that there are. Raises OSError."""
        reports: list[TrialReport] = []
        for number, run in list(self._runs.items()):
            if (report := run.poll()) is not None:
                del self._runs[number]
                reports.append(report)
        if (pack := self._pack) is not None:
            reports += pack.poll()
        self._record(reports)
        if pack is not None and pack.is_over:
            self._pack = None
            self._go_on_alone(pack)
        while self._waiting and len(self._runs) < self.search.tuning.spec.parallel_trials:
            number = min(self._waiting)
            self._start(number, self._waiting.pop(number))

    def end(self, is_hurried: Callable[[], bool]) -> None:
        """Ends all processes; what a pack has answered by then is kept. Raises OSError."""
        runs, pack = list(self._runs.values()), self._pack
        processes = [process for run in runs for process in run.processes]
        end_all(processes + (pack.processes if pack else []), is_hurried)
        for run in runs:
            run.end(is_hurried)
        if pack is not None:
            self._record(pack.end(is_hurried))
        self._runs, self._waiting, self._pack, self._asked = {}, {}, None, {}

    @property
    def _goal(self) -> Goal:
        return self.search.tuning.spec.objective.direction

    @property
    def _metric(self) -> str:
        return self.search.tuning.spec.objective.name

    def _start(self, number: int, job: TrainingJob) -> None:
        run = TrialRun(
            number=number,
            job=self.search.local(job, self.search.trial_root(number)),
            source_digest=self._source_digest,
            launch=self.launch,
            threads=self._threads(job),
            tell=self._tell,
            pause_factor=self.pause_factor,
        )
        self._runs[number] = run
        if (report := run.start()) is not None:
            del self._runs[number]
            self._record([report])

    def _threads(self, job: TrainingJob) -> int:
        """Of one TensorFlow operation, where as many trials run as may: in a process of its own as in a pack."""
        processes = self.search.tuning.spec.parallel_trials * job.spec.training.workers
        return max(1, usable_cpus() // processes)

    def _start_pack(self, jobs: dict[int, TrainingJob]) -> None:
        if self._pack is not None:
            self._pack.go_on(jobs)
            return
        first = min(jobs)
        pack = PackRun(
            job=self.search.local(jobs[first], self.search.pack_root(first)),
            processes_at_once=self.search.tuning.spec.parallel_trials,
            threads=self._threads(jobs[first]),
            trial_root=self.search.trial_root,
            source_digest=self._source_digest,
            launch=self.launch,
            tell=self._tell,
        )
        pack.start(jobs)
        self._pack = pack

    def _go_on_alone(self, pack: PackRun) -> None:
        """What a pack has left open is answered by processes of their own: one that crashes takes no other with it."""
        if pack.crashed is None:
            return
        why = shortened(pack.crashed.describe())
        self._tell(min(pack.unanswered), Notice("pack", f"a pack ended early, so its trials go on apart: {why}"))
        self._waiting |= pack.unanswered

    def _record(self, reports: Sequence[TrialReport]) -> None:
        entries = []
        for report in reports:
            suggestion = self._asked[report.number]
            entries.append(Entry.of(report, suggestion.values, suggestion.seen))
        self._take_down(entries, {report.number: report.reason for report in reports})

    def _take_down(self, entries: Sequence[Entry], reasons: Mapping[int, str] | None = None) -> None:
        """Takes answers down, first of all in the file; `reasons` are those of failures, whole."""
        for entry in entries:
            del self._asked[entry.number]
        if entries:
            self.state.entries |= {entry.number: entry for entry in entries}
            self.state.save(self.search)
        for entry in entries:
            self.report(TrialEnded(entry, self._metric, (reasons or {}).get(entry.number, entry.reason)))
            self._keep_the_best(entry)

    def _keep_the_best(self, entry: Entry) -> None:
        """Only the best trial's model is of use; those of a thousand trials would fill the disk."""
        known = [each for each in (self._best, entry) if each is not None]
        self._best = best_of(known, self._goal)
        if self._best is entry:
            self.report(NewBest(entry, self._metric))
        for loser in {each.number for each in known} - ({self._best.number} if self._best else set()):
            self._remove_model(loser)

    def _remove_model(self, number: int) -> None:
        trained = Workspace(self.search.trial_root(number)).trained
        if trained.exists():
            shutil.rmtree(trained)

    def _tell(self, number: int, event: Progress | Notice) -> None:
        self.report(TrialTold(number, event))
