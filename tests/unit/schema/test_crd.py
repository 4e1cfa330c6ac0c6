"""The CRDs are up to date, small enough, described, bounded, and what the models say."""

import re
from pathlib import Path

import pytest
import yaml
from crd_nodes import EACH_KIND, NODES, OURS, VERSIONS
from repository_support import ROOT

from steelyard.api.training_job import TrainingJobSpec
from steelyard.schema.crd import LIMIT_BYTES, files, main, stored_bytes

COPIES = [ROOT / "crds", ROOT / "charts" / "steelyard" / "files" / "crds"]


@pytest.mark.parametrize("folder", COPIES, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_the_files_are_up_to_date(folder: Path) -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} == files(), "run make generate"


def test_every_crd_is_small_enough_for_kubectl_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for what is to come: the real bound is that of an object's annotations."""
    assert LIMIT_BYTES == 225_000
    assert max(stored_bytes(yaml.safe_load(text)) for text in files().values()) <= LIMIT_BYTES
    monkeypatch.setattr("steelyard.schema.crd.LIMIT_BYTES", 1000)
    with pytest.raises(ValueError, match=r"trainingjobs.* has .* bytes; .* kubectl apply at most 1,000 are allowed"):
        files()


def test_each_folder_that_is_named_gets_the_files(tmp_path: Path) -> None:
    main([str(tmp_path / "a"), str(tmp_path / "b" / "c")])
    for folder in (tmp_path / "a", tmp_path / "b" / "c"):
        names = {path.name for path in folder.iterdir()}
        assert names == {"trainingjobs.steelyard.dev.yaml", "tuningjobs.steelyard.dev.yaml"}


@EACH_KIND
def test_every_field_is_described(kind: str) -> None:
    fields = {path: node for path, node in OURS[kind].items() if not path.endswith("[]")}
    assert [path for path, node in fields.items() if not node.get("description")] == []


@EACH_KIND
def test_every_list_map_and_text_is_bounded(kind: str) -> None:
    bound = {"array": {"maxItems"}, "string": {"maxLength", "enum"}, "object": {"maxProperties", "properties"}}
    typed = {path: node for path, node in OURS[kind].items() if "type" in node}
    assert [path for path, node in typed.items() if not bound.get(node["type"], node.keys()) & node.keys()] == []


@EACH_KIND
def test_only_candidates_and_values_of_a_search_may_be_of_any_type(kind: str) -> None:
    of_any_type = {
        "TrainingJob": {".spec.compression.candidates[]"},
        "TuningJob": {
            ".spec.template.compression.candidates[]",
            ".spec.parameters[].values[]",
            ".spec.parameters[].when.values[]",
        },
    }
    assert {path for path, node in OURS[kind].items() if "type" not in node} == of_any_type[kind]


def test_a_template_is_what_a_training_job_is() -> None:
    spec, template = OURS["TrainingJob"][".spec"], OURS["TuningJob"][".spec.template"]
    same = ("properties", "required", "x-kubernetes-validations")
    assert {key: spec[key] for key in same} == {key: template[key] for key in same}


def test_what_has_a_default_here_has_it_there() -> None:
    spec = TrainingJobSpec.model_validate({"dataset": {"uri": "a.csv", "target": "t"}, "model": {"linear": {}}})
    training = spec.training.model_dump(by_alias=True, exclude_none=True)
    ours = OURS["TrainingJob"]
    assert ours[".spec.training"]["default"] == training
    assert ours[".spec.training.optimizer.learningRate"]["default"] == 0.001
    assert ours[".spec.template.volumes"]["default"] == []
    assert "default" not in ours[".spec.publish"]


def test_a_default_is_said_where_kubectl_explain_shows_it() -> None:
    ours = OURS["TrainingJob"]
    assert ours[".spec.training.workers"]["description"].endswith("Allowed: a whole number from 1 to 256. Default: 1.")
    assert ours[".spec.model.mlp.hiddenUnits"]["description"].endswith("Default: [128].")
    assert "Allowed" not in ours[".status.model.bytes"]["description"]


@EACH_KIND
def test_every_column_shows_a_field_that_there_is(kind: str) -> None:
    columns = VERSIONS[kind]["additionalPrinterColumns"]
    paths = [re.sub(r"\[[^]]*\]", "[]", column["jsonPath"]) for column in columns]
    assert [path for path in paths if path not in NODES[kind] and path != ".metadata.creationTimestamp"] == []
    for column, path in zip(columns, paths, strict=True):
        assert column["type"] in ("date", NODES[kind].get(path, {}).get("type"))
