"""Who may write: of all processes that were ever started for a stage, only the one with the highest number.

A node that was given up may still run its process, which knows nothing of the one in its place. So each takes a number
in the workspace when it begins, higher than any before, and before it puts in place what others read it looks whether a
higher one was taken since. Imports steelyard.api only.
"""

from dataclasses import dataclass
from pathlib import Path

from steelyard.api.errors import SteelyardError
from steelyard.contract.stages import ExitCode, Reason, TrainerStage
from steelyard.contract.workspace import Workspace


@dataclass(frozen=True)
class Attempt:
    """One process's right to write for a stage, for as long as nobody took a higher number."""

    folder: Path
    """Holds an empty file for each number that was taken, named after it."""
    number: int
    """From 1."""

    @classmethod
    def take(cls, workspace: Workspace, stage: TrainerStage) -> "Attempt":
        """Takes the next number, after which no process with a lower one writes. Raises OSError."""
        folder = workspace.attempts / stage
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            number = _highest(folder) + 1
            try:
                (folder / str(number)).touch(exist_ok=False)
            except FileExistsError:
                continue
            return cls(folder, number)

    @classmethod
    def taken(cls, workspace: Workspace, stage: TrainerStage, number: int) -> "Attempt":
        """The attempt that a parent process took."""
        return cls(workspace.attempts / stage, number)

    def check(self) -> None:
        """Raises SteelyardError (reason AttemptSuperseded, exit code 75) where a higher number was taken since."""
        if (highest := _highest(self.folder)) > self.number:
            raise SteelyardError(
                f"this is attempt {self.number}, but attempt {highest} was started in its place: it writes no more",
                reason=Reason.ATTEMPT_SUPERSEDED,
                exit_code=ExitCode.TRY_AGAIN,
            )


def _highest(folder: Path) -> int:
    """The highest number that was taken, 0 where none was."""
    return max((int(path.name) for path in folder.iterdir() if path.name.isdecimal()), default=0)
