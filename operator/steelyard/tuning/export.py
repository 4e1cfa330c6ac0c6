"""A search as a study of Optuna's, for its dashboard and its own tools. Imports the api and the search; Optuna on
use."""

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from steelyard.api.errors import ConfigurationError
from steelyard.api.tuning import Parameter
from steelyard.search.log import Entry, SearchDocument
from steelyard.search.space import Dimension

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial


def export_study(document: SearchDocument, path: Path) -> int:
    """Writes a study into a SQLite file, which `optuna-dashboard sqlite:///PATH` opens.

    Args:
        document: the search and its log.
        path: the file, which must not exist yet.

    Returns:
        How many trials were written. Pruned and failed ones are among them, with their states.

    Raises:
        ConfigurationError: the file exists already, or its folder does not; it can't be written; a trial has a value
            that its parameter may not take.
    """
    if path.exists():
        raise ConfigurationError(f"{path} exists already; name another file, or remove it")
    if not path.parent.is_dir():
        raise ConfigurationError(f"there is no folder {path.parent}; make it, or name another")
    import optuna
    from optuna.exceptions import ExperimentalWarning, StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    trials = [_trial(document, entry) for entry in document.entries]
    objective = document.spec.objective
    directions: list[Literal["maximize", "minimize"]] = [
        "maximize" if objective.direction == "Maximize" else "minimize"
    ]
    names: list[str] = [objective.name]
    if objective.secondary is not None:
        directions.append("minimize")
        names.append(objective.secondary)
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(storage=url_of(path.absolute()), study_name=document.name, directions=directions)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names(names)
        study.add_trials(trials)
    except (SQLAlchemyError, StorageInternalError) as error:
        path.unlink(missing_ok=True)
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        why = getattr(cause, "orig", None) or cause
        raise ConfigurationError(f"{path} can't be written: {why}; name a file in another folder") from None
    finally:
        optuna.logging.set_verbosity(before)
    return len(trials)


def url_of(path: Path) -> str:
    """What Optuna and its dashboard call a SQLite file, whatever characters are in its name."""
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


def _trial(document: SearchDocument, entry: Entry) -> "FrozenTrial":
    """Raises ConfigurationError where Optuna has no such trial, as only a log that was written by hand has."""
    try:
        return _frozen(document, entry)
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(f"trial {entry.number} of {document.name} can't be one of a study: {error}") from None


def _frozen(document: SearchDocument, entry: Entry) -> "FrozenTrial":
    from optuna.trial import TrialState, create_trial

    spec = document.spec
    present = [parameter for parameter in spec.parameters if parameter.path in entry.values]
    has_secondary = spec.objective.secondary is not None
    values: list[float] | None = None
    # A trial with two objectives that lacks one can't be complete for Optuna.
    is_complete = entry.is_answer and (entry.has_cost or not has_secondary)
    if is_complete and entry.value is not None:
        values = [entry.value, *([entry.secondary] if has_secondary and entry.secondary is not None else [])]
    state = TrialState.COMPLETE if is_complete else TrialState.PRUNED if entry.state == "Pruned" else TrialState.FAIL
    return create_trial(
        state=state,
        values=values,
        params={parameter.path: _plain(parameter, entry.values[parameter.path]) for parameter in present},
        distributions={parameter.path: _distribution(parameter) for parameter in present},
        intermediate_values={} if has_secondary else dict(entry.steps),
        user_attrs={
            "number": entry.number,
            "state": entry.state,
            "seconds": entry.seconds,
            **({"reason": entry.reason} if entry.reason else {}),
            **({"best epoch": entry.epoch} if entry.epoch is not None else {}),
        },
    )


def _distribution(parameter: Parameter) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution

    from steelyard.tuning.distributions import distribution_of_range

    if parameter.type == "Categorical":
        return CategoricalDistribution([_plain(parameter, value) for value in parameter.values or ()])
    return distribution_of_range(parameter)


def _plain(parameter: Parameter, value: Any) -> Any:
    """A value that Optuna keeps: lists and maps as JSON; all of a Categorical, where two would be one to it."""
    if parameter.type == "Double":
        from steelyard.tuning.distributions import value_of_step

        index = Dimension(parameter).index(value)
        return float(value) if index is None else value_of_step(parameter, index)
    if parameter.type == "Int":
        return value
    kept = [_kept(choice) for choice in parameter.values or ()]
    # Optuna compares with ==, where 1 is true; and a text may be what a list looks like.
    is_ambiguous = any(choice in kept[:place] for place, choice in enumerate(kept))
    return json.dumps(value) if is_ambiguous else _kept(value)


def _kept(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value
