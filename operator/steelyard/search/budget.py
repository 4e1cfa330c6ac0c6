"""At which steps a trial's value is looked at: epochs of a network, folds of scikit-learn's models. Imports the api
only.

A function of the search and the trial's number alone, so that the log need not say which rule a trial was under.
"""

from functools import lru_cache

from steelyard.api.tuning_job import TuningJobSpec

LOOKS = 10
"""How often Median looks where everyEpochs is left out."""
GRACE_SHARE = 9
"""Every trial is given one of so many epochs, where graceEpochs is left out: who leads after fewer is seldom who leads
at the end, and later little is left to save."""
REDUCTION_FACTOR = 3
"""One of so many trials goes on, where reductionFactor is left out."""

MOST_TURNS = 10_000
"""As many as there are trials at most."""

_EPOCHS = "training.epochs"


def budget_of(spec: TuningJobSpec) -> int:
    """The most steps that a trial may have: its folds, or its epochs."""
    cross_validation = spec.template.evaluation.cross_validation
    if cross_validation is not None:
        return cross_validation.folds
    for parameter in spec.parameters:
        if parameter.path == _EPOCHS:
            if parameter.type == "Categorical":
                return max((value for value in parameter.values or [] if isinstance(value, int)), default=1)
            return int(parameter.max or 1)
    return spec.template.training.epochs


def grace_of(spec: TuningJobSpec) -> int:
    """The epochs that every trial is given: graceEpochs, or its default. The search has a rule that looks at epochs."""
    assert spec.pruning is not None
    return spec.pruning.grace_epochs or -(-budget_of(spec) // GRACE_SHARE)


def looks_of(spec: TuningJobSpec, number: int) -> tuple[int, ...]:
    """The steps at which the rule of pruning judges a trial, ascending, all before the last step of all.

    Args:
        spec: the search.
        number: the trial's; only Hyperband's ladders differ from trial to trial.
    """
    pruning = spec.pruning
    if pruning is None or pruning.name == "PairedFolds":  # PairedFolds judges after each fold, at no value of its own.
        return ()
    budget, grace = budget_of(spec), grace_of(spec)
    if pruning.name == "Median":
        every = pruning.every_epochs or max(1, -(-(budget - grace) // LOOKS))
        return tuple(range(grace, budget, every))
    return _rungs(budget, grace, pruning.reduction_factor or REDUCTION_FACTOR)[bracket_of(spec, number) :]


def most_looks(spec: TuningJobSpec) -> int:
    """How many looks a trial has at most: Hyperband's first ladder has the most, and its first trial is on it."""
    return len(looks_of(spec, 0))


def report_steps(spec: TuningJobSpec, number: int) -> tuple[int, ...]:
    """The epochs whose values a trial reports. Of folds all are reported anyway."""
    return () if spec.template.evaluation.cross_validation is not None else looks_of(spec, number)


def bracket_of(spec: TuningJobSpec, number: int) -> int:
    """Which of Hyperband's ladders a trial is on: from 0, which begins at the first rung; each next one begins a rung
    later. 0 under any other rule."""
    pruning = spec.pruning
    if pruning is None or pruning.name != "Hyperband":
        return 0
    factor = pruning.reduction_factor or REDUCTION_FACTOR
    turns = _turns(len(_rungs(budget_of(spec), grace_of(spec), factor)) + 1, factor)
    return turns[number % len(turns)]


def _rungs(budget: int, grace: int, factor: int) -> tuple[int, ...]:
    """grace, grace x factor, grace x factor^2 ... below the budget."""
    rungs: list[int] = []
    while grace < budget:
        rungs.append(grace)
        grace *= factor
    return tuple(rungs)


@lru_cache(maxsize=64)
def _turns(ladders: int, factor: int) -> tuple[int, ...]:
    """Whose turn it is, over and over: ladders in the shares of Hyperband, as evenly mixed as can be.

    A ladder with s rungs is given ladders x factor^s / (s + 1) trials, so that each costs about as many epochs. The
    last one has none: its trials all run to their end.
    """
    shares = [-(-ladders * factor**rungs // (rungs + 1)) for rungs in range(ladders - 1, -1, -1)]
    total = sum(shares)
    credit = [0] * ladders
    turns: list[int] = []
    for _ in range(min(total, MOST_TURNS)):
        credit = [have + share for have, share in zip(credit, shares, strict=True)]
        turn = max(range(ladders), key=lambda ladder: (credit[ladder], -ladder))
        credit[turn] -= total
        turns.append(turn)
    return tuple(turns)
