"""A TuningJob: what may be written, and what its manifest and its jobs are then."""

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from repository_support import ROOT
from search_manifests import BATCH, DROPOUT, MOMENTUM, OPTIMIZER, RATE, UNITS, Manifest, manifest, problems, searching

from steelyard.api.errors import ManifestError
from steelyard.api.fields import schema_of
from steelyard.api.metrics import Measure
from steelyard.api.training_job import TrainingJob
from steelyard.api.tuning_job import TuningJob
from steelyard.planning.clusters import search_cluster_problems
from steelyard.search.log import Entry
from steelyard.search.manifest import load_manifest, parse_manifest, parse_tuning_job
from steelyard.search.values import completed
from steelyard.tuning.stops import Stops
from steelyard.tuning.trials import best_job, data_job, trial_job

ALLOWED = [
    ("mlp", []),
    ("mlp", [searching(DROPOUT, RATE, BATCH, OPTIMIZER, MOMENTUM, UNITS)]),
    # an item of a list that the template gives, an Int for a number, null where the field is left out
    (
        "mlp",
        [
            "template.model.mlp.hiddenUnits=[64, 32]",
            searching("{path: model.mlp.hiddenUnits.1, type: Int, min: 8, max: 64}"),
        ],
    ),
    ("mlp", [searching("{path: training.optimizer.learningRate, type: Int, min: 1, max: 2}")]),
    (
        "mlp",
        [
            searching(
                "{path: training.learningRateSchedule, type: Categorical, values: [null, {cosine: {}}, "
                "{exponential: {rate: 0.9}}]}"
            )
        ],
    ),
    ("mlp", [searching("{path: training.learningRateSchedule.cosine.finalFraction, type: Double, min: 0, max: 1}")]),
    (
        "randomForest",
        [
            "algorithm.name=Grid",
            searching("{path: model.randomForest.maxDepth, type: Categorical, values: [null, 10, 20]}"),
        ],
    ),
    ("randomForest", ["template.evaluation.crossValidation={folds: 5}", "pruning={name: PairedFolds}"]),
    ("randomForest", ["placement=Packed"]),
    ("mlp", ["placement=Packed"]),
    ("mlp", ["placement=Auto", "template.training.workers=2"]),
    ("mlp", ["pruning={name: Hyperband, graceEpochs: 3}", "template.training.earlyStopping={patience: 2}"]),
    ("mlp", ["pruning={name: Median, everyEpochs: 2}", "objective.metric=logLoss"]),
    ("mlp", ["objective.secondary=Size", "template.compression={}", "algorithm.name=NSGA-II"]),
    ("mlp", ["objective.secondary=Latency", "template.compression={}"]),
    ("mlp", ["algorithm.name=CMA-ES", searching(DROPOUT, BATCH)]),
    ("mlp", ["algorithm.name=GP", searching(DROPOUT, OPTIMIZER)]),
    ("mlp", ["initialTrials=[{model.mlp.dropout: 0.25}, {}]"]),
    # a larger grid than maxTrials is no mistake: the search ends there
    ("mlp", ["algorithm.name=Grid", searching("{path: training.batchSize, type: Int, min: 1, max: 10000}")]),
]


@pytest.mark.parametrize(("model", "overrides"), ALLOWED, ids=[f"{index}" for index in range(len(ALLOWED))])
def test_what_is_allowed_is_parsed_and_written_out_as_it_was(model: str, overrides: list[str]) -> None:
    given = manifest(model, *overrides)
    job = parse_manifest(deepcopy(given))
    assert isinstance(job, TuningJob)
    assert job.to_manifest() == given
    assert parse_tuning_job(json.loads(json.dumps(job.to_manifest()))) == job


def test_a_file_holds_either_kind_and_set_reaches_into_the_template(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(json.dumps(manifest("mlp")), encoding="utf-8")
    tuning = load_manifest(path, ["spec.template.training.epochs=7", "template.training.batchSize=8", "maxTrials=3"])
    assert isinstance(tuning, TuningJob)
    assert (tuning.spec.template.training.epochs, tuning.spec.template.training.batch_size) == (7, 8)
    assert tuning.spec.max_trials == 3

    training = {**manifest("mlp"), "kind": "TrainingJob", "spec": manifest("mlp")["spec"]["template"]}
    path.write_text(json.dumps(training), encoding="utf-8")
    assert isinstance(load_manifest(path), TrainingJob)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("kind=Job", "Job is not known; allowed: TrainingJob, TuningJob"),
        ("kind=[1]", "[1] is not known; allowed: TrainingJob, TuningJob"),
        ("kind=null", "this field is needed, but it is missing; allowed: TrainingJob, TuningJob"),
    ],
)
def test_an_unknown_kind_is_refused(override: str, said: str) -> None:
    assert problems("mlp", override) == {"kind": said}


def test_a_spec_of_the_other_kind_is_one_mistake() -> None:
    search = {**manifest("mlp"), "kind": "TrainingJob"}
    said = "this looks like a TuningJob, as spec has parameters, maxTrials and objective; set kind: TuningJob"
    assert _problems_of(search) == {"kind": said}
    training = {**manifest("mlp"), "spec": manifest("mlp")["spec"]["template"]}
    said = "this looks like a TrainingJob, as spec has dataset and model; set kind: TrainingJob"
    assert _problems_of(training) == {"kind": said}
    training["spec"] = {"publish": []}
    assert _problems_of(training) == {"kind": said.replace("dataset and model", "publish")}


@pytest.mark.parametrize("spec", [{}, None, [], {"runPolicy": {}}, {"dataset": {}, "objective": {"metric": "r2"}}])
def test_a_spec_that_is_of_no_kind_or_of_both_is_explained_by_its_fields(spec: Any) -> None:
    for kind in ("TrainingJob", "TuningJob"):
        found = _problems_of({**manifest("mlp"), "kind": kind, "spec": spec})
        assert found and "kind" not in found


def _problems_of(manifest: Manifest) -> dict[str, str]:
    with pytest.raises(ManifestError) as caught:
        parse_manifest(manifest)
    return {problem.path: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize("fit", ["AsIs", "TrainAndValidation"])
@pytest.mark.parametrize(("model", "overrides"), ALLOWED, ids=[f"{index}" for index in range(len(ALLOWED))])
def test_what_is_allowed_makes_valid_jobs(model: str, overrides: list[str], fit: str) -> None:
    job = parse_tuning_job(manifest(model, *overrides, f"best.fit={fit}"))
    template = job.spec.template.model_dump(mode="json", by_alias=True)
    values = completed(job.spec.parameters, {}, template)
    entry = Entry(7, values, "Complete", 0.9, epoch=3 if model == "mlp" else None)
    jobs = [
        data_job(job),
        trial_job(job, 7, values, Stops(), "pvc://digits-workspace/digits-data/prepared"),
        best_job(job, entry, "pvc://digits-workspace/digits-data/prepared", "pvc://digits-workspace/digits-7/trained"),
    ]
    assert [one.metadata.name for one in jobs] == ["digits-data", "digits-7", "digits-best"]
    assert jobs[0].spec.only_prepare and not jobs[1].spec.has_finish and jobs[2].spec.has_finish


def test_what_a_cluster_does_not_have_is_named_in_the_template() -> None:
    spec = parse_tuning_job(manifest("mlp", "template.publish=[{uri: models/a}]")).spec
    found = {problem.path: problem.message for problem in search_cluster_problems(spec)}
    assert set(found) == {"spec.template.dataset.uri", "spec.template.publish[0].uri"}
    assert found["spec.template.dataset.uri"].startswith("'digits.csv' lies on no claim")


def test_what_decides_is_searched_for_unless_the_objective_says_otherwise() -> None:
    decides = "template.evaluation={metric: recall, label: spam}"
    given = manifest("mlp", decides)
    del given["spec"]["objective"]
    found = parse_tuning_job(given)
    assert found.spec.objective.name == "recall[spam]" and found.spec.objective.direction == "Maximize"
    assert parse_tuning_job(found.to_manifest()) == found
    asked = trial_job(found, 0, {"model.mlp.dropout": 0.2}, Stops(), "prepared").spec
    assert asked.trial is not None and asked.trial.measure == Measure("recall", "spam") == asked.measure(
        "Classification"
    )
    assert parse_tuning_job(manifest("mlp", decides)).spec.objective.name == "accuracy"
    other = parse_tuning_job(manifest("mlp", decides, "objective={metric: f1}"))
    assert other.spec.objective.name == "f1", "the label goes with the other metric"


def test_every_field_is_read_by_the_program() -> None:
    """A field that nothing reads is a promise that nothing keeps: each name is found outside the models."""
    models = {"tuning.py", "tuning_job.py"}
    sources = [
        path.read_text(encoding="utf-8")
        for folder in ("operator/steelyard", "images/trainer/steelyard_trainer")
        for path in (ROOT / folder).rglob("*.py")
        if path.name not in models or path.parent.name != "api"
    ]
    text = "\n".join(sources)
    paths = [path for path in schema_of(TuningJob).paths() if not path.startswith("spec.template.")]
    names = {path.rpartition(".")[2] for path in paths} - {"apiVersion", "kind"}
    snake = {name: re.sub(r"(?<!^)([A-Z])", lambda match: "_" + match[1].lower(), name) for name in names}
    assert len(names) > 30
    assert [name for name in sorted(names) if not re.search(rf"\.{snake[name]}\b", text)] == []


@pytest.mark.parametrize("name", ["a" * 35, "Digits", "7", "a-", ""])
def test_a_name_leaves_room_for_those_of_its_trials(name: str) -> None:
    found = problems("mlp", f"metadata.name='{name}'")
    assert found["metadata.name"].startswith(f'"{name}" is not allowed; allowed: 1 to 34 lower-case letters')
