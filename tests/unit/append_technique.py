"""A technique that only tests know: it writes a word below what it is given."""

import time
from pathlib import Path
from typing import Literal

from steelyard.api.compression.techniques import Settings
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.techniques.base import CannotBeMadeError, StepData, Technique, Tell

APPLIED: list[str] = []
"""The words that were written, in this process."""


class Append(Settings):
    """What it may be told."""

    takes = ("Skops",)
    gives = "Skops"

    technique: Literal["Append"] = "Append"
    word: str = "word"
    seconds: float = 0.0
    """How long it waits with half of the word written."""
    reads: bool = False
    """Whether it reads the training set."""


def _apply(artifact: Artifact, settings: Append, data: StepData, tell: Tell) -> Artifact:
    if settings.word == "impossible":
        raise CannotBeMadeError("there is no such word")
    APPLIED.append(settings.word)
    if settings.reads:
        data.read_training()
    made = Artifact(data.into, "OnnxRuntime" if settings.word == "foreign" else "Skops")
    half = len(settings.word) // 2
    made.file.write_text(artifact.opened(Path.read_text) + settings.word[:half])
    (made.folder / "beside").mkdir()
    (made.folder / "beside/notes.txt").write_text(settings.word)
    tell(f"half of {settings.word}")
    time.sleep(settings.seconds)
    made.file.write_text(artifact.opened(Path.read_text) + settings.word + "\n")
    return made


TECHNIQUE = Technique(Append, _apply)
