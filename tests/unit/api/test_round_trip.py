"""The models as a whole: a manifest survives the round trip, and every field says what it is and what it may hold."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from repository_support import ROOT

from steelyard.api.dataset import Dataset
from steelyard.api.fields import Node, Schema, schema_of
from steelyard.api.loading import parse_training_job
from steelyard.api.training_job import TrainingJob

SCHEMA = schema_of(TrainingJob)


def every_field(schema: Schema, node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every field below a node, with its path; a list's items and a map's values count as fields."""
    for name, field in schema.fields(node).items():
        inner = f"{path}.{name}" if path else name
        yield inner, field
        yield from every_field(schema, field, inner)
        for part, mark in (("items", "[]"), ("additionalProperties", "{}")):
            if isinstance(field.get(part), dict):
                below = schema.resolve(field[part])
                yield inner + mark, below
                yield from every_field(schema, below, inner + mark)


FIELDS = dict(every_field(SCHEMA, SCHEMA.root))


def test_the_walk_reaches_fields_of_every_depth() -> None:
    assert {
        "metadata.name",
        "spec.training.learningRateSchedule.cosine.warmupEpochs",
        "spec.model.mlp.hiddenUnits[]",
        "spec.evaluation.require[].minimum",
        "spec.training.classWeights.weights{}",
    } <= FIELDS.keys()


@pytest.mark.parametrize("path", [path for path in FIELDS if path[-1] not in "]}"])
def test_every_field_has_a_description(path: str) -> None:
    assert len(FIELDS[path].get("description", "")) >= len("TrainingJob")


@pytest.mark.parametrize("path", FIELDS)
def test_every_text_list_and_map_has_an_upper_bound(path: str) -> None:
    for node in FIELDS[path].get("anyOf", [FIELDS[path]]):
        match node.get("type"):
            case "string":
                # The pattern of a name bounds its length as well.
                assert "maxLength" in node or "pattern" in node or "enum" in node or "const" in node
            case "array":
                assert "maxItems" in node
            case "object" if "properties" in node:
                assert node["additionalProperties"] is False
            case "object":
                assert "maxProperties" in node
            case "integer":
                assert "minimum" in node and "maximum" in node


def test_every_field_is_read_by_the_program() -> None:
    """A field that nothing reads is a promise that nothing keeps: each name is found outside the models."""
    import re

    sources = [
        path.read_text(encoding="utf-8")
        for folder in ("operator/steelyard", "images/trainer/steelyard_trainer")
        for path in (ROOT / folder).rglob("*.py")
        if not {"contract", "api", "search", "schema"} & set(path.relative_to(ROOT).parts)
    ]
    text = "\n".join(sources)
    # Read by way of Optimizer.settings, by Keras's names.
    by_settings = {"beta1", "beta2", "rho", "epsilon", "momentum", "nesterov", "weightDecay"}
    # Constants by which a manifest is recognized.
    constants = {"apiVersion", "kind"}
    # Handed to Kubernetes as they are.
    handed_on = {"configMapKeyRef", "effect", "requests", "tolerationSeconds"}
    # Read by way of Model.given, a class for each; test_models of scikit-learn's family and test_step try them all.
    by_class = {"ridge", "lasso", "elasticNet", "logisticRegression"}
    by_class |= {"mlp", "linear", "cnn", "resNet8", "dsCnn", "wideAndDeep"}
    # Read by way of Convolutional.convolutions.
    by_convolutions = {"filters", "kernelSize"}
    # Read by way of Compression's properties, which know the defaults.
    by_defaults = {"maxTrainings", "maxWork"}
    # Of a job that is over, which is not parsed again: there may be thousands.
    as_json = {"retain", "retainSeconds", "ttlSecondsAfterFinished"}
    assert [name for name in as_json if f'"{name}"' not in text] == []
    read_otherwise = by_settings | constants | handed_on | by_class | by_convolutions | by_defaults | as_json
    names = {path.rpartition(".")[2] for path in FIELDS if path[-1] not in "]}"} - read_otherwise
    snake = {name: re.sub(r"(?<!^)([A-Z])", lambda match: "_" + match[1].lower(), name) for name in names}
    assert [name for name in sorted(names) if not re.search(rf"\.{snake[name]}\b", text)] == []


# --- the round trip ---------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A map in which each field may be left out."""
    return st.fixed_dictionaries({}, optional=fields)


def number(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False) | st.integers(int(low) + 1, max(int(high) - 1, int(low) + 1)).filter(
        lambda value: low <= value <= high
    )


regularization = optional(l1=number(0, 10), l2=number(0, 10))
models = st.one_of(
    st.fixed_dictionaries(
        {
            "mlp": optional(
                hiddenUnits=st.lists(st.integers(1, 65536), min_size=1, max_size=4),
                activation=st.sampled_from(["relu", "gelu", "elu", "silu", "tanh", "sigmoid"]),
                batchNormalization=st.booleans(),
                dropout=st.floats(0, 0.99),
                regularization=regularization,
            )
        }
    ),
    st.fixed_dictionaries({"linear": optional(regularization=regularization)}),
)
optimizers = st.one_of(
    optional(learningRate=st.floats(1e-9, 100), beta1=st.floats(0, 0.99), epsilon=st.floats(1e-12, 1)),
    st.fixed_dictionaries({"name": st.just("SGD"), "momentum": st.floats(0.1, 0.99), "nesterov": st.booleans()}),
    st.fixed_dictionaries({"name": st.just("AdamW"), "weightDecay": st.floats(0, 1)}),
    st.fixed_dictionaries({"name": st.just("RMSprop"), "rho": st.floats(0, 0.99)}),
)
schedules = st.one_of(
    st.fixed_dictionaries({"cosine": optional(warmupEpochs=st.integers(0, 10), finalFraction=st.floats(0, 1))}),
    st.fixed_dictionaries({"exponential": optional(rate=st.floats(0.01, 1), everyEpochs=st.integers(1, 9))}),
)
class_weights = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {"strategy": st.just("Explicit"), "weights": st.dictionaries(TEXT, st.floats(0.1, 100), max_size=3)}
    ),
)
trainings = optional(
    workers=st.integers(1, 256),
    epochs=st.integers(1, 1000),
    batchSize=st.integers(1, 4096),
    optimizer=optimizers,
    learningRateSchedule=schedules,
    earlyStopping=optional(monitor=st.sampled_from(["loss", "val_loss"]), patience=st.integers(1, 99)),
    classWeights=class_weights,
    labelSmoothing=st.floats(0, 0.99),
    checkpoint=optional(everySeconds=st.floats(0.1, 100), everySteps=st.integers(1, 100)),
    seed=st.integers(0, 2**32 - 1),
)
datasets = st.fixed_dictionaries(
    {"uri": st.sampled_from(["a.csv", "file:b.parquet", "c d.tsv", "sklearn:iris"]), "target": st.just("the target")},
    optional={
        "exclude": st.lists(TEXT.map(lambda text: "x" + text), max_size=3),
        "categorical": st.lists(TEXT.map(lambda text: "c" + text), max_size=3),
        "missingValues": st.one_of(
            st.fixed_dictionaries({"strategy": st.sampled_from(["Mean", "Median", "DropRow", "Fail"])}),
            st.fixed_dictionaries(
                {"strategy": st.just("Constant"), "value": st.integers(-(2**53), 2**53)}, optional={"text": TEXT}
            ),
        ),
        "split": optional(
            test=st.floats(0.01, 0.49), validation=st.floats(0.01, 0.49), seed=st.integers(0, 9), stratify=st.booleans()
        ),
        "checks": optional(minRows=st.integers(1, 10**12), maxMissingFraction=st.floats(0, 1)),
    },
)
requirements = st.lists(
    st.sampled_from([{"metric": "accuracy", "minimum": 0.5}, {"metric": "logLoss", "maximum": 1}]), max_size=2
)
manifests = st.fixed_dictionaries(
    {
        "apiVersion": st.just("steelyard.dev/v1alpha1"),
        "kind": st.just("TrainingJob"),
        "metadata": st.fixed_dictionaries({"name": st.from_regex(r"\A[a-z]([-a-z0-9]{0,38}[a-z0-9])?\Z")}),
        "spec": st.fixed_dictionaries(
            {"dataset": datasets, "model": models},
            optional={
                "task": st.just("Classification"),
                "training": trainings,
                "evaluation": optional(require=requirements, maxGeneralizationGap=st.floats(0, 1)),
                "compression": optional(
                    candidates=st.lists(st.sampled_from(["Baseline", "Float16", "Int8"]), min_size=1, unique=True),
                    maxMetricDrop=st.floats(0, 1),
                    objective=st.sampled_from(["Size", "Latency"]),
                ),
                "publish": st.just([{"uri": "models/a"}]),
                "runPolicy": optional(backoffLimit=st.integers(0, 100), activeDeadlineSeconds=st.integers(1, 10**6)),
            },
        ),
    }
)


@settings(max_examples=200)
@given(manifests)
def test_a_manifest_survives_the_round_trip(manifest: dict[str, Any]) -> None:
    job = parse_training_job(manifest)
    assert parse_training_job(job.to_manifest()) == job


@settings(max_examples=50)
@given(manifests)
def test_what_was_given_is_given_back_and_nothing_else(manifest: dict[str, Any]) -> None:
    assert parse_training_job(manifest).to_manifest() == manifest


@settings(max_examples=50)
@given(manifests)
def test_every_default_is_itself_allowed(manifest: dict[str, Any]) -> None:
    job = parse_training_job(manifest)
    full = job.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert parse_training_job(full) == job


@pytest.mark.parametrize(
    ("uri", "inferred"),
    [
        ("a.csv", "CSV"),
        ("A.CSV", "CSV"),
        ("a.csv.gz", "CSV"),
        ("a.tsv", "CSV"),
        ("a.parquet", "Parquet"),
        ("file:x/a.pq", "Parquet"),
        ("sklearn:iris", None),
    ],
)
def test_the_format_follows_from_the_name(uri: str, inferred: str | None) -> None:
    dataset = Dataset.model_validate({"uri": uri, "target": "t"})
    assert dataset.inferred_format == inferred
    assert dataset.is_file == (inferred is not None)


def test_a_format_that_is_given_goes_before_the_name() -> None:
    assert Dataset.model_validate({"uri": "a.csv", "target": "t", "format": "Parquet"}).inferred_format == "Parquet"


def test_a_job_is_not_changed_by_mistake() -> None:
    job = parse_training_job(
        {
            "apiVersion": "steelyard.dev/v1alpha1",
            "kind": "TrainingJob",
            "metadata": {"name": "a"},
            "spec": {"dataset": {"uri": "a.csv", "target": "t"}, "model": {"linear": {}}},
        }
    )
    with pytest.raises(ValueError, match="frozen"):
        job.spec.training.epochs = 3  # type: ignore[misc]
    assert job.spec.model.kind == "linear"
