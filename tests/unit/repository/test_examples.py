"""Every example is a valid manifest, and the data beside it is what the manifest says."""

import csv
from pathlib import Path

import pytest
import yaml
from repository_support import ROOT

from steelyard.api.loading import load_training_job
from steelyard.planning.clusters import claims_of, cluster_problems

EXAMPLES = ROOT / "examples"
MANIFESTS = sorted(EXAMPLES.glob("*/training-job.yaml"))


def test_there_are_examples() -> None:
    names = {path.parent.name for path in MANIFESTS}
    own = {"own-container", "own-keras", "own-sklearn"}
    assert names == {"diabetes", "digits", "digits-auto", "digits-cnn", "digits-forest", "digits-small", "wine"} | own


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.parent.name)
def test_an_example_is_valid_and_named_after_its_folder(path: Path) -> None:
    job = load_training_job(path)
    assert job.metadata.name == path.parent.name
    if job.spec.dataset.is_file:
        assert (path.parent / job.spec.dataset.uri).is_file()


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.parent.name)
def test_an_example_says_how_it_is_run_and_is_named_in_the_list(path: Path) -> None:
    assert f"steelyard run examples/{path.parent.name}/{path.name}" in path.read_text(encoding="utf-8")
    assert f"[{path.parent.name}]({path.parent.name}/{path.name})" in (EXAMPLES / "README.md").read_text(
        encoding="utf-8"
    )


def test_the_digits_run_on_a_cluster_as_they_are_and_their_claim_comes_first() -> None:
    """`kubectl apply -f examples/digits/` takes the files in the order of their names."""
    folder = EXAMPLES / "digits"
    first, second = sorted(path.name for path in folder.glob("*.yaml"))
    assert second == "training-job.yaml"
    spec = load_training_job(folder / second).spec
    assert cluster_problems(spec) == []
    claim = yaml.safe_load((folder / first).read_text(encoding="utf-8"))
    assert claim["kind"] == "PersistentVolumeClaim"
    assert list(claims_of(spec)) == [claim["metadata"]["name"]]


def test_the_digits_are_those_of_scikit_learn() -> None:
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    with (EXAMPLES / "digits" / "digits.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    frame = sklearn_datasets.load_digits(as_frame=True).frame
    assert header == list(frame.columns)
    assert [[int(cell) for cell in row] for row in rows] == frame.astype(int).to_numpy().tolist()
