"""No module imports, by way of others, itself: not at the top, not inside a function, not for types only."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from repository_support import ROOT

PACKAGES = {"steelyard": ROOT / "operator", "steelyard_trainer": ROOT / "images" / "trainer"}


def modules() -> dict[str, Path]:
    """Every module of both packages, by its name."""
    found = {}
    for package, base in PACKAGES.items():
        for path in (base / package).rglob("*.py"):
            parts = path.relative_to(base).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(text: str, known: Mapping[str, object]) -> Iterator[str]:
    """The known modules that a module's text imports, wherever it does so."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module is not None, "imports are absolute"
            for alias in node.names:
                # The name of a module in a package, or one that the module itself has.
                for module in (f"{node.module}.{alias.name}", node.module):
                    if module in known:
                        yield module
                        break


def circle_in(imports: Mapping[str, set[str]]) -> list[str]:
    """The modules of a circle, each importing the next; none where there is none."""
    done: set[str] = set()

    def below(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module not in done:
            for imported in sorted(imports[module]):
                if circle := below(imported, [*path, module]):
                    return circle
            done.add(module)
        return []

    return next(filter(None, (below(module, []) for module in sorted(imports))), [])


def test_no_modules_import_each_other_in_a_circle() -> None:
    known = modules()
    imports = {name: set(imports_of(path.read_text(encoding="utf-8"), known)) - {name} for name, path in known.items()}
    assert len(imports) > 300 and sum(map(len, imports.values())) > 1500
    assert " -> ".join(circle_in(imports)) == ""


@pytest.mark.parametrize(
    "text",
    [
        "from pack.b import name",
        "from pack import b",
        "import pack.b",
        "def late() -> None:\n    from pack.b import name\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pack.b import Name\n",
    ],
)
def test_a_circle_is_found_wherever_the_import_stands(text: str) -> None:
    known = {"pack": None, "pack.a": None, "pack.b": None, "pack.c": None}
    imports = {"pack": set[str](), "pack.a": set(imports_of(text, known)), "pack.b": {"pack.c"}, "pack.c": {"pack.a"}}
    assert circle_in(imports) == ["pack.a", "pack.b", "pack.c", "pack.a"]
    assert circle_in({**imports, "pack.c": set()}) == []
