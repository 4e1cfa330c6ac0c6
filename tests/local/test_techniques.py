"""What every technique of compression holds, whichever libraries it needs: a technique's line in the table is enough to
be tested here."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import technique_support
from technique_support import MEASURING, alone, leave_trained, made_of, rows

from steelyard_trainer.compression.artifact import Runtime
from steelyard_trainer.compression.kept_candidates import KeptCandidates
from steelyard_trainer.compression.making import Maker
from steelyard_trainer.compression.recipe import Recipe
from steelyard_trainer.compression.techniques import TECHNIQUES, technique_named
from steelyard_trainer.families.sklearn.features import LabelledRows

LEAST = {"Keras": 0.95, "Skops": 0.78}
"""Of the accuracy; the trained network has .97, the trained forest .87."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained model for each runtime that a technique takes."""
    folder = tmp_path_factory.mktemp("trained")
    for runtime in {runtime for name in TECHNIQUES for runtime in technique_named(name).settings.takes}:
        leave_trained(runtime, folder / runtime)
    return folder


def served(name: str) -> Recipe:
    """The technique and, where it gives a network that goes on, what brings that into a form that is served."""
    goes_on = technique_named(name).settings.gives == "Keras"
    return Recipe((*alone(name).steps, *(Recipe.of("LiteRT").steps if goes_on else ())))


CASES = [
    pytest.param(name, runtime, id=f"{name}-{runtime}")
    for name in TECHNIQUES
    for runtime in technique_named(name).settings.takes
]


@pytest.mark.parametrize(("name", "runtime"), CASES)
def test_it_predicts_what_the_trained_model_does_within_the_budget(
    name: str, runtime: Runtime, trained: Path, tmp_path: Path
) -> None:
    assert made_of(alone(name), trained / runtime, runtime, tmp_path).runtime == technique_named(name).settings.gives
    made = made_of(served(name), trained / runtime, runtime, tmp_path)
    measured, _ = MEASURING.measure("Baseline", made, MEASURING.serve(made))
    assert measured.figures is not None and measured.bytes == made.file.stat().st_size
    assert measured.figures["accuracy"].value > LEAST[runtime]


@pytest.mark.parametrize(("name", "runtime"), CASES)
def test_it_makes_the_same_bytes_twice(name: str, runtime: Runtime, trained: Path, tmp_path: Path) -> None:
    first, second = (made_of(alone(name), trained / runtime, runtime, tmp_path / turn) for turn in ("first", "second"))
    assert first.folder != second.folder and first.file.read_bytes() == second.file.read_bytes()


@pytest.mark.parametrize(("name", "runtime"), CASES)
def test_a_kill_before_it_is_in_place_leaves_nothing(
    name: str, runtime: Runtime, trained: Path, tmp_path: Path
) -> None:
    arguments = [name, trained / runtime, runtime, tmp_path / "killed"]
    process = subprocess.Popen(
        [sys.executable, technique_support.__file__, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    kept = KeptCandidates(tmp_path / "killed", "tested")
    assert kept.find(alone(name)) is None and list(kept.folder.iterdir())
    made = made_of(alone(name), trained / runtime, runtime, tmp_path / "killed")
    assert [path.name for path in kept.folder.iterdir()] == [made.folder.parent.name]
    untouched = made_of(alone(name), trained / runtime, runtime, tmp_path / "untouched")
    assert made.file.read_bytes() == untouched.file.read_bytes()


def test_the_rows_that_show_the_range_of_activations_are_search_rows_where_there_are_any(
    trained: Path, tmp_path: Path
) -> None:
    def read_training() -> LabelledRows:
        raise AssertionError("the training set was read")

    of_rows = {"read_training": read_training, "read_search": lambda: rows(2)}
    given = replace(technique_support.trained_in(trained / "Keras", "Keras"), **of_rows)
    kept = KeptCandidates(tmp_path, "tested")
    kept.clean_up()
    with Maker.of(given, kept) as maker:
        assert maker.make(Recipe.of("Int8")).bytes > 0
