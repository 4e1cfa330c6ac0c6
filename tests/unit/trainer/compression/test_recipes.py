"""Recipes: what they refuse, that what they begin with is made once, and that a kill leaves nothing half."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import append_technique
import pytest
from append_technique import APPLIED

from steelyard.api.compression import BASELINE, CandidateRecipe
from steelyard.api.compression.techniques import TECHNIQUES as ASKED
from steelyard.api.errors import ConfigurationError, SteelyardError
from steelyard.api.models import KINDS
from steelyard.api.training_job import TrainingJobSpec
from steelyard.contract.workspace import Workspace
from steelyard_trainer.attempts import Attempt
from steelyard_trainer.compression import kept_candidates
from steelyard_trainer.compression.artifact import MAIN_FILES, Artifact, Runtime
from steelyard_trainer.compression.candidates import recipes_of
from steelyard_trainer.compression.cost import Made
from steelyard_trainer.compression.kept_candidates import KeptCandidates
from steelyard_trainer.compression.making import Maker, Trained
from steelyard_trainer.compression.recipe import Recipe, Step
from steelyard_trainer.compression.techniques import TECHNIQUES, technique_named
from steelyard_trainer.compression.techniques.base import CannotBeMadeError, Tell, Together
from steelyard_trainer.data.labelled import Labelled


@pytest.fixture(autouse=True)
def append(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own technique, one file and one line in the table."""
    monkeypatch.setitem(TECHNIQUES, "Append", append_technique.__name__)
    APPLIED.clear()


def spec_of(model: dict[str, Any], candidates: list[Any] | None = None) -> TrainingJobSpec:
    compression = {} if candidates is None else {"candidates": candidates}
    return TrainingJobSpec.model_validate(
        {"dataset": {"uri": "a.csv", "target": "t"}, "model": model, "compression": compression}
    )


def words(*given: str, **settings: object) -> Recipe:
    return Recipe(tuple(Step.of("Append", {"word": word, **settings}) for word in given))


def kept_in(folder: Path, key: str = "k" * 64, check: Callable[[], None] = lambda: None) -> KeptCandidates:
    kept = KeptCandidates(folder / "finished", key, check)
    kept.clean_up()
    return kept


def trained_in(folder: Path) -> Trained:
    artifact = Artifact(folder, "Skops")
    artifact.file.write_text("model\n")

    def read() -> Labelled:
        raise AssertionError("no rows are needed")

    return Trained(artifact, 1, None, None, read)


def made_of(recipe: Recipe, folder: Path, tell: Tell = lambda _: None) -> Artifact:
    """As a process does that is started anew."""
    with Maker.of(trained_in(folder), kept_in(folder), tell) as maker:
        return maker.make(recipe)


# --- what a recipe is -------------------------------------------------------------------------------------------------


def test_a_step_is_its_technique_and_its_settings() -> None:
    assert Step.of("Int8").to_json() == {"technique": "Int8", "settings": {"representativeRows": 500}}


def test_equal_steps_have_equal_digests_and_no_others_do() -> None:
    assert words("a").digest == words("a", seconds=0.0).digest, "a default is a setting like another"
    others = [Recipe(), words("a"), words("b"), words("a", "b"), words("b", "a"), words("a", reads=True)]
    assert len({recipe.digest for recipe in others}) == len(others)
    assert [prefix.digest for prefix in words("a", "b").prefixes()] == [words("a").digest, words("a", "b").digest]
    assert list(Recipe().prefixes()) == []


@pytest.mark.parametrize(
    ("technique", "settings", "said"),
    [
        (
            "Shrink",
            {},
            "the technique 'Shrink' is not known; allowed: LiteRT, DynamicRange, ",
        ),
        ("Append", {"words": 1}, "Append.words: Extra inputs are not permitted; 1 was given"),
        ("Append", {"word": 1}, "Append.word: Input should be a valid string; 1 was given"),
        ("Int8", {"representativeRows": 0}, "Int8.representativeRows: Input should be greater than or equal to 1; 0"),
    ],
)
def test_a_step_says_what_is_wrong_with_it(technique: str, settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Step.of(technique, settings)
    assert said in caught.value.message


def test_every_runtime_has_a_file() -> None:
    assert get_args(Runtime) == tuple(MAIN_FILES)


@pytest.mark.parametrize("name", TECHNIQUES)
def test_every_technique_refuses_what_it_does_not_take(name: str) -> None:
    technique, recipe = technique_named(name), Recipe.of(name)
    assert technique.name == name
    for runtime in MAIN_FILES:
        if runtime in technique.settings.takes:
            recipe.check_takes(runtime)
            continue
        with pytest.raises(ConfigurationError) as caught:
            recipe.check_takes(runtime)
        assert caught.value.message == (
            f"step 1 of the recipe: {name} takes {' or '.join(technique.settings.takes)}, "
            f"but the trained model is {runtime}"
        )


def test_a_step_refuses_what_the_one_before_it_gives(tmp_path: Path) -> None:
    recipe = Recipe((*words("a").steps, *Recipe.of("Onnx", "Append").steps))
    said = "step 3 of the recipe: Append takes Skops, but Onnx gives OnnxRuntime"
    with pytest.raises(ConfigurationError, match=said):
        made_of(recipe, tmp_path)
    assert APPLIED == [], "nothing is made of a recipe that can't be followed"


def test_every_candidate_is_the_technique_of_its_name() -> None:
    for settings in KINDS.values():
        for name in settings.capabilities.candidates:
            assert name != BASELINE
            assert Recipe.asked(name) == Recipe.of(name)
            Recipe.of(name).check_takes(settings.capabilities.family.trained_as)


def test_a_manifest_may_name_every_technique_but_the_form_that_networks_are_published_in() -> None:
    assert set(TECHNIQUES) - {"Append"} == {*ASKED, "LiteRT"}
    assert all(technique_named(name).settings is settings for name, settings in ASKED.items())


def test_a_listed_recipe_is_made_by_its_steps_and_weighed_under_its_name() -> None:
    steps = [{"technique": "Int8", "representativeRows": 9}]
    spec = spec_of({"mlp": {}}, ["Float16", {"name": "few-rows", "steps": steps}, "Baseline"])
    baseline = Recipe.of("LiteRT")
    assert recipes_of(spec, baseline) == {
        "Baseline": baseline,
        "Float16": Recipe.of("Float16"),
        "few-rows": Recipe((Step.of("Int8", {"representativeRows": 9}),)),
    }
    assert list(recipes_of(spec_of({"ridge": {}}), Recipe())) == ["Baseline", "Onnx"]


def test_a_network_that_goes_on_ends_in_the_form_that_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(append_technique.Append, "gives", "Keras")
    recipe = Recipe.asked(CandidateRecipe.model_construct(name="a", steps=[append_technique.Append(word="a")]))
    assert [step.technique for step in recipe.steps] == ["Append", "LiteRT"]
    assert recipe.digest == Recipe((Step.of("Append", {"word": "a"}), Step.of("LiteRT"))).digest


def test_what_a_technique_takes_and_gives_is_known_without_its_libraries() -> None:
    script = (
        "import sys\n"
        "from steelyard_trainer.compression.techniques import TECHNIQUES, technique_named\n"
        "[technique_named(name) for name in TECHNIQUES]\n"
        "sys.exit(str({'tensorflow', 'keras', 'sklearn', 'skops', 'onnx', 'skl2onnx'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


# --- what is made -----------------------------------------------------------------------------------------------------


def test_what_two_recipes_begin_with_is_made_once(tmp_path: Path) -> None:
    told: list[str] = []
    with Maker.of(trained_in(tmp_path), kept_in(tmp_path), told.append) as maker:
        first, second = maker.make(words("a", "b")), maker.make(words("a", "c"))
    assert (first.file.read_text(), second.file.read_text()) == ("model\na\nb\n", "model\na\nc\n")
    assert APPLIED == ["a", "b", "c"]
    assert told == ["half of a", "half of b", "half of c"]
    assert first.bytes == len("model\na\nb\n") + len("b"), "what lies beside the main file counts"


def test_what_was_made_is_not_made_again_and_what_is_damaged_is(tmp_path: Path) -> None:
    first, whole = made_of(words("a"), tmp_path), made_of(words("a", "b"), tmp_path)
    assert made_of(words("a", "b"), tmp_path) == whole and APPLIED == ["a", "b"]
    (whole.folder / "beside/notes.txt").write_text("other")
    assert made_of(words("a", "b"), tmp_path).file.read_text() == "model\na\nb\n" and APPLIED == ["a", "b", "b"]
    # The whole one needs no part of it.
    first.file.unlink()
    made_of(words("a", "b"), tmp_path)
    assert APPLIED == ["a", "b", "b"]
    made_of(words("a", "c"), tmp_path)
    assert APPLIED == ["a", "b", "b", "a", "c"]


def test_other_workers_apply_each_step_that_trains_to_what_worker_0_has_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(append_technique.Append, "learns", True)
    began: list[tuple[Recipe, list[str]]] = []

    @contextmanager
    def lesson(steps: list[dict[str, Any]]) -> Iterator[None]:
        began.append((Recipe.told(json.loads(json.dumps(steps))), [*APPLIED]))
        yield

    kept, whole = kept_in(tmp_path), words("a", "b")
    with Maker.of(replace(trained_in(tmp_path), together=Together(workers=2, lesson=lesson)), kept) as maker:
        made = maker.make(whole)
        with pytest.raises(CannotBeMadeError):
            maker.make(words("a", "impossible"))
        # Nobody is told of what is found, or refused once more.
        with pytest.raises(CannotBeMadeError):
            maker.make(words("a", "impossible"))
        maker.make(whole)
    assert began == [(words("a"), []), (whole, ["a"]), (words("a", "impossible"), ["a", "b"])]
    with Maker.of(trained_in(tmp_path), kept) as other:
        for number, (recipe, _) in enumerate(began[:2]):
            into = tmp_path / str(number)
            into.mkdir()
            other.attend(recipe, into)
    assert Artifact(tmp_path / "1", "Skops").file.read_text() == made.file.read_text() == "model\na\nb\n"
    with pytest.raises(FileNotFoundError, match="what worker 0 has made before"):
        other.attend(words("x", "y"), tmp_path)


def test_what_it_took_is_that_of_all_steps_and_is_kept_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = count(0.0, 2.0)
    monkeypatch.setattr(kept_candidates, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    made_of(words("a", "b"), tmp_path)
    kept = kept_in(tmp_path)
    assert (kept.made(words("a")), kept.made(words("a", "b"))) == (Made(2.0), Made(4.0))
    # A step that was there is not made again, nor what it took.
    made_of(words("a", "b"), tmp_path)
    assert kept.made(words("a", "b")) == Made(4.0)
    assert kept.made(words("c")) is None and kept.made(Recipe()) is None
    (step,) = (path for path in kept.folder.glob("*/step.json") if '"b"' not in path.read_text())
    document = json.loads(step.read_text())
    step.write_text(json.dumps({**document, "work": 30}))
    assert kept.made(words("a", "b")) == Made(4.0, 30)
    # As an earlier version left it.
    del document["seconds"]
    step.write_text(json.dumps(document))
    assert kept.made(words("a", "b")) is None


def test_no_recipe_is_the_trained_model(tmp_path: Path) -> None:
    assert made_of(Recipe(), tmp_path) == Artifact(tmp_path, "Skops")


def test_what_another_model_has_stays_where_both_are_weighed(tmp_path: Path) -> None:
    one, other = kept_in(tmp_path, "1" * 64), kept_in(tmp_path, "2" * 64)
    left = other.unfinished(words("a"))
    left.mkdir(parents=True)
    one.clean_up(beside=other)
    assert left.is_dir()
    one.clean_up()
    assert not left.exists()


def test_another_model_is_not_mistaken_for_this_one(tmp_path: Path) -> None:
    made_of(words("a"), tmp_path)
    other = kept_in(tmp_path, "k" * 63 + "o")
    assert other.find(words("a")) is None, "their folders have the same name"
    kept_in(tmp_path, "o" * 64)
    assert [path.name for path in (tmp_path / "finished").iterdir()] == ["o" * 16]


def test_a_technique_that_can_not_be_applied_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(CannotBeMadeError, match="there is no such word"):
        made_of(words("a", "impossible"), tmp_path)
    kept = KeptCandidates(tmp_path / "finished", "k" * 64)
    assert [path.name for path in kept.folder.iterdir()] == [words("a").digest[:16]]


def test_what_can_not_be_made_is_not_tried_again_for_what_follows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    real = append_technique.TECHNIQUE.apply

    def apply(artifact: Artifact, settings: Any, *others: Any) -> Artifact:
        tried.append(settings.word)
        return real(artifact, settings, *others)

    monkeypatch.setattr(append_technique, "TECHNIQUE", replace(append_technique.TECHNIQUE, apply=apply))
    with Maker.of(trained_in(tmp_path), kept_in(tmp_path)) as maker:
        for last in ("a", "b"):
            with pytest.raises(CannotBeMadeError, match="there is no such word"):
                maker.make(words("impossible", last))
    assert tried == ["impossible"]


def test_a_technique_does_what_it_says(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"Append made OnnxRuntime in .*: it gives Skops"):
        made_of(words("foreign"), tmp_path)
    with pytest.raises(TypeError, match="reads the training set only where it says that it needs it"):
        made_of(words("a", reads=True), tmp_path)


def test_a_process_in_whose_place_another_was_started_puts_nothing(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    attempt = Attempt.take(workspace, "finish")
    kept = kept_in(tmp_path, check=attempt.check)
    with Maker.of(trained_in(tmp_path), kept) as maker:
        maker.make(words("a"))
        Attempt.take(workspace, "finish")
        with pytest.raises(SteelyardError, match="attempt 1, but attempt 2"):
            maker.make(words("a", "b"))
    assert [path.name for path in kept.folder.iterdir()] == [words("a").digest[:16]]


_MAKE = """
import sys
from pathlib import Path
import test_recipes
from steelyard_trainer.compression.techniques import TECHNIQUES
TECHNIQUES["Append"] = "append_technique"
recipe = test_recipes.Recipe(test_recipes.words("a").steps + test_recipes.words("bb", seconds=600.0).steps)
test_recipes.made_of(recipe, Path(sys.argv[1]), lambda told: print(told, flush=True))
"""


def test_a_kill_in_the_middle_of_a_step_leaves_those_before_it_and_nothing_half(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _MAKE, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": os.pathsep.join(str(Path(file).parent) for file in (__file__, append_technique.__file__))},
    )
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["half of a\n", "half of bb\n"]
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    slow = Recipe(words("a").steps + words("bb", seconds=600.0).steps)
    kept = KeptCandidates(tmp_path / "finished", "k" * 64)
    assert kept.find(slow) is None and kept.find(words("a")) is not None
    assert len(list(kept.folder.iterdir())) == 3, "the first step, the half one, and the room for what steps share"
    assert made_of(words("a", "bb"), tmp_path).file.read_text() == "model\na\nbb\n"
    assert APPLIED == ["bb"], "the first step was made before the kill"
    assert sorted(path.name for path in kept.folder.iterdir()) == sorted(
        recipe.digest[:16] for recipe in words("a", "bb").prefixes()
    )
