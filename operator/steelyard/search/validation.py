"""What must hold across the fields of a TuningJob before anything starts. Imports the api and the search only."""

import math
from collections.abc import Callable, Iterator
from typing import Any

from pydantic_core import PydanticCustomError

from steelyard.api.base import refuse
from steelyard.api.errors import Problem
from steelyard.api.metrics import AT_MOST_ONE, METRICS_OF_TASK
from steelyard.api.trial import MOST_REPORTS
from steelyard.api.tuning import EPOCH_PRUNING, NO_CONDITIONS, ONE_OBJECTIVE, Parameter, Pruning, same_value
from steelyard.api.tuning_job import TuningJobSpec
from steelyard.search.budget import grace_of, most_looks
from steelyard.search.log_sizes import LOG_LIMIT_BYTES, entry_bytes_at_most, log_bytes_at_most
from steelyard.search.paths import find
from steelyard.search.space import Space
from steelyard.search.value_checks import check_alone, check_initial_trials, check_together, check_type, words_of
from steelyard.search.values import contains, count_of, own_value

LARGEST_GRID = 10_000

Errors = Iterator[PydanticCustomError]


def search_problems(spec: TuningJobSpec) -> list[Problem]:
    """Why a search can't be run, by field from the manifest's root, all its mistakes; none where it can."""
    errors = [error for check in _CHECKS for error in check(spec)]
    spaces = [*_paths(spec), *_conditions(spec)]
    errors += spaces or [*_types(spec)] or [*_space(spec)]
    messages: dict[str, list[str]] = {}
    for error in errors:
        messages.setdefault(f"spec.{(error.context or {})['field']}", []).append(error.message())
    return [Problem(field, "; ".join(dict.fromkeys(those))) for field, those in messages.items()]


# --- the parts beside the parameters ----------------------------------------------------------------------------------


def _objective(spec: TuningJobSpec) -> Errors:
    metric, target = spec.objective.metric, spec.objective.target
    task = spec.template.task or spec.template.capabilities.only_task
    if task is not None and metric not in METRICS_OF_TASK[task]:
        yield refuse(
            "objective.metric",
            "{metric} is no metric of {task}; allowed: {allowed}",
            metric=metric,
            task=task,
            allowed=", ".join(METRICS_OF_TASK[task]),
        )
    if task is None:
        yield from _required_metrics(spec)
    if target is not None and target > 1 and metric in AT_MOST_ONE:
        yield refuse(
            "objective.target",
            "{bound} is not allowed; {metric} is at most 1",
            bound=f"{target:.15g}",
            metric=metric,
        )
    yield from _secondary(spec)


def _required_metrics(spec: TuningJobSpec) -> Errors:
    """Where only the data says what the task is, the gates' metrics and the objective are of the same one at least."""
    metric = spec.objective.metric
    own = next(metrics for metrics in METRICS_OF_TASK.values() if metric in metrics)
    for requirement in spec.template.evaluation.require:
        if requirement.metric not in own:
            yield refuse(
                "objective.metric",
                "{metric} and {other} (template.evaluation.require) are not of one task: the one is of classes, the "
                "other of numbers",
                metric=metric,
                other=requirement.metric,
            )
            return


def _secondary(spec: TuningJobSpec) -> Errors:
    """Of the secondary objective, or its absence."""
    if spec.objective.secondary is None:
        if spec.algorithm.name == "NSGA-II":
            yield refuse(
                "algorithm.name",
                "NSGA-II is for two objectives; give objective.secondary, or take another, such as TPE",
            )
        return
    if spec.template.compression is None:
        yield refuse(
            "objective.secondary",
            "{secondary} is that of the compressed model; give template.compression",
            secondary=spec.objective.secondary,
        )
    elif spec.template.compression.is_auto:
        yield refuse(
            "template.compression.candidates",
            "Auto would train networks for every trial; list the candidates",
        )
    if spec.algorithm.name in ONE_OBJECTIVE:
        yield refuse(
            "algorithm.name",
            "{name} has one objective; with objective.secondary allowed: Grid, Random, TPE, QMC, NSGA-II",
            name=spec.algorithm.name,
        )
    if spec.pruning is not None:
        yield refuse(
            "pruning",
            "{name} looks at one objective, and may prune what is small: with objective.secondary omit it",
            name=spec.pruning.name,
        )
    if spec.objective.target is not None:
        yield refuse("objective.target", "with two objectives the search is for a front; leave out the target")
    if spec.max_trials_without_improvement is not None:
        yield refuse(
            "maxTrialsWithoutImprovement", "with two objectives no trial is better than all others; leave it out"
        )


def _algorithm(spec: TuningJobSpec) -> Errors:
    name = spec.algorithm.name
    if name == "CMA-ES":
        if len(spec.parameters) < 2:
            yield refuse("algorithm.name", "CMA-ES needs two parameters at least; for one allowed: any other")
        for index, parameter in enumerate(spec.parameters):
            if parameter.type == "Categorical":
                yield refuse(
                    f"parameters[{index}].type",
                    "CMA-ES moves through numbers and has no categories; allowed: Double, Int, or another algorithm",
                )
    if name in NO_CONDITIONS:
        for index, parameter in enumerate(spec.parameters):
            if parameter.when is not None:
                yield refuse(
                    f"parameters[{index}].when",
                    "{name} has no conditions; allowed with them: Grid, Random, TPE, NSGA-II",
                    name=name,
                )


def _pruning(spec: TuningJobSpec) -> Errors:
    if spec.pruning is not None and spec.pruning.name in EPOCH_PRUNING:
        yield from _epoch_pruning(spec, spec.pruning)
    elif spec.pruning is not None:
        folds, grace = spec.template.evaluation.cross_validation, spec.pruning.grace_folds or 2
        if folds is None:
            yield refuse("pruning.name", "PairedFolds prunes between folds; give template.evaluation.crossValidation")
        elif grace >= folds.folds:
            yield refuse(
                "pruning.graceFolds",
                "after {grace} of {folds} folds nothing is left to prune; allowed: fewer than the folds",
                grace=grace,
                folds=folds.folds,
            )


def _epoch_pruning(spec: TuningJobSpec, pruning: Pruning) -> Errors:
    """Of the rules that look at epochs."""
    name, model = pruning.name, spec.template.model
    if not model.capabilities.has_epochs:
        yield refuse(
            "pruning.name",
            "{name} prunes between epochs, and {model} has none; allowed: PairedFolds, with "
            "template.evaluation.crossValidation",
            name=name,
            model=model.kind,
        )
        return
    for field, epochs in (("graceEpochs", grace_of(spec)), ("everyEpochs", pruning.every_epochs)):
        if epochs is not None and epochs >= spec.template.training.epochs:
            yield refuse(
                f"pruning.{field}",
                "after {epochs} of {all} epochs (template.training.epochs) nothing is left to prune; allowed: fewer "
                "than those",
                epochs=epochs,
                all=spec.template.training.epochs,
            )
    if (looks := most_looks(spec)) > MOST_REPORTS:
        yield refuse(
            "pruning.everyEpochs",
            "{looks} looks at a trial are too many; allowed: at most {most}; look less often, or begin later "
            "(graceEpochs)",
            looks=looks,
            most=MOST_REPORTS,
        )
    for index, parameter in enumerate(spec.parameters):
        if parameter.path == "training.epochs":
            yield refuse(
                f"parameters[{index}].path",
                "{name} compares trials after as many epochs each, so training.epochs can't be searched; leave out one "
                "of the two",
                name=name,
            )


def _counts(spec: TuningJobSpec) -> Errors:
    if spec.parallel_trials > spec.max_trials:
        yield refuse(
            "parallelTrials",
            "{parallel} is more than maxTrials, {most}; allowed: at most as many",
            parallel=spec.parallel_trials,
            most=spec.max_trials,
        )
    if (size := log_bytes_at_most(spec)) > LOG_LIMIT_BYTES:
        each = entry_bytes_at_most(spec)
        yield refuse(
            "maxTrials",
            "the log of {trials} trials may take {size} KiB ({each} bytes a trial), but there is room for {room} KiB, "
            "about {most} trials; fewer parameters, folds or looks of the pruning make more fit",
            trials=spec.max_trials,
            size=math.ceil(size / 1024),
            each=each,
            room=LOG_LIMIT_BYTES // 1024,
            most=LOG_LIMIT_BYTES // each,
        )


def _template(spec: TuningJobSpec) -> Errors:
    template = spec.template
    for field, is_given in (
        ("onlyPrepare", template.only_prepare),
        ("trained", template.trained is not None),
        ("trial", template.trial is not None),
    ):
        if is_given:
            yield refuse(f"template.{field}", "the search sets it for each of its jobs; leave it out")
    if template.run_policy.ttl_seconds_after_finished is not None:
        yield refuse(
            "template.runPolicy.ttlSecondsAfterFinished",
            "the search's jobs go with it; give spec.runPolicy.ttlSecondsAfterFinished, and leave this out",
        )
    if template.dataset.format == "Prepared":
        yield refuse(
            "template.dataset.format",
            "the search prepares the data itself, once for all trials; allowed: CSV, Parquet",
        )
    if spec.objective.secondary and template.compression is not None and template.compression.is_cross_fitted:
        yield refuse("template.compression.proof", "trials of a search are not cross-fitted; allowed: HeldOut, Point")
    if spec.placement == "Packed" and template.training.workers > 1:
        yield refuse(
            "placement",
            "Packed is for models of one worker, and template.training.workers is {workers}; allowed: Pods, Auto",
            workers=template.training.workers,
        )
    if spec.placement == "Packed" and any(parameter.path == "training.workers" for parameter in spec.parameters):
        yield refuse(
            "placement", "Packed is for models of one worker, and training.workers is searched; allowed: Pods, Auto"
        )
    if spec.trial_seed == "PerTrial" and any(parameter.path == "training.seed" for parameter in spec.parameters):
        yield refuse("trialSeed", "PerTrial sets training.seed, which is a parameter; allowed: Fixed")


_CHECKS: tuple[Callable[[TuningJobSpec], Errors], ...] = (_objective, _algorithm, _pruning, _counts, _template)


# --- the parameters ---------------------------------------------------------------------------------------------------


def _paths(spec: TuningJobSpec) -> Errors:
    template = json_of(spec)
    for index, parameter in enumerate(spec.parameters):
        field = f"parameters[{index}].path"
        if (error := find(parameter.path, template, field).error) is not None:
            yield error
        for number, earlier in enumerate(spec.parameters[:index]):
            if earlier.path == parameter.path:
                yield refuse(
                    field,
                    "'{path}' is searched twice; parameters[{number}] has it already",
                    path=parameter.path,
                    number=number,
                )
            elif f"{earlier.path}.".startswith(f"{parameter.path}.") or f"{parameter.path}.".startswith(
                f"{earlier.path}."
            ):
                yield refuse(
                    field,
                    "of '{path}' and '{other}' (parameters[{number}]) one lies in the other; leave out one of the two",
                    path=parameter.path,
                    other=earlier.path,
                    number=number,
                )


def _conditions(spec: TuningJobSpec) -> Errors:
    by_path = {parameter.path: parameter for parameter in spec.parameters}
    for index, parameter in enumerate(spec.parameters):
        if (condition := parameter.when) is None:
            continue
        field = f"parameters[{index}].when"
        other = by_path.get(condition.path)
        if other is None or other is parameter:
            others = [path for path in by_path if path != parameter.path]
            yield refuse(
                f"{field}.path",
                "'{path}' is no other parameter; allowed: {others}",
                path=condition.path,
                others=", ".join(others) or "none, there is but one parameter",
            )
        elif count_of(other) is None:
            yield refuse(
                f"{field}.path",
                "{path} may be any number between two; a condition needs one with steps, an Int or a Categorical",
                path=condition.path,
            )
        else:
            yield from _condition_values(condition.values, other, field)
        if other is not parameter and _is_in_cycle(parameter, by_path):
            yield refuse(
                f"{field}.path",
                "the conditions go round in a circle: {path} exists by itself in the end; leave out one of them",
                path=parameter.path,
            )


def _condition_values(values: list[Any], other: Parameter, field: str) -> Errors:
    for number, value in enumerate(values):
        if not contains(other, value):
            yield refuse(
                f"{field}.values[{number}]",
                "{path} never has the value {value}; allowed: {allowed}",
                path=other.path,
                value=repr(value),
                allowed=words_of(other),
            )
        elif any(same_value(own_value(other, value), own_value(other, earlier)) for earlier in values[:number]):
            yield refuse(f"{field}.values[{number}]", "{value} is given twice", value=repr(value))


def _is_in_cycle(parameter: Parameter, by_path: dict[str, Parameter]) -> bool:
    above = parameter
    for _ in by_path:
        if above.when is None or above.when.path not in by_path:
            return False
        above = by_path[above.when.path]
        if above is parameter:
            return True
    return False


def _types(spec: TuningJobSpec) -> Errors:
    """Of paths that lead somewhere, and conditions that can be followed."""
    template = json_of(spec)
    by_path = {parameter.path: parameter for parameter in spec.parameters}
    for index, parameter in enumerate(spec.parameters):
        field = f"parameters[{index}]"
        node = find(parameter.path, template, field).node
        yield from [*check_type(parameter, node, field)] or check_alone(parameter, by_path, template, field)


def _space(spec: TuningJobSpec) -> Errors:
    """Of parameters each of which is fine."""
    yield from check_together(spec.parameters, json_of(spec))
    whole = spec.template.model_dump(mode="json", by_alias=True)
    yield from check_initial_trials(spec.initial_trials, spec.parameters, whole, spec.max_trials)
    if spec.algorithm.name != "Grid":
        return
    endless = [index for index, parameter in enumerate(spec.parameters) if count_of(parameter) is None]
    for index in endless:
        yield refuse(
            f"parameters[{index}].step",
            "a Grid has finitely many values; give {path} a step, or make it Categorical",
            path=spec.parameters[index].path,
        )
    size = Space(spec.parameters).combinations
    if size is not None and size > LARGEST_GRID:
        yield refuse(
            "parameters",
            "the grid has {size} combinations; allowed: at most {most}, or another algorithm, such as TPE",
            size=f"{size:,}",
            most=f"{LARGEST_GRID:,}",
        )


def json_of(spec: TuningJobSpec) -> dict[str, Any]:
    """The template's spec as JSON values; what was not given stays out."""
    template: dict[str, Any] = spec.template.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return template
