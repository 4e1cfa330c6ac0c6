"""Tree-structured Parzen estimators (Bergstra et al., 2011), all parameters together, by Optuna. Imports the api and
the search, NumPy and Optuna.

The study is made from the log, and the sampler anew for each trial: so nothing is forgotten that only Optuna has. A
study is kept for the next trial, which only adds what became known since; it is the same as one made anew.
"""

import warnings
from collections.abc import Generator
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from steelyard.search.log import Entry, Values
from steelyard.search.space import Dimension, Space
from steelyard.search.values import exists
from steelyard.tuning.distributions import distribution_of_range
from steelyard.tuning.samplers.base import ATTEMPTS, SuggestRequest
from steelyard.tuning.samplers.random import RandomSampler

STARTUP_TRIALS = 10
"""Default of spec.algorithm.startupTrials."""
MOST_FORGOTTEN = 1_000
"""Trials that were forgotten with which a study is made anew: Optuna goes through them all."""


class TpeSampler:
    """Where is a trial more likely one of the best tenth than one of the others?"""

    def __init__(self) -> None:
        self._study: _Study | None = None

    def proposals(self, request: SuggestRequest) -> Generator[Values, None, None]:
        """Draws of Optuna's sampler. One that is refused counts as running then, which keeps the next off it."""
        if len(request.observed) < (request.spec.algorithm.startup_trials or STARTUP_TRIALS):
            yield from RandomSampler().proposals(request)
            return
        if self._study is None or not self._study.leads_to(request):
            self._study = _Study(request)
        study = self._study
        study.add(request)
        try:
            for attempt in range(ATTEMPTS):
                yield study.ask(request, attempt)
        finally:
            study.forget_running()


class _Study:
    """Optuna's study of a search. Trials that run are in it for one request only."""

    def __init__(self, request: SuggestRequest) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        objective = request.spec.objective
        self._has_two = objective.secondary is not None
        goal = StudyDirection.MAXIMIZE if objective.direction == "Maximize" else StudyDirection.MINIMIZE
        directions = [goal, StudyDirection.MINIMIZE] if self._has_two else [goal]
        self._study = optuna.create_study(study_name="search", directions=directions)
        self._distributions = {dimension.path: _distribution(dimension) for dimension in request.space.dimensions}
        self._finished: list[Entry] = []
        self._running: list[int] = []
        self._forgotten = 0

    def leads_to(self, request: SuggestRequest) -> bool:
        """Whether all that it knows, the request knows, too, and in this order."""
        finished = self._of_use(request)[: len(self._finished)]
        return self._forgotten < MOST_FORGOTTEN and finished == self._finished

    def _of_use(self, request: SuggestRequest) -> list[Entry]:
        """The trials with all objectives."""
        return [entry for entry in request.observed if not self._has_two or entry.secondary is not None]

    def add(self, request: SuggestRequest) -> None:
        """What the request knows more, and what runs. Failed trials count as running for ever: as bad, without a
        value."""
        self.forget_running()
        for entry in self._of_use(request)[len(self._finished) :]:
            self._study.add_trial(_finished(entry, request.space, self._distributions, 1 + self._has_two))
            self._finished.append(entry)
        without = [entry for entry in request.observed if self._has_two and entry.secondary is None]
        for values in (*(entry.values for entry in [*request.failed, *without]), *request.pending):
            self._study.add_trial(_running(values, request.space, self._distributions))
            self._running.append(len(self._finished) + self._forgotten + len(self._running))

    def ask(self, request: SuggestRequest, attempt: int) -> Values:
        """A draw, which runs from then on."""
        self._study.sampler = _sampler(request.seed(attempt), request.space.has_conditions)
        trial = self._study.ask()
        self._running.append(trial.number)
        return _suggested(trial, request.space, self._distributions)

    def forget_running(self) -> None:
        """Optuna's sampler passes over trials that have failed."""
        for number in self._running:
            self._study.tell(number, state=TrialState.FAIL)
        self._forgotten += len(self._running)
        self._running = []


def _sampler(seed: int, has_conditions: bool) -> optuna.samplers.BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=0, multivariate=True, group=has_conditions, constant_liar=True
        )


def _finished(entry: Entry, space: Space, distributions: dict[str, BaseDistribution], objectives: int) -> FrozenTrial:
    is_pruned = entry.state == "Pruned"
    return create_trial(
        state=TrialState.PRUNED if is_pruned else TrialState.COMPLETE,
        values=[value for value in (entry.value, entry.secondary) if value is not None][:objectives],
        params=_internal(entry.values, space),
        distributions={path: distributions[path] for path in entry.values},
        intermediate_values=_last_step(entry) if is_pruned else {},
    )


def _last_step(entry: Entry) -> dict[int, float]:
    """How far a pruned trial came, and its value then: Optuna ranks by the last step alone. After folds the value is
    their mean, which says more than the last one's."""
    return {entry.steps[-1][0]: entry.value} if entry.steps and entry.value is not None else {}


def _running(values: Values, space: Space, distributions: dict[str, BaseDistribution]) -> FrozenTrial:
    return create_trial(
        state=TrialState.RUNNING,
        params=_internal(values, space),
        distributions={path: distributions[path] for path in values},
    )


def _suggested(trial: optuna.Trial, space: Space, distributions: dict[str, BaseDistribution]) -> Values:
    values: Values = {}
    for dimension in space.in_order:
        if exists(dimension.parameter, values):
            values[dimension.path] = _suggest(trial, dimension, distributions[dimension.path])
    return {dimension.path: values[dimension.path] for dimension in space.dimensions if dimension.path in values}


def _suggest(trial: optuna.Trial, dimension: Dimension, distribution: BaseDistribution) -> Any:
    path = dimension.path
    if isinstance(distribution, CategoricalDistribution):
        return dimension.item(int(trial.suggest_categorical(path, distribution.choices)))  # type: ignore[arg-type]
    if isinstance(distribution, FloatDistribution):
        drawn = trial.suggest_float(path, distribution.low, distribution.high, log=distribution.log)
        return dimension.at(dimension.unit(drawn))
    assert isinstance(distribution, IntDistribution)
    whole = trial.suggest_int(path, distribution.low, distribution.high, log=distribution.log)
    return whole if distribution.log else dimension.item(whole)


def _internal(values: Values, space: Space) -> dict[str, Any]:
    """The values as the study has them: by their index, where they are finitely many and not logarithmic."""
    return {
        path: value if _is_plain(space.by_path[path]) else space.by_path[path].index(value)
        for path, value in values.items()
    }


def _is_plain(dimension: Dimension) -> bool:
    return dimension.size is None or dimension.parameter.log


def _distribution(dimension: Dimension) -> BaseDistribution:
    if dimension.is_categorical:
        return CategoricalDistribution(range(dimension.size or 0))
    if _is_plain(dimension):
        return distribution_of_range(dimension.parameter)
    return IntDistribution(0, (dimension.size or 1) - 1)
