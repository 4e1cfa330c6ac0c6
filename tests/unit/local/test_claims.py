"""`pvc://CLAIM/PATH` on this machine: a folder that the user names, or one beside the manifest."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.local.claims import parse_claims
from steelyard.local.job import LocalJob
from steelyard.local.source import source_digest, source_findings, sources_digest, sources_findings
from steelyard.local.targets import publish_problems
from steelyard.stores.base import SourceRecord


def write_manifest(folder: Path, dataset: dict[str, Any] | None = None, **spec: Any) -> Path:
    manifest = {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "tested"},
        "spec": {
            "dataset": dataset or {"uri": "pvc://data/tables/t.csv", "target": "y"},
            "model": {"linear": {}},
            "publish": [{"uri": "pvc://models/tested"}],
            **spec,
        },
    }
    path = folder / "job.yaml"
    path.write_text(json.dumps(manifest))
    return path


def test_a_claim_is_a_folder_beside_the_manifest_or_the_one_that_is_named(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path)
    job = LocalJob.load(manifest)
    assert job.resolve("pvc://data/tables/t.csv") == tmp_path / "claims/data/tables/t.csv"
    assert job.publish_folders == [tmp_path / "claims/models/tested"]
    named = LocalJob.load(manifest, claims=parse_claims([f"models={tmp_path}"]))
    assert named.publish_folders == [tmp_path / "tested"]
    assert named.claims["data"] == tmp_path / "claims/data"


def test_a_folder_of_a_claim_that_the_manifest_does_not_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"--claim model=\.\.\.: .* it names: data, models"):
        LocalJob.load(write_manifest(tmp_path), claims={"model": tmp_path})
    manifest = write_manifest(tmp_path, {"uri": "sklearn:iris", "target": "target"}, publish=[])
    with pytest.raises(ConfigurationError, match="it names: none"):
        LocalJob.load(manifest, claims={"models": tmp_path})


@pytest.mark.parametrize("option", ["models", "=folder", "models="])
def test_an_option_of_another_form_is_refused(option: str) -> None:
    with pytest.raises(ConfigurationError, match="allowed: CLAIM=DIR"):
        parse_claims([option])


def test_a_named_folder_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=f"there is no folder {tmp_path}/nowhere"):
        parse_claims([f"models={tmp_path}/nowhere"])
    monkeypatch.chdir(tmp_path)
    Path("here").mkdir()
    assert parse_claims(["models=here", "a=."]) == {"models": tmp_path / "here", "a": tmp_path}


def test_a_source_that_is_not_on_the_claim_is_said_with_its_folder_and_the_option(tmp_path: Path) -> None:
    job = LocalJob.load(write_manifest(tmp_path))
    dataset = job.job.spec.dataset
    (finding,) = source_findings(dataset, job.resolve(dataset.uri))
    assert f"there is no file {tmp_path}/claims/data/tables/t.csv" in finding.problem.message
    assert "--claim data=DIR" in finding.problem.message
    table = job.resolve(dataset.uri)
    table.parent.mkdir(parents=True)
    table.write_text("x,y\n1,2\n")
    assert source_findings(dataset, table) == []
    assert publish_problems(job) == []


def test_a_test_file_is_found_judged_and_covered_by_the_digest_as_the_table_is(tmp_path: Path) -> None:
    given = {"uri": "pvc://data/t.csv", "testUri": "pvc://later/t.csv", "target": "y"}
    job = LocalJob.load(write_manifest(tmp_path, given), claims={"later": tmp_path / "elsewhere"})
    dataset = job.job.spec.dataset
    table, later = job.resolve(dataset.uri), tmp_path / "elsewhere" / "t.csv"
    for path in (table, later):
        path.parent.mkdir(parents=True)
    table.write_text("x,y\n1,2\n")
    (finding,) = sources_findings(dataset, job.surroundings)
    assert finding.problem.path == "spec.dataset.testUri" and f"there is no file {later}" in finding.problem.message
    with pytest.raises(DataError, match=r"spec.dataset.testUri: .*--claim later=DIR"):
        sources_digest(dataset, job.surroundings, None)
    later.write_text("x,z\n3,4\n")
    (finding,) = sources_findings(dataset, job.surroundings)
    assert finding.problem.path == "spec.dataset.testUri" and "has no column 'y'" in finding.problem.message
    later.write_text("x,y\n3,4\n")
    assert sources_findings(dataset, job.surroundings) == []
    digest, remembered = sources_digest(dataset, job.surroundings, None)
    assert remembered is not None and SourceRecord.from_json(asdict(remembered)) == remembered
    assert sources_digest(dataset, job.surroundings, remembered) == (digest, remembered)
    assert digest != source_digest(dataset, job.surroundings, None)[0]
    later.write_text("x,y\n3,44\n")
    assert sources_digest(dataset, job.surroundings, remembered)[0] != digest


def write_prepared(folder: Path, **document: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps({"target": "y", **document}))
    (folder / "preprocessing.json").write_text("{}")
    return folder


def test_a_prepared_dataset_is_a_folder_with_its_description(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, {"uri": "pvc://data/prepared", "format": "Prepared", "target": "y"})
    job = LocalJob.load(manifest)
    dataset, folder = job.job.spec.dataset, tmp_path / "claims/data/prepared"
    (finding,) = source_findings(dataset, folder)
    assert f"there is no file {folder}/dataset.json" in finding.problem.message
    write_prepared(folder, fingerprint="1")
    assert source_findings(dataset, folder) == []
    digest, remembered = source_digest(dataset, job.surroundings, None)
    assert remembered is None
    write_prepared(folder, fingerprint="2")
    assert source_digest(dataset, job.surroundings, None)[0] != digest
    write_prepared(folder, target="z")
    (finding,) = source_findings(dataset, folder)
    assert finding.problem.path == "spec.dataset.target" and "that is 'z'" in finding.problem.message
    (folder / "dataset.json").write_text("[]")
    (finding,) = source_findings(dataset, folder)
    assert "is no prepared dataset" in finding.problem.message
