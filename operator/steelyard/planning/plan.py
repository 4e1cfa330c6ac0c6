"""From a TrainingJob to its stages: pure functions, used by every runner. Imports the api only.

A plan says what runs, not where: no path, port, process or pod is in it. A runner adds those through
`worker_environment`.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from steelyard.api.training_job import TrainingJob, TrainingJobSpec
from steelyard.contract.stages import Env, StageName


@dataclass(frozen=True)
class Stage:
    """One step of a job: `workers` processes of the trainer program."""

    name: StageName
    key: str
    """SHA-256 (hex) of all that the stage's result depends on; equal keys mean that the work need not be done again."""
    workers: int
    inputs: dict[str, Any]
    """What went into the key beside the key of the stage before: for telling a user what changed."""

    @property
    def arguments(self) -> tuple[str, ...]:
        """What the Python interpreter is started with."""
        return ("-m", "steelyard_trainer", self.name)


@dataclass(frozen=True)
class Plan:
    """The stages of a job, in the order in which they run; each needs the one before."""

    job_name: str
    stages: tuple[Stage, ...]


def plan(job: TrainingJob, *, source_digest: str, trainer_version: str) -> Plan:
    """The stages of a job.

    Args:
        job: a valid TrainingJob.
        source_digest: stands for the content of `dataset.uri`.
        trainer_version: the version of the trainer program; another one makes everything anew.

    What is not needed is left out (`stages_of`): a prepared dataset is not prepared again, a model that another job has
    trained is not trained again, and where nothing is published worker 0 judges the model where it trained.

    A stage's key covers its own inputs and the keys of all stages before. How long to wait and how often to try
    (runPolicy), when checkpoints are written and how pods look change no result, so they are in no key.
    """
    spec = job.spec
    source: dict[str, Any] = {
        "dataset": _dump(spec.dataset),
        "task": spec.task,
        "source": source_digest,
        "trainer": trainer_version,
    }
    if spec.sets_rows_aside and not spec.dataset.is_prepared:
        # What is compressed is in the key of finish; of it prepare depends on this alone.
        source["searchRows"] = True
    parts = {"prepare": {}, "train": _inputs_of_train(spec), "finish": _inputs_of_finish(spec)}
    names = stages_of(spec)
    stages: list[Stage] = []
    for name in names:
        own = parts[name] | (source if name == names[0] else {})
        before = stages[-1].key if stages else ""
        workers = spec.training.workers if name == "train" else 1
        stages.append(Stage(name=name, key=_digest([name, own, before]), workers=workers, inputs=own))
    return Plan(job_name=job.metadata.name, stages=tuple(stages))


def stages_of(spec: TrainingJobSpec) -> tuple[StageName, ...]:
    """The names of the stages that a job has, in their order; at least one."""
    has: dict[StageName, bool] = {
        "prepare": not spec.dataset.is_prepared,
        "train": spec.has_train,
        "finish": spec.has_finish,
    }
    return tuple(name for name, is_there in has.items() if is_there)


def worker_environment(
    stage: Stage, index: int | str, *, workers: Sequence[str] = (), supervisors: Sequence[str] = ()
) -> dict[str, str]:
    """The variables by which the workers of a stage find each other.

    Args:
        stage: the stage that is started.
        index: which of its workers, from 0; or what stands for it until a runner puts it in, such as "$(INDEX)".
        workers: host:port of each worker, for what the model's library says between its processes; not needed for one
            worker.
        supervisors: host:port of each worker's supervisor, by worker; not needed for one worker.

    Raises:
        ValueError: there are not as many addresses as workers.
    """
    environment = {str(Env.STAGE_KEY): stage.key, str(Env.WORKER_INDEX): str(index)}
    if stage.workers > 1:
        if len(workers) != stage.workers or len(supervisors) != stage.workers:
            raise ValueError(
                f"{stage.workers} workers need as many addresses; got {len(workers)} and {len(supervisors)}"
            )
        environment[Env.WORKERS] = ",".join(workers)
        environment[Env.SUPERVISORS] = ",".join(supervisors)
    return environment


def changed_inputs(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The dotted paths at which two stages' inputs differ, for saying why a stage is done again."""
    paths: list[str] = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            paths.extend(f"{key}.{path}" for path in changed_inputs(old, new))
        elif old != new:
            paths.append(key)
    return paths


def _inputs_of_train(spec: TrainingJobSpec) -> dict[str, Any]:
    training = _dump(spec.training)
    training.pop("checkpoint", None)
    inputs = {"model": _model(spec), "training": training}
    if spec.evaluation.measure is not None and spec.has_finish:
        # It says which epoch is the best, and what is told of the model.
        inputs["evaluation"] = {"measure": spec.evaluation.measure.name}
    if spec.trained is not None and spec.trained.refit:
        inputs["refit"] = {"epochs": spec.trained.epochs}
    if spec.trial is not None:
        # A secondary objective is that of the compressed model. What is to be beaten changes no answer, and may be
        # known better when a search that was interrupted asks again.
        trial = spec.trial.model_copy(update={"to_beat": None})
        inputs |= {"trial": _dump(trial), "compression": _compression(spec)}
    if not spec.has_finish:
        inputs["evaluation"] = _dump(spec.evaluation)
    return inputs


def _model(spec: TrainingJobSpec) -> Any:
    """The model; of a user's own code the digest alone, where one is given: where it comes from changes nothing."""
    model, code = _dump(spec.own_model), spec.code
    if code is not None and code.sha256 is not None:
        model["entrypoint"]["code"] = {"sha256": code.sha256}
    return model


def _inputs_of_finish(spec: TrainingJobSpec) -> dict[str, Any]:
    inputs = {
        "evaluation": _dump(spec.evaluation),
        "compression": _compression(spec),
        "publish": [_dump(target) for target in spec.publish or []],
    }
    if spec.trained is not None:
        inputs["trained"] = _dump(spec.trained)
    if not spec.has_train:
        # What another job has trained the model by stands for the model.
        inputs |= _inputs_of_train(spec)
    return inputs


def _compression(spec: TrainingJobSpec) -> dict[str, Any] | None:
    """The compression with its objective, whichever that is by default."""
    if spec.compression is None:
        return None
    return {**_dump(spec.compression), "objective": spec.compression_objective}


def _dump(part: Any) -> Any:
    return None if part is None else part.model_dump(mode="json", by_alias=True, exclude_none=True)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
