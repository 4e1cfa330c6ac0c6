"""A search on two columns of numbers, and programs of a few lines in place of the trainer."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from runner_support import FINISH, PRELUDE, PREPARE

from steelyard.api.errors import SteelyardError
from steelyard.api.tuning_job import TuningJob
from steelyard.local.processes import Launch
from steelyard.local.tuning.job import LocalSearch
from steelyard.local.tuning.runner import SearchRunner
from steelyard.planning import Stage
from steelyard.search.events import SearchEvent
from steelyard.search.log import Entry, SearchDocument

# A trial's value is a parabola of its learning rate, or of its trees; each takes an instant.
TRIAL = """
job = json.loads(pathlib.Path(os.environ["STEELYARD_SPEC_FILE"]).read_text())
def answer(job):
    spec = job["spec"]
    number = spec["trial"]["number"]
    if "randomForest" in spec["model"]:
        value = 1 - (spec["model"]["randomForest"].get("nEstimators", 100) - 70) ** 2 / 1e5
    else:
        value = 1 - (spec["training"]["optimizer"]["learningRate"] - 0.03) ** 2
    return number, value
def report(number, value, letter="C", *rest):
    return [number, letter, value, [1, value / 2, 2, value], *rest]
"""
TRAIN = """
if "trial" not in job["spec"]:
    made(workspace / "trained/model.keras", "a model")
    made(workspace / "trained/training.json", json.dumps({"key": key}))
    end(0)
number, value = answer(job)
made(workspace / "trained/training.json", "{}")
end(0, trial=report(number, value))
"""
PACK = """
import itertools
file = pathlib.Path(os.environ["STEELYARD_PACK_FILE"])
for count in itertools.count(1):
    for each in json.loads(file.read_text())["trials"]:
        say(event="trial", trial=report(*answer(each)))
    file = pathlib.Path(os.environ["STEELYARD_PACK_ROUNDS"]) / f"{count}.json"
    while not file.exists():
        time.sleep(0.02)
"""


@dataclass
class Programs:
    """Launches a program for each stage: Python text that comes after PRELUDE and TRIAL."""

    prepare: str = PREPARE
    train: str = TRAIN
    pack: str = PACK
    finish: str = FINISH.replace("tiny", "search")
    started: list[str] = field(default_factory=list)
    """Stages, and trials by their folder's name."""
    environments: list[Mapping[str, str]] = field(default_factory=list)

    @property
    def done(self) -> list[str]:
        """What was started for the search itself, in order of names: a model that is trained for the best is not."""
        return sorted(name for name in self.started if name != "best")

    def __call__(
        self, stage: Stage, index: int, environment: Mapping[str, str], log: IO[bytes]
    ) -> "subprocess.Popen[bytes]":
        """See steelyard.local.processes.Launch."""
        assert index == 0
        self.environments.append(environment)
        name: str = stage.name
        self.started.append(Path(environment["STEELYARD_WORKSPACE"]).name if name == "train" else name)
        program = TRIAL if name in ("train", "pack") else ""
        return subprocess.Popen(
            [sys.executable, "-S", "-c", PRELUDE + program + getattr(self, name), name],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            process_group=0,
        )


def rates(count: int) -> list[dict[str, Any]]:
    """A parameter of a network with so many values."""
    values = [round(0.01 * (index + 1), 2) for index in range(count)]
    return [{"path": "training.optimizer.learningRate", "type": "Categorical", "values": values}]


def trees(count: int) -> list[dict[str, Any]]:
    """A parameter of a forest with so many values."""
    values = [10 * (index + 1) for index in range(count)]
    return [{"path": "model.randomForest.nEstimators", "type": "Categorical", "values": values}]


def tuning_job(folder: Path, *, name: str = "search", model: str = "mlp", **spec: Any) -> TuningJob:
    """Writes a table into a folder; `spec` replaces parts of a default search by grid."""
    rows = "\n".join(f"{n},{n % 7},{'yes' if n % 2 else 'no'}" for n in range(60))
    (folder / "table.csv").write_text(f"a,b,label\n{rows}\n")
    template = {"dataset": {"uri": "table.csv", "target": "label"}, "model": {model: {}}}
    defaults = {
        "objective": {"metric": "accuracy"},
        "parameters": rates(6) if model == "mlp" else trees(6),
        "algorithm": {"name": "Grid"},
        "maxTrials": 6,
        "parallelTrials": 2,
        "placement": "Pods" if model == "mlp" else "Auto",
        "template": template | spec.pop("template", {}),
    }
    return TuningJob.model_validate(
        {
            "apiVersion": "steelyard.dev/v1alpha1",
            "kind": "TuningJob",
            "metadata": {"name": name},
            "spec": defaults | spec,
        }
    )


@dataclass
class Run:
    """How one call of the runner went."""

    events: list[SearchEvent]
    error: SteelyardError | None
    document: SearchDocument | None

    def of(self, kind: type) -> list[Any]:
        """The events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def entries(self) -> list[Entry]:
        """The log."""
        assert self.document is not None
        return list(self.document.entries)

    @property
    def answers(self) -> list[tuple[Any, ...]]:
        """The log without times."""
        return [(each.number, each.values, each.state, each.value, each.steps, each.reason) for each in self.entries]


def run_search(
    folder: Path,
    tuning: TuningJob,
    programs: Launch,
    *,
    force: bool = False,
    watch: Callable[[SearchEvent], None] | None = None,
) -> Run:
    """Runs a search in a folder, with pauses a hundredth of their length."""
    events: list[SearchEvent] = []

    def report(event: SearchEvent) -> None:
        events.append(event)
        if watch is not None:
            watch(event)

    error, document = None, None
    search = LocalSearch.of(tuning, folder / "job.yaml")
    try:
        SearchRunner(search, report, launch=programs, pause_factor=0.01).run(force=force)
    except SteelyardError as raised:
        error = raised
    if search.search_file.exists():
        document = SearchDocument.from_json(json.loads(search.search_file.read_text()))
    return Run(events, error, document)
