"""From a file to a manifest: what is no YAML, what is no manifest, and what --set changes in it."""

from pathlib import Path

import pytest
from training_manifests import manifest, problems

from steelyard.api.errors import ConfigurationError, SteelyardError
from steelyard.api.loading import apply_overrides, load_training_job, parse_training_job, read_manifest
from steelyard.contract.stages import ExitCode, Reason

# What is in the file, and what the error says beside the file's name.
BAD_FILES = [
    ("kind: [a", "is not valid YAML: line 1, column 9: expected ',' or ']'"),
    ("a: 1\n b: 2\n", "is not valid YAML: line 2, column 3: mapping values are not allowed here"),
    ("a: 1\nspec: {b: 1, b: 2}\n", "is not valid YAML: line 2, column 14: the key 'b' is given twice"),
    ("a: 1\na: 2\n", "is not valid YAML: line 2, column 1: the key 'a' is given twice"),
    (
        "a: !!python/object/apply:os.system [ls]\n",
        "is not valid YAML: line 1, column 4: could not determine a constructor",
    ),
    ("? [a, b]\n: 1\n", "is not valid YAML: line 1, column 3: a list or map can't be a key"),
    ("a: &x {b: *x}\n", "is not valid YAML: line 1, column 4: found unconstructable recursive node"),
    ("", "must hold one TrainingJob or TuningJob, but it is empty"),
    ("# nothing\n", "must hold one TrainingJob or TuningJob, but it is empty"),
    ("a: 1\n---\nb: 2\n", "must hold one TrainingJob or TuningJob, but it holds 2 documents"),
    ("- a\n", "must hold one TrainingJob or TuningJob, but it holds a list"),
    ("hello\n", "must hold one TrainingJob or TuningJob, but it holds only 'hello'"),
    ("7\n", "must hold one TrainingJob or TuningJob, but it holds only 7"),
]


@pytest.mark.parametrize(("text", "essence"), BAD_FILES)
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, text: str, essence: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_training_job(path)
    assert caught.value.exit_code == ExitCode.CONFIGURATION
    assert caught.value.reason == Reason.INVALID_MANIFEST
    assert f"{path} {essence}" in caught.value.message


def test_a_file_that_is_not_there_a_folder_and_a_binary_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no\.yaml does not exist") as caught:
        load_training_job(tmp_path / "no.yaml")
    assert caught.value.reason == Reason.SOURCE_NOT_FOUND
    with pytest.raises(ConfigurationError, match="is a folder; name the manifest in it"):
        load_training_job(tmp_path)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"picture\.png is not a text file; a manifest is YAML"):
        load_training_job(tmp_path / "picture.png")


BAD_OVERRIDES = [
    ("training.epochs", "--set training.epochs: give path=value, such as training.epochs=5"),
    ("=5", "--set =5: give path=value, such as training.epochs=5"),
    ("training.epochs=[1", "--set training.epochs=[1: the value is not valid YAML: line 1, column 3"),
    ("training..epochs=1", "--set training..epochs=1: a name is missing beside a dot in training..epochs"),
    ("dataset.uri.x=1", "--set dataset.uri.x=1: spec.dataset.uri is 'a.csv', which has no field 'x'"),
    ("publish.3.uri=x", "--set publish.3.uri=x: '3' is no index of spec.publish, a list of 1"),
    ("publish.first.uri=x", "--set publish.first.uri=x: 'first' is no index of spec.publish, a list of 1"),
]


@pytest.mark.parametrize(("override", "essence"), BAD_OVERRIDES)
def test_an_override_that_leads_nowhere_is_refused(override: str, essence: str) -> None:
    given = manifest()
    given["spec"]["publish"] = [{"uri": "models/a"}]
    with pytest.raises(ConfigurationError) as caught:
        apply_overrides(given, [override])
    assert caught.value.exit_code == ExitCode.CONFIGURATION
    assert caught.value.message.startswith(essence)


def test_an_override_of_an_unknown_field_is_refused_when_the_whole_is_checked() -> None:
    assert set(problems("training.epoch=5")) == {"spec.training.epoch"}


def test_overrides_take_indices_make_maps_and_leave_the_given_manifest_alone() -> None:
    given = manifest()
    given["spec"]["publish"] = [{"uri": "models/a"}]
    given["spec"]["training"] = None
    job = parse_training_job(
        apply_overrides(
            given, ["publish.0.uri=models/b", "spec.training.epochs=3", "metadata.name=b", "training.seed=7"]
        )
    )
    assert job.spec.publish is not None and job.spec.publish[0].uri == "models/b"
    assert (job.spec.training.epochs, job.spec.training.seed, job.metadata.name) == (3, 7, "b")
    assert given["spec"]["publish"] == [{"uri": "models/a"}] and given["spec"]["training"] is None


@pytest.mark.parametrize(
    ("text", "value"), [("1e-3", 0.001), ("1E3", 1000.0), ("-2.5e+1", -25.0), ("1.5", 1.5), (".5", 0.5), ("3", 3)]
)
def test_numbers_are_read_as_kubernetes_reads_them(tmp_path: Path, text: str, value: float) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(f"a: {text}\n", encoding="utf-8")
    assert read_manifest(path) == {"a": value}


def test_a_manifest_may_be_json(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text('{"a": [1, 1e-3, true, null, "x"]}', encoding="utf-8")
    assert read_manifest(path) == {"a": [1, 0.001, True, None, "x"]}


@pytest.mark.parametrize("text", ["name: 2024-13-45", "epochs: 0x_", "a: !!int foo", "a: " + "[" * 900])
def test_what_yaml_can_not_make_a_value_of_is_one_clear_error(tmp_path, text):
    path = tmp_path / "job.yaml"
    path.write_text(text)
    with pytest.raises(SteelyardError, match="is not valid YAML") as caught:
        load_training_job(path)
    assert caught.value.exit_code == 78


def test_a_merge_key_is_understood(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text("base: &base {a: 1}\nother: {<<: *base, b: 2}\n")
    assert read_manifest(path)["other"] == {"a": 1, "b": 2}
