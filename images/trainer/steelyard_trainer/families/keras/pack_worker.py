"""`pack`: a TensorFlow process that trains one network of a pack after the other. Imports the family's parts.

Each trial has the values that it has in a process of its own with as many threads: what Keras and TensorFlow keep from
one network to the next (names, seeds, graphs) is dropped in between, and every random number is a function of the
trial's seed.
"""

import gc
import hashlib
import json
import os
import signal
import traceback
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import NoReturn

import keras
import tensorflow as tf

import steelyard_trainer.families.keras.trial  # noqa: F401 - each trial needs it: imported here, no trial's time has it
from steelyard.api.errors import SteelyardError
from steelyard.contract.stages import ExitCode, Reason
from steelyard.contract.trial_report import TrialReport
from steelyard_trainer.begin import begin
from steelyard_trainer.contract import explain
from steelyard_trainer.data.reading import Examples, PreparedDataset
from steelyard_trainer.data.splitting import SplitName
from steelyard_trainer.families.keras.pack import PackedTrial
from steelyard_trainer.families.keras.worker import Requests, connect, train_on
from steelyard_trainer.pool import READY, Failure
from steelyard_trainer.trained import finished_training


def serve(descriptor: int) -> NoReturn:
    """Works off the trials that come through a pipe, until it ends.

    Args:
        descriptor: of this process's end of the pipe.
    """
    connection = Connection(descriptor)
    connect()
    worker = _PackWorker(connection)
    signal.signal(signal.SIGTERM, worker.leave)
    # What the imports made stays; without it, looking for what a network has left takes a tenth of the time.
    gc.collect()
    gc.freeze()
    connection.send(READY)
    worker.run()


@dataclass
class _PackWorker:
    connection: Connection
    _requests: Requests = field(default_factory=lambda: Requests.listen(0))
    _works: bool = False
    _kept: dict[Path, dict[SplitName, Examples]] = field(default_factory=dict)
    """The rows that were read, by the prepared dataset's folder."""

    def run(self) -> NoReturn:
        """Ends with the pipe, or after a failure that says that it is the last."""
        while True:
            try:
                trial = self.connection.recv()
            except EOFError:
                os._exit(ExitCode.DONE)
            self._works = True
            answer = self._answer(trial)
            self.connection.send(answer)
            if isinstance(answer, Failure) and answer.is_last:
                os._exit(1)
            self._works = False
            forget()

    def leave(self, number: int, frame: FrameType | None) -> None:
        """On SIGTERM: a trial writes a checkpoint first."""
        self._requests.leave(number, frame)
        if not self._works:
            os._exit(ExitCode.TRY_AGAIN)

    def _answer(self, trial: PackedTrial) -> TrialReport | Failure:
        """What became of a trial. After a failure that nobody has foreseen, this process may not be sound any more."""
        try:
            return self._train(trial)
        except SteelyardError as error:
            return _failure_of(error)
        except OSError as error:
            if (explained := explain(error)) is not None:
                return _failure_of(explained)
            traceback.print_exception(error)
            return Failure(f"{Reason.CRASHED}: {type(error).__name__}: {error}", is_last=True)
        except (MemoryError, tf.errors.ResourceExhaustedError) as error:
            traceback.print_exception(error)
            return Failure(f"{Reason.OUT_OF_MEMORY}: there is not enough memory for it", is_last=True)
        except Exception as error:  # noqa: BLE001 - the pack goes on, whatever became of one trial
            traceback.print_exception(error)
            return Failure(f"{Reason.CRASHED}: {type(error).__name__}: {error}", is_last=True)

    def _train(self, trial: PackedTrial) -> TrialReport:
        trial = begin(trial)
        dataset = PreparedDataset.of(trial)
        dataset = replace(dataset, kept=self._kept.setdefault(dataset.folder, {}))
        trial = replace(trial, key=_key_of(trial, dataset))
        outcome = finished_training(trial, trial.workspace.model_file)
        if outcome is None:
            trial.workspace.checkpoints.mkdir(parents=True, exist_ok=True)
            outcome = train_on(trial, dataset, None, self._requests)
        # As a result document would have it.
        return TrialReport.from_json(json.loads(json.dumps(outcome.summary["trial"])))


def forget() -> None:
    """Drops what Keras and TensorFlow keep of a network."""
    keras.backend.clear_session(free_memory=False)
    gc.collect()


def _key_of(trial: PackedTrial, dataset: PreparedDataset) -> str:
    """What the trial depends on: a pack that is started again goes on where its trials were."""
    inputs = [version("steelyard"), dataset.fingerprint, dataset.key, trial.job.to_manifest()]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _failure_of(error: SteelyardError) -> Failure:
    is_to_try_again = error.exit_code == ExitCode.TRY_AGAIN
    return Failure(f"{error.reason}: {error.message}", is_to_try_again=is_to_try_again, is_last=is_to_try_again)
