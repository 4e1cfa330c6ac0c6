"""The local runner of a search: it asks, starts trials and takes their answers until the search is over, and has the
best model published.

Imports tuning, planning, the search, the api and local.
"""

import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steelyard.api.errors import ConfigurationError, SteelyardError
from steelyard.api.training_job import TrainingJob
from steelyard.contract.events import Event, RunEnded
from steelyard.contract.stages import ExitCode, Reason
from steelyard.contract.workspace import Workspace
from steelyard.local.beginning import failures_reported, make_workspace
from steelyard.local.code_check import check_own_code, put_own_code
from steelyard.local.files import write_json
from steelyard.local.lock import locked
from steelyard.local.processes import POLL_SECONDS, Launch, launch_trainer
from steelyard.local.runner import LocalRunner, check_trainer_is_installed
from steelyard.local.signals import Signals
from steelyard.local.source import sources_digest
from steelyard.local.targets import check_publish_targets
from steelyard.local.tuning.job import LocalSearch
from steelyard.local.tuning.state import SearchState, inputs_of, why_anew
from steelyard.local.tuning.suggestions import Suggestions, check_measure, load_prior
from steelyard.local.tuning.summary import best_to_json, counts_of
from steelyard.local.tuning.trials import Trials
from steelyard.search.best import best_of, front_of
from steelyard.search.events import SearchEnded, SearchReport, SearchStarted
from steelyard.search.log import Entry
from steelyard.texts.figures import counted
from steelyard.tuning.placement import is_packed
from steelyard.tuning.search import End, next_step
from steelyard.tuning.trials import best_job, data_job


@dataclass
class SearchRunner:
    """Runs one search in its workspace. `run` is for the main thread only, for the sake of signals and children."""

    search: LocalSearch
    report: SearchReport
    launch: Launch = launch_trainer
    """How a process is started."""
    pause_factor: float = 1.0
    """What the pauses between two attempts are multiplied by."""
    _state: SearchState = field(init=False)
    _prior: Sequence[Entry] = field(init=False, default=())
    """What the search that spec.warmStart names has found out."""
    _signals: Signals = field(init=False, default_factory=Signals)
    _trials: Trials = field(init=False)
    _began: float = field(init=False, default=0.0)
    _seconds_before: float = field(init=False, default=0.0)
    """Of earlier runs."""

    def run(self, *, force: bool = False) -> RunEnded:
        """Does what is left to do; nothing where the search has ended and its best model is published.

        Args:
            force: forget all answers and begin anew.

        Returns:
            The last event, which was reported too.

        Raises:
            SteelyardError: the search failed or could not begin, or was interrupted (reason Interrupted, exit code
                128 + signal): what is answered by then is kept. Either way no process of it is left, and the end was
                reported too.
        """
        self._began = time.monotonic()
        with failures_reported(self._report_end):
            self._prepare_workspace()
            with locked(self.search.workspace):
                return self._run(force)

    def _prepare_workspace(self) -> None:
        """The checks that need no lock come before anything is written."""
        search = self.search
        if search.tuning.spec.run_policy.suspend:
            raise ConfigurationError("spec.runPolicy.suspend is true, so the search is not to run; set it to false")
        search.check_workspace()
        SearchState.load(search)
        check_publish_targets(search.template)
        check_own_code(search.template)
        check_trainer_is_installed(self.launch)
        make_workspace(search.workspace)

    def _run(self, force: bool) -> RunEnded:
        replaced = self._look(force)
        answered = len(self._state.entries)
        with self._signals:
            put_own_code(self.search.template)
            # A manifest with a mistake costs no answer: first all that may be wrong is found out.
            self._prepare_data(force)
            self._begin(replaced)
            suggestions = Suggestions(self.search, self._prior)
            self._trials = Trials(self.search, self._state, suggestions, self.report, self.launch, self.pause_factor)
            try:
                end = self._search()
            finally:
                self._stop()
            return self._finish(end, is_news=len(self._state.entries) > answered, force=force)

    def _look(self, force: bool) -> SearchState | None:
        """Finds the log that is of use. Returns what the workspace is at, where that is of none."""
        search, spec = self.search, self.search.tuning.spec
        before = SearchState.load(search)
        dataset = spec.template.dataset
        digest, source = sources_digest(dataset, search.template.surroundings, before.source if before else None)
        self._prior, prior_digest = load_prior(search, digest)
        inputs = inputs_of(spec, digest, prior_digest)
        replaced, message = None, ""
        if before is None:  # From now on the folder is this search's.
            self._state = SearchState(search.name, spec, inputs, source=source)
            self._state.save(search)
        elif why := "--force was given" if force else why_anew(before, inputs):
            kept = None if force else SearchState.load(search, inputs)
            self._state = kept or SearchState(search.name, spec, inputs)
            replaced, message = before, _story_of(search, before, kept, why)
        else:
            self._state = before
        self._state.spec, self._state.source, self._state.ended = spec, source, ""
        self._seconds_before = self._state.seconds
        self.report(SearchStarted(search.name, self._state.document.entries, spec.max_trials, message))
        return replaced

    def _begin(self, replaced: SearchState | None) -> None:
        """Takes up the log that was found; the one in whose place it is, is kept."""
        if replaced is not None:
            replaced.keep(self.search)
        # First the memory, then the files: killed between the two, the next run does not take them for its own.
        self._state.save(self.search)
        if replaced is not None:
            for folder in (self.search.workspace.root / "trials", self.search.workspace.root / "packs"):
                if folder.exists():
                    shutil.rmtree(folder)

    def _prepare_data(self, force: bool) -> None:
        search, spec = self.search, self.search.tuning.spec
        if not spec.template.dataset.is_prepared:
            self._run_job(data_job(search.tuning), search.data_root, force=force)
        check_measure(spec.objective.measure, search.prepared)

    def _search(self) -> End:
        """Asks and answers until the search is over. Raises SteelyardError where it failed or was interrupted."""
        trials, spec = self._trials, self.search.tuning.spec
        while True:
            self._state.seconds = self._seconds
            trials.poll()
            self._check_time_and_signals()
            step = next_step(
                spec,
                self._state.entries,
                trials.asked,
                minutes=self._seconds / 60,
                exhausted_at=trials.exhausted_at,
            )
            if step.end is not None and step.end.has_failed:
                self._state.ended = step.end.reason
                raise SteelyardError(step.end.message, reason=step.end.reason, exit_code=1)
            if step.ask:
                trials.ask(step.ask, is_packed=bool(is_packed(spec, self._state.entries)))
            elif step.end is not None and not trials.asked:
                return step.end
            if trials.asked:
                time.sleep(POLL_SECONDS)

    def _stop(self) -> None:
        """Ends what runs, and remembers for how long it ran."""
        self._trials.end(lambda: self._signals.hurried)
        self._state.seconds = self._seconds
        with suppress(OSError):  # What went wrong before is what must be said, a full disk or not.
            self._state.save(self.search)

    def _finish(self, end: End, *, is_news: bool, force: bool) -> RunEnded:
        """Has the best model published. Raises SteelyardError."""
        search, spec = self.search, self.search.tuning.spec
        entries = self._state.entries
        best = best_of(list(entries.values()), spec.objective.direction)
        summary: dict[str, Any] = {"trials": counts_of(entries), "best": best_to_json(best, spec.objective.name)}
        if spec.objective.secondary:
            front = front_of(list(entries.values()), spec.objective.direction)
            summary["front"] = [entry.number for entry in front]
        self._state.ended = end.reason
        self._state.save(search)
        self.report(SearchEnded(search.name, end.reason, end.message, counts_of(entries), summary["best"]))
        if not entries:
            raise SteelyardError(f"no trial was created: {end.message}", reason=Reason.NO_ANSWER, exit_code=1)
        if best is None:
            counts = ", ".join(f"{count} {name}" for name, count in counts_of(entries).items() if count)
            raise SteelyardError(f"no trial ran to its end: {counts}", reason=Reason.NO_ANSWER, exit_code=1)
        if spec.template.publish != []:
            published = self._publish(best, force)
            is_news = is_news or published.reason != Reason.ALREADY_FINISHED
            summary |= published.summary
        reason = Reason.SUCCEEDED if is_news else Reason.ALREADY_FINISHED
        return self._report_end(reason, end.message, ExitCode.DONE, summary)

    def _publish(self, best: Entry, force: bool) -> RunEnded:
        search, spec = self.search, self.search.tuning.spec
        document = search.workspace.root / "published.json"
        write_json(document, self._state.document.to_json())
        trained = Workspace(search.trial_root(best.number))
        # Trials that are scored on folds have many models, and leave none.
        has_model = spec.template.evaluation.cross_validation is None and trained.training_file.exists()
        uri = search.uri(trained.trained) if has_model else None
        job = best_job(search.tuning, best, search.dataset_uri, uri)
        return self._run_job(job, search.best_root, document=document, force=force)

    def _run_job(self, job: TrainingJob, root: Path, *, document: Path | None = None, force: bool = False) -> RunEnded:
        """Runs a job of the search to its end. Raises SteelyardError."""

        def report(event: Event) -> None:
            if not isinstance(event, RunEnded):
                self.report(event)

        runner = LocalRunner(
            self.search.local(job, root),
            report,
            launch=self.launch,
            pause_factor=self.pause_factor,
            search=document,
            ends_at=self._ends_at,
        )
        return runner.run(force=force)

    @property
    def _ends_at(self) -> float | None:
        """The time (monotonic) at which the search must have ended."""
        limit = self.search.tuning.spec.run_policy.active_deadline_seconds
        return None if limit is None else self._began - self._seconds_before + limit

    @property
    def _seconds(self) -> float:
        """For how long the search has run, in all runs together."""
        return self._seconds_before + time.monotonic() - self._began

    def _check_time_and_signals(self) -> None:
        """Raises SteelyardError where the run must end now."""
        self._signals.check(f"after {counted(len(self._state.entries), 'trial')}")
        if self._ends_at is not None and time.monotonic() > self._ends_at:
            limit = self.search.tuning.spec.run_policy.active_deadline_seconds
            message = f"the search still ran after {limit} s (spec.runPolicy.activeDeadlineSeconds)"
            raise SteelyardError(message, reason=Reason.DEADLINE_EXCEEDED, exit_code=1)

    def _report_end(self, reason: str, message: str, exit_code: int, summary: dict[str, Any] | None = None) -> RunEnded:
        ended = RunEnded(
            job=self.search.name,
            reason=reason,
            message=message,
            exit_code=int(exit_code),
            seconds=time.monotonic() - self._began,
            workspace=str(self.search.workspace.root),
            summary=summary or {},
        )
        self.report(ended)
        return ended


def _story_of(search: LocalSearch, before: SearchState, kept: SearchState | None, why: str) -> str:
    """What becomes of a log that is of no use to the manifest as it is now."""
    story = f"it begins anew: {why}" if kept is None else f"it goes back to {len(kept.entries)} finished trials: {why}"
    if not before.entries:
        return story
    kept_in = search.kept_file(before.inputs).name
    return f"{story}; the {len(before.entries)} finished trials of before are kept in {kept_in}"
