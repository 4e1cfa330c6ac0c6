"""What the tests of searches on a cluster are made of: searches, children and logs, without a cluster or a clock."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeGuard

from controller_support import NAMESPACE, NOW, ago, stage_job

from steelyard.api.loading import apply_overrides
from steelyard.api.tuning_status import TuningJobStatus
from steelyard.contract.trial_report import TrialReport
from steelyard.controller.settings import Settings
from steelyard.controller.tuning.actions import Action, MakeChild, MakePack, TuningDecision
from steelyard.controller.tuning.admission import admit
from steelyard.controller.tuning.decide import decide
from steelyard.controller.tuning.draft import TuningDraft
from steelyard.controller.tuning.facts import Child, Pack, Suggestion
from steelyard.controller.tuning.observation import SearchContext, SearchObservation
from steelyard.search.log import Entry, Values

NAME, UID = "search", "uid-search"
KEY = (NAMESPACE, NAME)
DROPOUT, UNITS = "model.mlp.dropout", "model.mlp.hiddenUnits.0"

MANIFEST: dict[str, Any] = {
    "apiVersion": "steelyard.dev/v1alpha1",
    "kind": "TuningJob",
    "metadata": {"name": NAME},
    "spec": {
        "objective": {"metric": "accuracy"},
        "parameters": [
            {"path": DROPOUT, "type": "Double", "min": 0.0, "max": 0.5},
            {"path": UNITS, "type": "Categorical", "values": [16, 32, 64]},
        ],
        "algorithm": {"name": "TPE"},
        "maxTrials": 6,
        "parallelTrials": 2,
        "maxFailedTrials": 1,
        "placement": "Pods",
        "template": {
            "dataset": {"uri": "pvc://data/digits.csv", "target": "target"},
            "model": {"mlp": {"hiddenUnits": [8]}},
            "compression": {},
            "publish": [{"uri": "pvc://models/digits"}],
        },
    },
}
FOREST = (
    "template.model={randomForest: {}}",
    "parameters=[{path: model.randomForest.nEstimators, type: Categorical, values: [50, 100, 200]},"
    " {path: model.randomForest.maxDepth, type: Categorical, values: [null, 10, 20, 30]}]",
    "algorithm.name=Grid",
    "maxTrials=12",
    "template.compression=null",
    "placement=Auto",
)
"""Overrides that make it a search over a forest."""


def body_with(*overrides: str, status: Mapping[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """The TuningJob's body with `path=value` overrides put in."""
    body = apply_overrides(MANIFEST, overrides)
    own = {"name": NAME, "namespace": NAMESPACE, "uid": UID, "generation": 1, "resourceVersion": "5", **metadata}
    return {**body, "metadata": own, **({"status": dict(status)} if status is not None else {})}


def context_with(*overrides: str, **settings: Any) -> SearchContext:
    """The search, as it is admitted."""
    context = admit(body_with(*overrides), Settings(trainer_image="trainer:1", **settings))
    assert isinstance(context, SearchContext), context
    return context


def begun(context: SearchContext, *entries: Entry, seconds_ago: float = 0.0, **fields: Any) -> dict[str, Any]:
    """The status of a search whose data is prepared and that has these answers."""
    draft = TuningDraft({}, 1, ago(seconds_ago))
    draft.start("trainer:1")
    draft.prepared("1797 rows")
    draft.log(context.spec, {entry.number: entry for entry in entries}, entries)
    draft.show(context.spec, {entry.number: entry for entry in entries}, ())
    return {**draft.status, **fields}


def answer(number: int, value: float | None = None, **fields: Any) -> Entry:
    """An answer; that of trial n is n / 100."""
    values = {DROPOUT: number / 100, UNITS: 16}
    entry = Entry(number, values, "Complete", value=number / 100 if value is None else value, seconds=1.0)
    return replace(entry, **fields)


def child(name: str, outcome: Any = "Running", **fields: Any) -> Child:
    """A TrainingJob of the search."""
    made = Child(
        namespace=NAMESPACE,
        name=name,
        uid=f"uid-{name}",
        resource_version="1",
        tuning_job=NAME,
        owner_uid=UID,
        suggestion=None,
        search="",
        outcome=outcome,
        reason="",
        message="",
        report=None,
        model=None,
        size="",
        is_suspended=False,
        is_going=False,
    )
    return replace(made, **fields)


def trial(number: int, outcome: Any = "Running", **fields: Any) -> Child:
    """The TrainingJob of a trial; one that is Complete has answered number / 100."""
    report = None
    if outcome == "Complete":
        report = TrialReport(number, "Complete", number / 100, seconds=1.0)
    suggestion = Suggestion(number, answer(number).values)
    return replace(child(f"{NAME}-{number}", outcome, suggestion=suggestion, report=report), **fields)


def pack(first: int, count: int, outcome: Any = "Running", **fields: Any) -> Pack:
    """A pack of trials over the forest."""
    suggestions = tuple(Suggestion(number, forest_values(number)) for number in range(first, first + count))
    stage: Any = "pack"
    job = stage_job(stage, outcome, name=f"{NAME}-pack-{first}", uid=f"uid-pack-{first}", job=NAME, owner_uid=UID)
    return replace(Pack(job, "key", suggestions, False), **fields)


def forest_values(number: int) -> Values:
    """Values of a trial over the forest, in the grid's order."""
    depth, trees = divmod(number, 3)
    return {
        "model.randomForest.nEstimators": [50, 100, 200][trees],
        "model.randomForest.maxDepth": [None, 10, 20, 30][depth],
    }


def observation(
    context: SearchContext, status: Mapping[str, Any], *children: Child, packs: Any = (), **fields: Any
) -> SearchObservation:
    """What is seen of the search."""
    entries = [Entry.decode(line, context.spec.parameters) for line in status.get("log") or ()]
    prior = [Entry.decode(line, context.spec.parameters) for line in status.get("prior") or ()]
    by_number = {entry.number: entry for entry in entries}
    seen = SearchObservation(context, 1, status, by_number, prior, children, packs)
    return replace(seen, **fields)


def decided(
    context: SearchContext, status: Mapping[str, Any], *children: Child, packs: Any = (), **fields: Any
) -> TuningDecision:
    """What follows from it now. Trials end as `answer` and `forest_values` have them."""
    seen = observation(context, status, *children, packs=packs, **fields)
    decision = decide(seen, NOW)
    while decision.ask:
        is_forest = context.spec.template.model.random_forest is not None
        values = {number: forest_values(number) if is_forest else answer(number).values for number in decision.ask}
        seen = replace(seen, asked={**values, **seen.asked})
        decision = decide(seen, NOW)
    json.dumps(decision.draft.changes(), allow_nan=False)
    TuningJobStatus.model_validate(decision.draft.status)
    return decision


def conditions(decision: TuningDecision) -> dict[str, tuple[str, str]]:
    """Status and reason by type."""
    found = decision.draft.status.get("conditions") or []
    return {condition["type"]: (condition["status"], condition["reason"]) for condition in found}


def made(decision: TuningDecision) -> list[str]:
    """The names of what is made, in order."""
    bodies = [each.config_map if isinstance(each, MakePack) else each.body for each in decision.after if _makes(each)]
    return [body["metadata"]["name"] for body in bodies]


def _makes(action: Action) -> TypeGuard[MakeChild | MakePack]:
    return isinstance(action, MakeChild | MakePack)
