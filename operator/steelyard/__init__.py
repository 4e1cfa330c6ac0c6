"""Steelyard in Python: `load` a published model and predict, `run` a TrainingJob, `tune` with a TuningJob.

Layers, each importing only what stands left of it: {contract, texts} <- api <- {search, schema, cells} <- planning <-
tuning <- {local, controller, client} <- cli <- sdk; `serving` is used by cli, sdk and the trainer program. Nothing in
this package imports TensorFlow. Importing it imports the standard library only, and little of that: each name is loaded
when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steelyard.api.errors import ConfigurationError, DataError, ManifestError, SteelyardError
    from steelyard.sdk.model import DataWarning, Model, load
    from steelyard.sdk.results import RunResult, TuneResult
    from steelyard.sdk.running import run, tune

    __version__: str

__all__ = [
    "ConfigurationError",
    "DataError",
    "DataWarning",
    "ManifestError",
    "Model",
    "RunResult",
    "SteelyardError",
    "TuneResult",
    "__version__",
    "load",
    "run",
    "tune",
]

_MODULES = {
    "steelyard.api.errors": ("ConfigurationError", "DataError", "ManifestError", "SteelyardError"),
    "steelyard.sdk.model": ("DataWarning", "Model", "load"),
    "steelyard.sdk.results": ("RunResult", "TuneResult"),
    "steelyard.sdk.running": ("run", "tune"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Loads a name when it is first used (PEP 562)."""
    if name == "__version__":
        from steelyard.contract.version import package_version

        value: Any = package_version()
    elif name in _MODULE_OF:
        value = getattr(import_module(_MODULE_OF[name]), name)
    else:
        raise AttributeError(f"module 'steelyard' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
