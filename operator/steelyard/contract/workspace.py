"""Where everything lies in a job's workspace, the folder that its stages and workers share. Imports the contract's
variables only."""

from dataclasses import dataclass
from pathlib import Path

from steelyard.contract.stages import Env

DATASET_FILE = "dataset.json"
PREPROCESSING_FILE = "preprocessing.json"
MODEL_FILE = "model.keras"
ESTIMATOR_FILE = "estimator.skops"
GRAPH_FILE = "graph.pb"
"""A SavedModel from elsewhere, of which nothing is left but what it computes."""
TRAINING_FILE = "training.json"
CANDIDATES_FILE = "candidates.json"


@dataclass(frozen=True)
class ProgramFolder:
    """Where a program of the user's own (`spec.model.container`) writes."""

    root: Path

    @property
    def checkpoints(self) -> Path:
        """Its checkpoints, in whatever form."""
        return self.root / "checkpoints"

    @property
    def model(self) -> Path:
        """Its model."""
        return self.root / "model"

    @property
    def metrics_file(self) -> Path:
        """Figures that it tells of itself."""
        return self.root / "metrics.json"

    @property
    def key_file(self) -> Path:
        """The key of the stage whose program wrote here."""
        return self.root / "key"

    def variables(self, data: Path, seed: int) -> dict[str, str]:
        """The variables that tell it so; `data`: the folder of the prepared dataset."""
        return {
            Env.DATA_DIR.value: str(data),
            Env.CHECKPOINT_DIR.value: str(self.checkpoints),
            Env.MODEL_DIR.value: str(self.model),
            Env.METRICS_FILE.value: str(self.metrics_file),
            Env.SEED.value: str(seed),
        }

    @property
    def contained_file(self) -> Path:
        """Says that the program was done, and under which key: complete or absent. Its supervisor writes it."""
        return self.root / "contained.json"


@dataclass(frozen=True)
class Workspace:
    """The files of one job. Stages own their folder: prepare writes prepared/, train trained/ (of a
    model from elsewhere finish does), finish finished/ (before it the stage train of several workers, where candidates
    are trained)."""

    root: Path

    @property
    def spec_file(self) -> Path:
        """The manifest that the stages read."""
        return self.root / "job.json"

    @property
    def state_file(self) -> Path:
        """What the local runner remembers between two runs."""
        return self.root / "state.json"

    @property
    def input_file(self) -> Path:
        """The table that a program handed over in memory, where there was one."""
        return self.root / "input.parquet"

    @property
    def lock_file(self) -> Path:
        """Locked by the runner that works here."""
        return self.root / "lock"

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.root / "logs"

    @property
    def results(self) -> Path:
        """One result document per process."""
        return self.root / "results"

    @property
    def attempts(self) -> Path:
        """A folder per stage with the numbers that its processes took."""
        return self.root / "attempts"

    @property
    def barrier_file(self) -> Path:
        """Says under which key the workers of a program of the user's own began together: complete or absent."""
        return self.root / "barrier.json"

    @property
    def code(self) -> Path:
        """The user's own code, unpacked: complete or absent. What imports it has it at the top of sys.path."""
        return self.root / "code"

    @property
    def prepared(self) -> Path:
        """The prepared dataset: complete or absent."""
        return self.root / "prepared"

    @property
    def dataset_file(self) -> Path:
        """What the prepared dataset is: schema, counts, fingerprint, findings."""
        return self.prepared / DATASET_FILE

    @property
    def preprocessing_file(self) -> Path:
        """What turns raw rows into the model's input."""
        return self.prepared / PREPROCESSING_FILE

    @property
    def trained(self) -> Path:
        """Checkpoints, and in the end the trained weights."""
        return self.root / "trained"

    @property
    def checkpoints(self) -> Path:
        """One folder per checkpoint, complete or absent."""
        return self.trained / "checkpoints"

    @property
    def program(self) -> ProgramFolder:
        """Where a program of the user's own writes."""
        return ProgramFolder(self.trained / "program")

    @property
    def taken(self) -> Path:
        """The program's model as it was written anew by what read it first: not where the program writes."""
        return self.trained / "taken"

    @property
    def model_file(self) -> Path:
        """The trained Keras model with the best epoch's weights."""
        return self.trained / MODEL_FILE

    @property
    def estimator_file(self) -> Path:
        """The fitted model of scikit-learn, as skops; it takes rows as `Preprocessing` makes them in float64."""
        return self.trained / ESTIMATOR_FILE

    @property
    def training_file(self) -> Path:
        """The stage key, the history and the best epoch; written last."""
        return self.trained / TRAINING_FILE

    @property
    def candidates_file(self) -> Path:
        """The stage key, once all workers have trained what is trained of the model's candidates, too."""
        return self.trained / CANDIDATES_FILE

    @property
    def finished(self) -> Path:
        """The candidates, each complete or absent."""
        return self.root / "finished"
