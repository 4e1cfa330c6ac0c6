"""The plan: which inputs are in which stage's key, and how workers find each other."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.api.loading import apply_overrides, parse_training_job
from steelyard.planning import Plan, changed_inputs, plan, worker_environment
from steelyard.planning.notes import student_notes

MANIFEST: dict[str, Any] = {
    "apiVersion": "steelyard.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {"name": "digits"},
    "spec": {"dataset": {"uri": "digits.csv", "target": "target"}, "model": {"linear": {}}, "training": {"workers": 3}},
}


def plan_with(*overrides: str, source: str = "s", trainer: str = "1") -> Plan:
    return plan(parse_training_job(apply_overrides(MANIFEST, overrides)), source_digest=source, trainer_version=trainer)


def changed_stages(other: Plan) -> list[str]:
    return [a.name for a, b in zip(plan_with().stages, other.stages, strict=True) if a.key != b.key]


def test_three_stages_of_which_only_train_has_several_workers() -> None:
    found = plan_with()
    assert [(stage.name, stage.workers) for stage in found.stages] == [("prepare", 1), ("train", 3), ("finish", 1)]
    assert [stage.arguments for stage in found.stages][1] == ("-m", "steelyard_trainer", "train")
    assert len({stage.key for stage in found.stages}) == 3


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("dataset.split.seed=7", ["prepare", "train", "finish"]),
        ("task=Classification", ["prepare", "train", "finish"]),
        ("model={mlp: {}}", ["train", "finish"]),
        ("training.workers=2", ["train", "finish"]),
        ("training.seed=1", ["train", "finish"]),
        ("compression={}", ["finish"]),
        ("compression.candidates=[Int8]", ["finish"]),
        # What is trained in finish has rows set aside before anything is trained.
        ("compression.candidates=[Distill]", ["prepare", "train", "finish"]),
        ("evaluation.maxGeneralizationGap=0.1", ["finish"]),
        ("publish=[{uri: elsewhere}]", ["finish"]),
        ("runPolicy.backoffLimit=0", []),
        ("training.checkpoint.everySeconds=1", []),
        ("metadata.name=other", []),
        # What is given and is the default anyway is no change.
        ("training.epochs=10", []),
    ],
)
def test_a_field_is_in_the_key_of_its_stage_and_of_those_after(override: str, changed: list[str]) -> None:
    assert changed_stages(plan_with(override)) == changed


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (
            ["model={mlp: {}}", "compression={}", "publish=[{uri: elsewhere}]"],
            "b6ff71897602e4752a93f1ae7b2a312abdfcf226693311a21c8afc6fdc661448",
        ),
        (
            [
                "training.earlyStopping={}",
                "training.learningRateSchedule={cosine: {}}",
                "compression.candidates=[Int8]",
            ],
            "1da3c7ced34e4c427565695ba7622ce5948634934f85d7e18293f31c1254a9fd",
        ),
        (
            [
                "training={}",
                "task=Regression",
                "model={randomForest: {}}",
                "evaluation.crossValidation={}",
                "compression={}",
            ],
            "ed6810f08db825f68448e802ed8b161eabc5e155284038feb24530f7489e480a",
        ),
    ],
)
def test_what_older_versions_planned_keeps_its_keys(overrides: list[str], key: str) -> None:
    """A job that is under way goes on with a newer operator. So a field that is added has no default but None."""
    assert plan_with(*overrides).stages[-1].key == key


def test_search_rows_are_set_aside_for_what_learns_unless_the_manifest_says_otherwise() -> None:
    students = "compression.candidates=[Int8, {name: small, steps: [{technique: Distill}, {technique: Int8}]}]"
    said = {"": True, "dataset.split.searchRows=false": False, "model={mlp: {}}": True}
    for more, are_set_aside in said.items():
        prepare = plan_with("model={mlp: {}}", students, *filter(None, [more])).stages[0]
        assert prepare.inputs.get("searchRows", False) == are_set_aside, more
    assert plan_with("compression={}", "dataset.split.searchRows=true").stages[0].inputs["searchRows"] is True
    of_another = plan_with(*PREPARED, "model={mlp: {}}", students).stages
    assert not any("searchRows" in stage.inputs for stage in of_another), "the dataset says it"


def test_several_workers_train_students_in_the_stage_train_where_the_job_has_one_of_its_own() -> None:
    students, workers = "compression.candidates=[Int8, Distill]", "training.workers=2"
    said: dict[tuple[str, ...], bool] = {
        (students, workers): True,
        (students, "training.workers=1"): False,
        ("compression={}", workers): False,
        # Nothing is published of a trial; worker 0 weighs it.
        (students.replace("Int8, ", ""), workers, "publish=[]", TRIAL.replace("{", "{secondary: Size, ", 1)): False,
        (students, workers, *PREPARED, "trained={uri: t}"): False,
        (students, workers, *PREPARED, "trained={uri: t, refit: true}"): False,
    }
    for overrides, together in said.items():
        job = parse_training_job(apply_overrides(MANIFEST, ["model={mlp: {}}", *overrides]))
        assert job.spec.trains_candidates == together, overrides
        stages = plan(job, source_digest="s", trainer_version="1").stages
        assert [stage.workers for stage in stages if stage.name == "finish"] in ([1], []), "one process publishes"
        is_by_one = "training.workers=2" in overrides and "compression={}" not in overrides
        assert bool(student_notes(job.spec)) == (is_by_one and not together)
        assert bool(student_notes(job.spec, is_of_search=True)) == is_by_one


def test_source_and_trainer_are_in_every_key() -> None:
    everything = ["prepare", "train", "finish"]
    assert changed_stages(plan_with(source="other")) == everything
    assert changed_stages(plan_with(trainer="2")) == everything


def test_changed_inputs_are_named_by_their_paths() -> None:
    before, after = plan_with().stages[1], plan_with("training.epochs=3", "training.optimizer.name=SGD").stages[1]
    assert changed_inputs(before.inputs, after.inputs) == ["training.epochs", "training.optimizer.name"]


@given(st.recursive(st.none() | st.integers(), lambda inner: st.dictionaries(st.text("ab", max_size=2), inner)))
def test_equal_inputs_have_not_changed(value: Any) -> None:
    assert changed_inputs({"a": value}, {"a": json.loads(json.dumps(value))}) == []


def test_workers_are_told_where_all_of_them_are() -> None:
    stage = plan_with().stages[1]
    environment = worker_environment(stage, 1, workers=["a:1", "b:1", "c:1"], supervisors=["a:2", "b:2", "c:2"])
    assert environment["STEELYARD_WORKERS"] == "a:1,b:1,c:1"
    assert environment["STEELYARD_WORKER_INDEX"] == "1"
    assert environment["STEELYARD_SUPERVISORS"] == "a:2,b:2,c:2"
    assert environment["STEELYARD_STAGE_KEY"] == stage.key
    assert "STEELYARD_WORKERS" not in worker_environment(plan_with().stages[0], 0)
    with pytest.raises(ValueError, match="3 workers need as many addresses; got 2 and 0"):
        worker_environment(stage, 0, workers=["a:1", "b:1"])


# --- jobs of a search -------------------------------------------------------------------------------------------------

PREPARED = ("dataset.uri=elsewhere", "dataset.format=Prepared")
TRIAL = "trial={tuningJob: search, number: 3, metric: accuracy, goal: Maximize, reportSteps: [2]}"


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        (["onlyPrepare=true"], ["prepare"]),
        ([*PREPARED, "publish=[]", TRIAL], ["train"]),
        ([*PREPARED, "trained={uri: t}"], ["finish"]),
        ([*PREPARED, "trained={uri: t}", "publish=[]"], ["finish"]),
        ([*PREPARED, "trained={uri: t, refit: true}"], ["train", "finish"]),
        ([*PREPARED, "trained={uri: t, refit: true}", "publish=[]"], ["train", "finish"]),
        ([*PREPARED, "trained={refit: true}", "model={ridge: {}}", "training.workers=1"], ["train", "finish"]),
        (PREPARED, ["train", "finish"]),
        (["publish=[]"], ["prepare", "train"]),
        (["model=null", "training={}", "trained={uri: t.keras, format: Keras}"], ["prepare", "finish"]),
    ],
)
def test_a_job_has_the_stages_that_it_needs(overrides: list[str], names: list[str]) -> None:
    found = plan_with(*overrides)
    assert [stage.name for stage in found.stages] == names
    # The first stage is the one that depends on the source.
    other = plan_with(*overrides, source="other")
    assert all(one.key != two.key for one, two in zip(found.stages, other.stages, strict=True))
    assert "source" in found.stages[0].inputs
    assert all("source" not in stage.inputs for stage in found.stages[1:])


REFIT = "trained={uri: t, refit: true, epochs: 3}"


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ([TRIAL, "publish=[]"], "trial.number=4", {"train": ["trial.number"]}),
        ([TRIAL, "publish=[]"], "trial.limits=[{step: 2, value: 0.5}]", {"train": ["trial.limits"]}),
        (["trained={uri: t}"], "trained.uri=u", {"finish": ["trained.uri"]}),
        # The same place may hold another model: what it was trained by stands for it.
        (["trained={uri: t}"], "training.epochs=4", {"finish": ["training.epochs"]}),
        (["trained={uri: t}"], "compression={}", {"finish": ["compression"]}),
        # What the compression is chosen with is nothing to the training.
        ([REFIT], "trained.uri=u", {"finish": ["trained.uri"]}),
        ([REFIT], "trained.epochs=4", {"train": ["refit.epochs"], "finish": ["trained.epochs"]}),
    ],
)
def test_keys_cover_what_a_search_asks(before: list[str], after: str, changed: dict[str, list[str]]) -> None:
    one, two = plan_with(*PREPARED, *before), plan_with(*PREPARED, *before, after)
    found = {a.name: changed_inputs(a.inputs, b.inputs) for a, b in zip(one.stages, two.stages, strict=True)}
    assert {name: paths for name, paths in found.items() if paths} == changed
    keys = [a.name for a, b in zip(one.stages, two.stages, strict=True) if a.key != b.key]
    assert keys == list(changed)


def test_refitting_is_another_training() -> None:
    assert plan_with(*PREPARED).stages[0].key != plan_with(*PREPARED, REFIT).stages[0].key


@pytest.mark.parametrize(("model", "objective"), [("linear", "Size"), ("randomForest", "Balanced")])
def test_the_plan_says_which_candidate_is_best_where_the_manifest_does_not(model: str, objective: str) -> None:
    def finish(compression: str) -> Any:
        manifest = {**MANIFEST, "spec": {"dataset": MANIFEST["spec"]["dataset"], "model": {model: {}}}}
        job = parse_training_job(apply_overrides(manifest, [compression]))
        return plan(job, source_digest="s", trainer_version="1").stages[-1]

    assert finish("compression={}").inputs["compression"]["objective"] == objective
    assert finish("compression={}").key == finish(f"compression.objective={objective}").key
    assert finish("compression={}").key != finish("compression.objective=Latency").key
