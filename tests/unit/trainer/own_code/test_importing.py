"""A user's function is found, called, and what goes wrong there is said in the user's words."""

import itertools
import sys
from pathlib import Path
from typing import Any

import pytest

from steelyard.api.errors import ConfigurationError
from steelyard.api.models.entrypoint import Entrypoint
from steelyard_trainer.own_code.data_shape import DataShape
from steelyard_trainer.own_code.importing import OwnCode

DATA = DataShape(2, ("a", "b"), ("no", "yes"), "Classification", 7)
NUMBERS = itertools.count()


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Looks a function up in a module with this content; MODULE in the content is the module's name."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def found(content: str, function: str = "build", framework: Any = "Sklearn", **parameters: Any) -> OwnCode:
        module = f"own_{next(NUMBERS)}_{tmp_path.name}"
        (tmp_path / f"{module}.py").write_text(content.replace("MODULE", module))
        named = function if ":" in function else f"{module}:{function}"
        return OwnCode.of(Entrypoint(function=named, framework=framework, parameters=parameters), tmp_path)

    return found


def test_function_is_given_the_data_and_its_parameters(own):
    code = own("def build(data, units, rate=0.5):\n    return data.outputs, data.seed, units, rate\n", units=3)
    assert code.build(DATA) == (2, 7, 3, 0.5)
    assert own("build = dict\n", a=1).build({"b": 2}) == {"b": 2, "a": 1}
    assert own("def build(*all, **named):\n    return all, named\n", a=1).build(DATA) == ((DATA,), {"a": 1})


def test_hooks_are_functions_of_the_users_own(own):
    code = own("from random import choice as metrics\ndef build(data): ...\ndef loss(data):\n    return data.task\n")
    assert code.hook("loss", DATA) == "Classification"
    assert code.hook("metrics", DATA) is None
    assert code.hook("preprocess", DATA) is None


def test_hook_is_whatever_can_be_called(own):
    code = own(
        "import functools\nfrom json import decoder as preprocess\n"
        "def two(more, data):\n    return more, data.task\nloss = functools.partial(two, 3)\n"
        "class Said:\n    def __call__(self, data):\n        return 4\nmetrics = Said()\ndef build(data): ...\n",
        framework="Keras",
    )
    assert code.hook("loss", DATA) == (3, "Classification")
    assert code.hook("metrics", DATA) == 4
    assert code.hook("preprocess", DATA) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("loss = 'mse'\n", r"own_\w+\.loss is a str, but .* a function of the data: def loss\(data\); rename"),
        ("metrics = ['mae']\n", r"own_\w+\.metrics is a list, but"),
        ("def callbacks(data): ...\n", r"the hook `callbacks` of own_\w+ is not taken yet"),
    ],
)
def test_what_is_called_like_a_hook_and_is_none_is_refused(own, content, said):
    with pytest.raises(ConfigurationError, match=said):
        own(f"{content}def build(data): ...\n", framework="Keras")
    own(f"{content}def build(data): ...\n", framework="Sklearn")


def test_what_regression_asks_for():
    assert DataShape(2, ("a", "b"), None, "Regression", 0).outputs == 1


FUNCTION = r"spec\.model\.entrypoint\.function: "
BAD = {
    "no module": ("", "modles:build", {}, FUNCTION + "there is no module modles in the code; there is own_"),
    "name of the standard library": ("", "code.net:build", {}, FUNCTION + "'code' is a module of Python's standard"),
    "no function": (
        "def build_it(data): ...\nX = 1\n",
        "build",
        {},
        FUNCTION + r"own_\w+ has no build; there is build_it$",
    ),
    "no function at all": ("build = 3\n", "build", {}, FUNCTION + r"own_\w+\.build is a int, not a function"),
    "package missing": (
        "import no_such_package.part\n",
        "build",
        {},
        r"the package 'no_such_package' is not installed \(own_\w+\.py:1: import no_such_package\.part\)\. Locally: .*"
        r"FROM THE-TRAINER-IMAGE \| USER 0 \| RUN python3 -m pip install --target /opt/dependencies no_such_package$",
    ),
    "import fails": (
        "def helper():\n    return 1 / 0\nhelper()\n",
        "build",
        {},
        r"importing own_\w+ failed: ZeroDivisionError: division by zero "
        r"\(own_\w+\.py:3: helper\(\) -> own_\w+\.py:2 in helper: return 1 / 0\)$",
    ),
    "a library fails": (
        "import json\njson.loads('{')\n",
        "build",
        {},
        r"JSONDecodeError: .* \(own_\w+\.py:2: json\.loads\('\{'\)\)$",
    ),
    "syntax": ("def build(data:\n", "build", {}, r"SyntaxError: .* \(own_\w+\.py:1: def build\(data:\)$"),
    "ends at import": ("import sys\nsys.exit(0)\n", "build", {}, r"ended the program \(sys\.exit\(0\)\).*__main__"),
    "no argument": ("def build(): ...\n", "build", {}, r"build takes no argument; .*: def build\(data, \.\.\.\)"),
    "no such parameter": (
        "def build(data, units=3): ...\n",
        "build",
        {"unit": 4},
        r"spec\.model\.entrypoint\.parameters\.unit: build has no such parameter; there is units$",
    ),
    "parameter not given": (
        "def build(data, units, *, rate): ...\n",
        "build",
        {},
        r"spec\.model\.entrypoint\.parameters: build needs units, rate, which are not given$",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_can_not_be_found_is_said(own, case):
    content, function, parameters, said = BAD[case]
    with pytest.raises(ConfigurationError, match=said) as caught:
        own(content, function, **parameters)
    assert caught.value.exit_code == 78
    assert "importlib" not in caught.value.message


def test_what_the_function_raises_is_said_with_the_users_frames(own):
    code = own("def build(data):\n    raise ValueError('too   many\\nunits')\n")
    with pytest.raises(
        ConfigurationError, match=r"build failed: ValueError: too many units \(own_\w+\.py:2 in build: "
    ):
        code.build(DATA)
    code = own("import sys\ndef build(data):\n    sys.exit(0)\n")
    with pytest.raises(
        ConfigurationError, match=r"build ended the program \(sys\.exit\(0\)\) \(own_\w+\.py:3 in build"
    ):
        code.build(DATA)


def test_module_of_a_package_beside_others(own, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/__init__.py").write_text("")
    (tmp_path / "mine/deep.py").write_text("from mine.shared import SIZE\ndef build(data):\n    return SIZE\n")
    (tmp_path / "mine/shared.py").write_text("SIZE = 5\n")
    assert own("", "mine.deep:build").build(DATA) == 5
    with pytest.raises(ConfigurationError, match=r"there is no module mine\.shallow$"):
        own("", "mine.shallow:build")
