"""Which stages are to be done, which are skipped, and why. Imports planning, the search and the api.

`decide` is pure; `files_present` looks whether what a stage made is still there.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from steelyard.contract.stages import StageName
from steelyard.contract.summaries import ModelSummary
from steelyard.local.job import LocalJob
from steelyard.local.state import StageRecord
from steelyard.planning import Plan, Stage, changed_inputs
from steelyard.search.best import leaves_model


@dataclass(frozen=True)
class Decision:
    """What becomes of one stage."""

    stage: Stage
    is_needed: bool
    why: str
    is_redone: bool = False
    """Whether it had succeeded before, so that what it made true no longer is."""


def decide(
    plan: Plan, records: Mapping[StageName, StageRecord], present: Mapping[StageName, bool], *, force: bool = False
) -> list[Decision]:
    """What becomes of each stage.

    Args:
        plan: the job's stages.
        records: what is remembered of them.
        present: whether the files that each made are still there.
        force: do everything again.

    A stage is skipped if it succeeded with the same inputs and its files are there. If that holds of the last one,
    nothing is to be done, whatever became of the files of those before: they served it only.
    """
    decisions: list[Decision] = []
    last = plan.stages[-1]
    is_finished = not force and _is_up_to_date(last, records.get(last.name), present[last.name])
    for stage in plan.stages:
        record = records.get(stage.name)
        succeeded = record is not None and record.result is not None
        if is_finished:
            decisions.append(Decision(stage, False, "the job is finished"))
        elif record is None:
            decisions.append(Decision(stage, True, "it was not done yet"))
        elif force:
            decisions.append(Decision(stage, True, "--force was given", succeeded))
        elif record.key != stage.key:
            decisions.append(Decision(stage, True, _what_changed(record, stage, decisions), succeeded))
        elif not succeeded:
            decisions.append(Decision(stage, True, "it goes on where it stopped"))
        elif not present[stage.name]:
            decisions.append(Decision(stage, True, "what it made is gone", True))
        else:
            decisions.append(Decision(stage, False, "nothing that it depends on has changed"))
    return decisions


def with_search(plan: Plan, document: Path) -> Plan:
    """The plan of a search's best job: its last stage depends on the search's file too, which is published with the
    model. Raises OSError."""
    return with_file(plan, "search", hashlib.sha256(document.read_bytes()).hexdigest())


def with_file(plan: Plan, name: str, digest: str, first: StageName | None = None) -> Plan:
    """The plan with a stage that depends on a file too, and those after it.

    Args:
        plan: the job's.
        name: what the file is called among the stage's inputs.
        digest: of its content.
        first: the stage; None: the last one.
    """
    begin = len(plan.stages) - 1 if first is None else [stage.name for stage in plan.stages].index(first)
    stages = list(plan.stages)
    for index in range(begin, len(stages)):
        stage = stages[index]
        inputs = stage.inputs | {name: digest} if index == begin else stage.inputs
        stages[index] = replace(stage, key=hashlib.sha256(f"{stage.key} {digest}".encode()).hexdigest(), inputs=inputs)
    return replace(plan, stages=tuple(stages))


def _is_up_to_date(stage: Stage, record: StageRecord | None, present: bool) -> bool:
    return record is not None and record.result is not None and record.key == stage.key and present


def _what_changed(record: StageRecord, stage: Stage, before: list[Decision]) -> str:
    if changed := changed_inputs(record.inputs, stage.inputs):
        return f"changed: {', '.join(changed)}"
    redone = [decision.stage.name for decision in before if decision.is_needed]
    return f"{redone[-1]} is done again" if redone else "what it depends on has changed"


def files_present(job: LocalJob, records: Mapping[StageName, StageRecord]) -> dict[StageName, bool]:
    """Whether the files that each stage made are still there and its own."""
    result = records["finish"].result if "finish" in records else None
    digest = (ModelSummary.told(result.summary).digest or "") if result is not None else None
    container, workspace = job.job.spec.container, job.workspace
    models = [workspace.model_file, workspace.estimator_file]
    if container is not None:
        models = [workspace.program.model / container.model.name]
    return {
        "prepare": _key_in(job.workspace.dataset_file) == _key_of(records, "prepare"),
        "train": _key_in(job.workspace.training_file) == _key_of(records, "train")
        and (not _leaves_model(job, records) or any(file.exists() for file in models)),
        "finish": digest is not None and all(store.has(digest) for store in job.publish_stores),
    }


def _leaves_model(job: LocalJob, records: Mapping[StageName, StageRecord]) -> bool:
    result = records["train"].result if "train" in records else None
    return result is None or leaves_model(job.job.spec, result.summary)


def _key_of(records: Mapping[StageName, StageRecord], stage: StageName) -> str:
    return records[stage].key if stage in records else ""


def _key_in(file: Path) -> str | None:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document.get("key") if isinstance(document, dict) else None
