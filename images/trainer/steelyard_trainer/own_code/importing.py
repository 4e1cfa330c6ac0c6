"""Finds the function that a manifest names, and calls it: whatever goes wrong there is said in the user's words.
Imports steelyard and the standard library.
"""

import difflib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from steelyard.api.errors import ConfigurationError, SteelyardError
from steelyard.api.models.entrypoint import Entrypoint, Framework
from steelyard_trainer.elsewhere.archive import RefusedError
from steelyard_trainer.own_code.data_shape import DataShape
from steelyard_trainer.own_code.frames import own_frames

FIELD = "spec.model.entrypoint.function"
HOOKS = {"Keras": ("preprocess", "loss", "metrics"), "Sklearn": ("preprocess",)}
"""Of each framework: functions of the same module that are called where they are there, each with the data's shape
alone."""
_MOST_SAID = 600
"""Characters of an error's own message."""


@dataclass(frozen=True)
class OwnCode:
    """A function of the user's own, found."""

    module: ModuleType
    name: str
    parameters: Mapping[str, Any]
    folder: Path | None
    """Where its code lies; None: it is installed."""

    @classmethod
    def of(cls, entrypoint: Entrypoint, folder: Path | None) -> "OwnCode":
        """Imports the module and looks the function up.

        Args:
            entrypoint: of the manifest.
            folder: the top of the code; None where it is installed in the image.

        Raises:
            ConfigurationError: it is not there, can't be imported, or does not take the parameters.
        """
        if folder is not None and entrypoint.hidden:
            raise ConfigurationError(f"{FIELD}: {entrypoint.hidden}")
        if folder is not None and str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
            importlib.invalidate_caches()
        own = cls(_imported(entrypoint.module, folder), entrypoint.function_name, entrypoint.parameters, folder)
        own._check_function()
        own._check_hooks(entrypoint.framework)
        return own

    def build(self, data: DataShape) -> Any:
        """What the function returns. Raises ConfigurationError where it raises."""
        with self.called(self.name):
            return getattr(self.module, self.name)(data, **self.parameters)

    def hook(self, name: str, data: DataShape) -> Any:
        """What a hook returns; None where the module has none. Raises ConfigurationError where it raises."""
        if (function := self._own_hook(name)) is None:
            return None
        with self.called(name):
            return function(data)

    @contextmanager
    def called(self, what: str) -> Iterator[None]:
        """While something of the user's runs: its errors are the user's. Raises ConfigurationError."""
        try:
            yield
        except (SteelyardError, RefusedError, MemoryError, KeyboardInterrupt):
            raise
        except SystemExit as error:
            raise ConfigurationError(
                f"{FIELD}: {what} ended the program (sys.exit({_code(error)})){_at(error, self.folder)}; let it return "
                "instead"
            ) from None
        except BaseException as error:  # noqa: BLE001 - whatever the user's code raises
            raise ConfigurationError(f"{FIELD}: {what} failed: {_said(error)}{_at(error, self.folder)}") from None

    def _own_hook(self, name: str) -> Callable[[DataShape], Any] | None:
        """What can be called of that name, if it is the user's: what is imported from a library is no hook."""
        found = getattr(self.module, name, None)
        return found if callable(found) and not self._is_of_a_library(found) else None

    def _is_of_a_library(self, found: Any) -> bool:
        """Whether a library has it under its own name; what a library has decorated, it has not."""
        home = getattr(found, "__module__", "") or ""
        if home.partition(".")[0] == self.module.__name__.partition(".")[0] or self._is_in_folder(home):
            return False
        return getattr(sys.modules.get(home), getattr(found, "__name__", ""), None) is found

    def _check_hooks(self, framework: Framework) -> None:
        if framework == "Keras" and self._own_hook("callbacks") is not None:
            raise ConfigurationError(
                f"{FIELD}: the hook `callbacks` of {self.module.__name__} is not taken yet; rename it, or leave it out"
            )
        for name in HOOKS[framework]:
            value = getattr(self.module, name, None)
            # Of a library, as `from keras import metrics` brings it.
            if value is None or callable(value) or inspect.ismodule(value):
                continue
            raise ConfigurationError(
                f"{FIELD}: {self.module.__name__}.{name} is a {type(value).__name__}, but the hook of this name is a "
                f"function of the data: def {name}(data); rename the value, or let such a function return it"
            )

    def _is_in_folder(self, module: str) -> bool:
        file = getattr(sys.modules.get(module), "__file__", None)
        return self.folder is not None and file is not None and Path(file).is_relative_to(self.folder)

    def _check_function(self) -> None:
        function = getattr(self.module, self.name, None)
        module = self.module.__name__
        if function is None:
            there = [name for name, value in vars(self.module).items() if callable(value) and not name.startswith("_")]
            raise ConfigurationError(f"{FIELD}: {module} has no {self.name}{_near(self.name, there)}")
        if not callable(function):
            raise ConfigurationError(f"{FIELD}: {module}.{self.name} is a {type(function).__name__}, not a function")
        try:
            parameters = inspect.signature(function).parameters
        except ValueError:
            return
        self._check_parameters(parameters)

    def _check_parameters(self, parameters: Mapping[str, inspect.Parameter]) -> None:
        kinds = inspect.Parameter
        by_place = [p for p in parameters.values() if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
        if not by_place and not any(p.kind is kinds.VAR_POSITIONAL for p in parameters.values()):
            raise ConfigurationError(
                f"{FIELD}: {self.name} takes no argument; its first one is the data's shape: def {self.name}(data, ...)"
            )
        first = by_place[0].name if by_place else ""
        named = {
            name: p
            for name, p in parameters.items()
            if name != first and p.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)
        }
        takes_any = any(p.kind is kinds.VAR_KEYWORD for p in parameters.values())
        for name in self.parameters:
            if name not in named and not takes_any:
                near = _near(name, list(named))
                raise ConfigurationError(
                    f"spec.model.entrypoint.parameters.{name}: {self.name} has no such parameter{near}"
                )
        missing = [name for name, p in named.items() if p.default is kinds.empty and name not in self.parameters]
        if missing:
            raise ConfigurationError(
                f"spec.model.entrypoint.parameters: {self.name} needs {', '.join(missing)}, which "
                f"{'is' if len(missing) == 1 else 'are'} not given"
            )


def _imported(name: str, folder: Path | None) -> ModuleType:
    _check_is_there(name, folder)
    try:
        return importlib.import_module(name)
    except (SteelyardError, MemoryError, KeyboardInterrupt):
        raise
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == name.partition(".")[0]:
            raise ConfigurationError(f"{FIELD}: there is no module {error.name}{_at(error, folder)}") from None
        raise ConfigurationError(
            f"{FIELD}: importing {name} failed: the package {missing!r} is not installed{_at(error, folder)}. "
            f"{how_to_add(missing)}"
        ) from None
    except SystemExit as error:
        raise ConfigurationError(
            f"{FIELD}: importing {name} ended the program (sys.exit({_code(error)})){_at(error, folder)}; put what is "
            'to run as a script below `if __name__ == "__main__":`'
        ) from None
    except BaseException as error:  # noqa: BLE001 - whatever the user's code raises
        raise ConfigurationError(f"{FIELD}: importing {name} failed: {_said(error)}{_at(error, folder)}") from None


def how_to_add(package: str) -> str:
    """How a package comes to where the code runs: nothing is installed from the network while a job runs."""
    return (
        "Locally: install it where steelyard is installed. On a cluster: put its files beside your code, or build an "
        "image and name it in spec.template.image: FROM THE-TRAINER-IMAGE | USER 0 | RUN python3 -m pip install "
        f"--target /opt/dependencies {package}"
    )


def _check_is_there(name: str, folder: Path | None) -> None:
    """Says which modules there are, where the first part of the name is none."""
    top = name.partition(".")[0]
    if top in sys.modules or importlib.util.find_spec(top) is not None:
        return
    there = [] if folder is None else _modules_in(folder)
    where = " among the installed packages" if folder is None else " in the code"
    raise ConfigurationError(f"{FIELD}: there is no module {top}{where}{_near(top, there)}")


def _modules_in(folder: Path) -> list[str]:
    files = [path.stem for path in folder.glob("*.py")]
    return sorted([*files, *(path.parent.name for path in folder.glob("*/__init__.py"))])


def _near(name: str, there: list[str]) -> str:
    near = difflib.get_close_matches(name, there, 3, 0.5) or sorted(there)[:10]
    return f"; there is {', '.join(near)}" if near else ""


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:_MOST_SAID]}" if text else type(error).__name__


def _at(error: BaseException, folder: Path | None) -> str:
    frames = own_frames(error, folder)
    return f" ({frames})" if frames else ""


def _code(error: SystemExit) -> str:
    return "" if error.code is None else str(error.code)
