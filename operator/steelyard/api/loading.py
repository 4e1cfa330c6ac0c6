"""From a file to a TrainingJob: YAML or JSON, `--set` overrides, and errors that say where. Imports the api only.

A manifest that may be a TuningJob is read by `search/manifest`.
"""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from steelyard.api.errors import ConfigurationError, ManifestError, Problem, problems_of
from steelyard.api.training_job import TrainingJob, TrainingJobSpec
from steelyard.api.tuning_job import TuningJob, TuningJobSpec
from steelyard.contract.stages import Reason
from steelyard.texts.instead import advice, instead_of_folder, instead_of_manifest

_Job = TypeVar("_Job", TrainingJob, TuningJob)

_OTHER_KIND = {"TrainingJob": "TuningJob", "TuningJob": "TrainingJob"}


def _fields_beside(spec: type[BaseModel], other: type[BaseModel]) -> list[str]:
    """What the spec of one kind has and that of the other has not; first what is needed."""
    aliases = {str(info.alias) for info in other.model_fields.values()}
    infos = sorted(spec.model_fields.values(), key=lambda info: not info.is_required())
    return [str(info.alias) for info in infos if info.alias not in aliases]


_FIELDS_OF_ONE = {
    "TrainingJob": _fields_beside(TrainingJobSpec, TuningJobSpec),
    "TuningJob": _fields_beside(TuningJobSpec, TrainingJobSpec),
}

# PyYAML lets what Python says of a wrong date, number or depth through as it is.
_YAML_ERRORS = (yaml.YAMLError, ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError)


class _Loader(yaml.SafeLoader):
    """YAML that reads 1e-3 as a number (as YAML 1.2 and Kubernetes do) and refuses a key that is given twice."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a list or map can't be a key", key_node.start_mark)
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is given twice", key_node.start_mark)
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_mapping)


def load_training_job(path: Path, overrides: Sequence[str] = ()) -> TrainingJob:
    """Reads a manifest.

    Args:
        path: a YAML or JSON file that holds one TrainingJob.
        overrides: `path=value` each; the path from the root or from spec, the value as YAML.

    Raises:
        ConfigurationError: the file can't be read, or is no YAML.
        ManifestError: it is no valid TrainingJob.
    """
    return parse_training_job(apply_overrides(read_manifest(path), overrides), source=str(path))


def read_manifest(path: Path) -> dict[str, Any]:
    """The file's one document as a dictionary, not validated. Raises ConfigurationError."""
    if instead := instead_of_manifest(path):
        raise ConfigurationError(f"{path} is no manifest: {instead}", reason=Reason.INVALID_MANIFEST)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(f"the manifest {path} does not exist", reason=Reason.SOURCE_NOT_FOUND) from None
    except IsADirectoryError:
        instead = instead_of_folder(path) or "name the manifest in it"
        raise ConfigurationError(f"{path} is a folder; {instead}", reason=Reason.INVALID_MANIFEST) from None
    except UnicodeDecodeError:
        raise ConfigurationError(
            f"{path} is not a text file; a manifest is YAML", reason=Reason.INVALID_MANIFEST
        ) from None
    except OSError as error:
        raise ConfigurationError(f"the manifest {path} can't be read: {error.strerror}") from None
    try:
        documents = [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]
    except _YAML_ERRORS as error:
        raise ConfigurationError(
            f"{path} is not valid YAML: {_yaml_problem(error)}", reason=Reason.INVALID_MANIFEST
        ) from None
    match documents:
        case [dict() as manifest]:
            return manifest
        case []:
            found = "is empty"
        case [list()]:
            found = "holds a list"
        case [other]:
            found = f"holds only {other!r:.60}"
        case _:
            found = f"holds {len(documents)} documents"
    raise ConfigurationError(
        f"{path} must hold one TrainingJob or TuningJob, but it {found}", reason=Reason.INVALID_MANIFEST
    )


def _yaml_problem(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else str(problem)


def apply_overrides(manifest: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """The manifest with `path=value` overrides put in; the given one is not changed. Raises ConfigurationError."""
    manifest = deepcopy(manifest)
    for override in overrides:
        path, equals, text = override.partition("=")
        if not equals or not path:
            raise ConfigurationError(f"--set {override}: give path=value, such as training.epochs=5")
        try:
            value = yaml.load(text, Loader=_Loader)
        except _YAML_ERRORS as error:
            raise ConfigurationError(f"--set {override}: the value is not valid YAML: {_yaml_problem(error)}") from None
        keys = _keys(path, f"--set {override}")
        if keys[-1] == "compression" and str(value).lower() == "none":
            # The model as it is: what the manifest says by leaving the field out.
            value = None
        _put(manifest, keys, value, f"--set {override}")
    return manifest


def put_values(manifest: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest with other values of some fields; the given one is not changed.

    Args:
        manifest: JSON values.
        values: by path from the root or from spec, such as training.epochs; JSON values.

    Raises:
        ConfigurationError: a path leads nowhere.
    """
    changed = deepcopy(dict(manifest))
    for path, value in values.items():
        said = f"overrides, {path}"
        _put(changed, _keys(path, said), deepcopy(value), said)
    return changed


def _keys(path: str, said: str) -> list[str]:
    """The keys that lead to a field, from the root. Raises ConfigurationError."""
    keys = path.split(".")
    if "" in keys:
        raise ConfigurationError(f"{said}: a name is missing beside a dot in {path}")
    return keys if keys[0] in ("apiVersion", "kind", "metadata", "spec") else ["spec", *keys]


def _put(target: Any, keys: list[str], value: Any, said: str) -> None:
    """Puts the value where the keys lead; what is not there yet, or is null, is made a map. `said` begins an error."""
    for position, key in enumerate(keys):
        is_last = position == len(keys) - 1
        if isinstance(target, list):
            if not (key.isascii() and key.isdigit()) or int(key) >= len(target):
                raise ConfigurationError(
                    f"{said}: {key!r} is no index of {'.'.join(keys[:position])}, a list of {len(target)}"
                )
            index: Any = int(key)
        elif isinstance(target, dict):
            index = key
        else:
            raise ConfigurationError(f"{said}: {'.'.join(keys[:position])} is {target!r}, which has no field {key!r}")
        if is_last:
            target[index] = value
        else:
            if isinstance(target, dict) and target.get(index) is None:
                target[index] = {}
            target = target[index]


def parse_training_job(manifest: dict[str, Any], *, source: str = "the manifest") -> TrainingJob:
    """Validates a manifest of a TrainingJob.

    Args:
        manifest: JSON values.
        source: what to call it in an error, such as its file name.

    Raises:
        ManifestError: with every mistake that could be found at once.
    """
    return parse_as(TrainingJob, manifest, source)


def parse_as(kind: type[_Job], manifest: dict[str, Any], source: str) -> _Job:
    """The manifest as one of this kind, as far as its model says whether it is valid.

    Args:
        kind: the class.
        manifest: JSON values.
        source: what to call it in an error.

    Raises:
        ManifestError: with every mistake that could be found at once.
    """
    try:
        return kind.model_validate(manifest)
    except ValidationError as error:
        other_kind = _problem_of_kind(kind, manifest.get("spec"))
        problems = [other_kind] if other_kind else problems_of(error, kind)
        instead = advice(manifest, [problem.path for problem in problems])
        raise ManifestError(problems, source=source, advice=instead) from None


def _problem_of_kind(kind: type[TrainingJob] | type[TuningJob], spec: Any) -> Problem | None:
    """What to say of a spec that has fields of the other kind only, each of which would be a mistake; else None."""
    own, other = (_FIELDS_OF_ONE[name] for name in (kind.__name__, _OTHER_KIND[kind.__name__]))
    foreign = [name for name in other if name in spec] if isinstance(spec, dict) else []
    if not foreign or any(name in spec for name in own):
        return None
    has = " and ".join([", ".join(foreign[:2]), foreign[2]] if len(foreign) > 2 else foreign)
    return Problem(
        "kind",
        f"this looks like a {_OTHER_KIND[kind.__name__]}, as spec has {has}; set kind: {_OTHER_KIND[kind.__name__]}",
    )
