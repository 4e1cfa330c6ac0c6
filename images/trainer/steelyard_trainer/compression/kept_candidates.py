"""What was made and measured of a trained model, in the workspace, so that a stage that is started again does not make
it again. Imports steelyard.api, the artifact, the recipe and the choice.

A recipe has a folder, named for its digest: `model/` holds the artifact, `step.json` its checksums; both come at once,
in place of `unfinished/`, where a step that takes long keeps how far it is.
`measured.json` says what was measured of it, or why it can't be made; `answers.npz`, where it is needed, holds what the
candidate answers to the rows that it is judged by.
"""

import hashlib
import json
import re
import shutil
import time
import uuid
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from steelyard.api.metrics import Measure
from steelyard.api.training_job import TrainingJobSpec
from steelyard_trainer.compression.answers import Answers
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.choice import Measured
from steelyard_trainer.compression.cost import Cost, Made
from steelyard_trainer.compression.recipe import Recipe
from steelyard_trainer.files import write_atomically

MODEL_FOLDER, STEP_FILE, MEASURED_FILE, ANSWERS_FILE = "model", "step.json", "measured.json", "answers.npz"
SECONDS_FILE = "seconds"
"""How long a search took so far, where that may end it."""
_UNFINISHED = "unfinished"
_DIGITS = 16
_OF_A_RECIPE = re.compile(rf"[0-9a-f]{{{_DIGITS}}}")


def key_of(model: str, data: str, spec: TrainingJobSpec, versions: Mapping[str, str]) -> str:
    """The key of what is made of a trained model: equal where equal recipes make the same of it.

    Args:
        model: SHA-256 (hex) of its file: a model that was trained again has another one, even if nothing in the
            manifest changed.
        data: a digest of the prepared data as models take it.
        spec: of the job, for how models are trained, with which seed.
        versions: of what makes candidates, by package.
    """
    trained = spec.own_model.model_dump(mode="json") if spec.own_model else None
    training = spec.training.model_dump(mode="json", exclude={"checkpoint"})
    made_of = {"weighed": model, "data": data, "versions": {**versions}, "model": trained, "training": training}
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class KeptCandidates:
    """The artifacts of one trained model, by recipe."""

    root: Path
    """The folder for the artifacts of whichever model is weighed."""
    key: str
    """A digest of what they depend on beside their recipes, as `key_of` makes it."""
    check_attempt: Callable[[], None] = lambda: None
    """Called before something is put in place; raises where this process may no longer write."""

    @property
    def folder(self) -> Path:
        """Holds what is finished."""
        return self.root / self.key[:_DIGITS]

    def clean_up(self, beside: "KeptCandidates | None" = None) -> None:
        """Removes what is of no model that is weighed, and what an attempt that was killed left.

        Args:
            beside: what was made of another model, and stays.
        """
        self.check_attempt()
        self.folder.mkdir(parents=True, exist_ok=True)
        stay = {self.folder, self.folder / SECONDS_FILE, beside.folder if beside is not None else self.folder}
        for path in [*self.root.iterdir(), *self.folder.iterdir()]:
            if path in stay or (path.parent == self.folder and _OF_A_RECIPE.fullmatch(path.name)):
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def find(self, recipe: Recipe) -> Artifact | None:
        """What a recipe makes, if it was made and all its files are as they were then."""
        try:
            document = self._read(recipe, STEP_FILE)
            artifact = Artifact(self._place(recipe) / MODEL_FOLDER, document["runtime"], document.get("work", 0))
            return artifact if document["files"] == _sums_of(artifact.folder) else None
        except (OSError, ValueError, KeyError):
            return None

    def made(self, recipe: Recipe) -> Made | None:
        """What it took to make what a recipe makes, with all its steps; None where that is not told of one of them, or
        there are none."""
        try:
            steps = [self._read(part, STEP_FILE) for part in recipe.prefixes()]
            seconds, work = sum(step["seconds"] for step in steps), sum(step.get("work", 0) for step in steps)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return Made(round(seconds, 3), work) if steps else None

    def unfinished(self, recipe: Recipe) -> Path:
        """A folder for what an attempt to make the recipe's last step leaves to the next one; `put` removes it."""
        return self._place(recipe) / _UNFINISHED

    def put(self, recipe: Recipe, make: Callable[[Path], Artifact]) -> Artifact:
        """Makes an artifact and puts it in place, complete or not at all.

        Args:
            recipe: what it is made by.
            make: makes it in the folder that it is given.

        Raises:
            SteelyardError: another process was started in this one's place (AttemptSuperseded).
            Exception: that of `make`.
        """
        aside, before = (self.folder / f"partial-{uuid.uuid4().hex}" for _ in range(2))
        (aside / MODEL_FOLDER).mkdir(parents=True)
        try:
            began = time.monotonic()
            made = make(aside / MODEL_FOLDER)
            took = {"seconds": round(time.monotonic() - began, 3)} | ({"work": made.work} if made.work else {})
            document = {"runtime": made.runtime, **took, "files": _sums_of(aside / MODEL_FOLDER)}
            self._write(aside / STEP_FILE, recipe, document)
            self.check_attempt()
            place = self._place(recipe)
            # Two renames: a kill while many files are removed would find neither what it grew from nor it.
            if place.exists():
                place.rename(before)
            aside.rename(place)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
            shutil.rmtree(before, ignore_errors=True)
        return Artifact(place / MODEL_FOLDER, made.runtime, made.work)

    def measured(
        self, name: str, recipe: Recipe, measures: Sequence[Measure], *, with_answers: bool = False
    ) -> Measured | None:
        """What an earlier attempt measured, if the artifact is whole and all that is to be told of it was measured."""
        try:
            measured = replace(Measured.from_json(self._read(recipe, MEASURED_FILE)), name=name)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if measured.failure or measured.figures is None:
            return measured if measured.failure or self.find(recipe) else None
        is_told = all(each.name in measured.figures for each in measures)
        is_answered = not with_answers or self.answers(recipe) is not None
        return measured if is_told and is_answered and self.find(recipe) else None

    def cost(self, recipe: Recipe) -> Cost | None:
        """What a finished candidate costs; None where that was not measured."""
        try:
            return Measured.from_json(self._read(recipe, MEASURED_FILE)).cost
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def answers(self, recipe: Recipe) -> Answers | None:
        """What a finished candidate answers; None where it was not kept, or is damaged."""
        try:
            with np.load(self._place(recipe) / ANSWERS_FILE) as arrays:
                return Answers(arrays["search"], arrays["validation"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def keep(self, recipe: Recipe, measured: Measured, answers: Answers | None = None) -> None:
        """Remembers what was measured, or that it can't be made. Raises SteelyardError as `put` does."""
        self.check_attempt()
        place = self._place(recipe)
        place.mkdir(exist_ok=True)
        if answers is not None:
            aside = place / f".{ANSWERS_FILE}.{uuid.uuid4().hex}.npz"
            np.savez(aside, search=answers.search, validation=answers.validation)
            aside.rename(place / ANSWERS_FILE)
        # Last: it says that all is there.
        self._write(place / MEASURED_FILE, recipe, measured.to_json())

    def seconds(self) -> float:
        """How long the attempts so far have searched, as far as that was kept."""
        try:
            return float((self.folder / SECONDS_FILE).read_text("utf-8"))
        except (OSError, ValueError):
            return 0.0

    def keep_seconds(self, seconds: float) -> None:
        """Remembers how long it took until now. Raises SteelyardError as `put` does."""
        self.check_attempt()
        write_atomically(self.folder / SECONDS_FILE, repr(seconds))

    def _place(self, recipe: Recipe) -> Path:
        return self.folder / recipe.digest[:_DIGITS]

    def _read(self, recipe: Recipe, name: str) -> dict[str, Any]:
        """Raises OSError, ValueError or KeyError where it is not there, or another's."""
        document = json.loads((self._place(recipe) / name).read_bytes())
        if not isinstance(document, dict) or (document["key"], document["recipe"]) != (self.key, recipe.to_json()):
            raise ValueError(f"{self._place(recipe)} is another recipe's")
        return document

    def _write(self, path: Path, recipe: Recipe, document: dict[str, Any]) -> None:
        """Complete or absent for a reader; after a power cut it may be damaged, and what it is about made again."""
        aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        aside.write_text(json.dumps({"key": self.key, "recipe": recipe.to_json(), **document}, indent=2), "utf-8")
        aside.rename(path)


def _sums_of(folder: Path) -> dict[str, str]:
    """The SHA-256 (hex) of each file below a folder, by its path in there."""
    sums = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                sums[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums
