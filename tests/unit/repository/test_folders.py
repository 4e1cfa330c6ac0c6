"""Where tests lie: the unit tests in folders that are called as the packages are that they test."""

from collections import Counter
from pathlib import Path

from repository_support import ROOT

UNIT = ROOT / "tests" / "unit"
PACKAGES = {UNIT: ROOT / "operator/steelyard", UNIT / "trainer": ROOT / "images/trainer/steelyard_trainer"}
"""The packages by the folder of their unit tests."""

OF_NO_PACKAGE = {UNIT / "repository", UNIT / "trainer"}
"""Folders of no package of their own: what is said of this repository; those of the trainer."""

WITHOUT_UNIT_TESTS = {
    UNIT / "trainer" / "publishing": "it publishes trained models: tests/local",
}
"""Packages without a folder of unit tests, by the one that they would have, and why."""


def package_of(folder: Path) -> Path:
    """The package whose unit tests lie in a folder below tests/unit."""
    base = next(base for base in reversed(PACKAGES) if folder.is_relative_to(base))
    return PACKAGES[base] / folder.relative_to(base)


def test_every_folder_of_unit_tests_is_called_as_a_package() -> None:
    folders = {path.parent for path in UNIT.rglob("*.py")} - {UNIT} - OF_NO_PACKAGE
    assert len(folders) > 20
    assert [str(folder) for folder in sorted(folders) if not (package_of(folder) / "__init__.py").is_file()] == []


def test_every_unit_test_lies_in_a_folder() -> None:
    assert [path.name for path in UNIT.glob("test_*.py")] == []


def test_every_package_has_a_folder_of_unit_tests() -> None:
    expected = {base / path.parent.name for base, package in PACKAGES.items() for path in package.glob("*/__init__.py")}
    assert len(expected) > 20
    assert expected - {folder for folder in expected if any(folder.rglob("test_*.py"))} == set(WITHOUT_UNIT_TESTS)


def test_no_two_modules_that_tests_share_have_one_name() -> None:
    """They are found by their names alone; the modules of tests are not, so that two folders may have the same."""
    shared = [
        path
        for path in (ROOT / "tests").rglob("*.py")
        if not path.name.startswith("test_") and path.name not in ("conftest.py", "__init__.py")
    ]
    assert len(shared) > 20
    assert [name for name, count in Counter(path.name for path in shared).items() if count > 1] == []
