"""A user's own code on this machine: where it lies, and its digest put into the spec, so that whatever reads that knows
which code it is of. Imports stores and the api only."""

from contextlib import suppress
from pathlib import Path

from steelyard.api.errors import ConfigurationError
from steelyard.api.models.entrypoint import Code
from steelyard.api.training_job import TrainingJobSpec
from steelyard.contract.code_digest import CodeError
from steelyard.stores.own_code import digest_at
from steelyard.stores.surroundings import Surroundings

FIELD = "spec.model.entrypoint.code"


def source_of(code: Code, surroundings: Surroundings) -> Path:
    """Where code lies: a folder, or on a claim a zip or wheel, too.

    Raises:
        ConfigurationError: it is in a ConfigMap, which only a cluster has.
    """
    if code.path is not None:
        assert surroundings.base_dir is not None
        return surroundings.base_dir / code.path
    if code.uri is not None:
        return surroundings.path(code.uri)
    raise ConfigurationError(
        f"{FIELD}.configMap: '{code.config_map}' is on a cluster; a run on this machine reads a folder: say "
        "code: {path: FOLDER}, which `steelyard submit` makes a ConfigMap of"
    )


def pinned(spec: TrainingJobSpec, surroundings: Surroundings) -> TrainingJobSpec:
    """The spec with the digest that its code has now, where none is given; as it is where the code can't be read."""
    code = spec.code
    if code is None or code.sha256 is not None:
        return spec
    with suppress(CodeError, OSError, ConfigurationError):
        digest = digest_at(source_of(code, surroundings))
        return spec.with_code(code.model_copy(update={"sha256": digest}))
    return spec
