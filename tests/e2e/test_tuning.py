"""Searches on the real cluster, beside the same searches on this machine: the same trials, and a published model."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster.kubectl import Kubectl
from test_digits import ROOT, steelyard
from training_jobs import condition, is_over

from steelyard.api.search_log import Entry
from steelyard.api.tuning_job import TuningJobSpec

EXAMPLES = ROOT / "examples"

pytestmark = pytest.mark.usefixtures("operator")


def run_here(manifest: Path) -> list[Entry]:
    """The log of the search on this machine."""
    steelyard("run", str(manifest))
    name = yaml.safe_load(manifest.read_text())["metadata"]["name"]
    return log_of(json.loads((manifest.parent / ".steelyard" / name / "search.json").read_text()))


def log_of(document: dict[str, Any]) -> list[Entry]:
    """The entries of a document with a spec and a log."""
    spec = TuningJobSpec.model_validate(document["spec"])
    return [Entry.decode(line, spec.parameters) for line in document["log"]]


def search_on(namespace: Kubectl, manifest: Path) -> dict[str, Any]:
    """The TuningJob when it is over."""
    document = yaml.safe_load(manifest.read_text())
    namespace.create(document)
    return namespace.wait_for("tuningjob", document["metadata"]["name"], is_over, seconds=900)


def same_trials(one: list[Entry], other: list[Entry]) -> None:
    """Raises AssertionError where two logs differ: questions and states at all, figures by more than 1e-6."""
    assert [(entry.number, entry.values, entry.state) for entry in one] == [
        (entry.number, entry.values, entry.state) for entry in other
    ]
    for mine, yours in zip(one, other, strict=True):
        assert mine.value == pytest.approx(yours.value, abs=1e-6)
        assert [step for step, _ in mine.steps] == [step for step, _ in yours.steps]
        assert [value for _, value in mine.steps] == pytest.approx([value for _, value in yours.steps], abs=1e-6)


def test_the_digits_network_is_searched_pruned_and_published(namespace: Kubectl, tmp_path: Path) -> None:
    namespace("apply", f"--filename={EXAMPLES / 'digits' / 'claim.yaml'}")
    manifest = Path(shutil.copy(EXAMPLES / "digits-search" / "tuning-job.yaml", tmp_path))
    job = search_on(namespace, manifest)
    status = job["status"]
    print(json.dumps(status, indent=2))
    print(namespace("get", "tuningjobs,trainingjobs"))
    assert condition(job, "Complete").get("status") == "True", status
    entries = log_of({"spec": job["spec"], "log": status["log"]})
    assert len(entries) == 6
    assert any(entry.state == "Pruned" for entry in entries)
    prepares = [
        child["metadata"]["name"]
        for child in namespace.list("jobs")
        if child["metadata"]["labels"].get("steelyard.dev/stage") == "prepare"
    ]
    assert prepares == ["digits-search-data-prepare"]
    assert status["model"]["published"] == ["pvc://models/digits-search"]
    steelyard(
        "fetch",
        "digits-search",
        str(tmp_path / "model"),
        f"--namespace={namespace.namespace}",
        KUBECONFIG=str(namespace.kubeconfig),
    )
    steelyard("verify", str(tmp_path / "model"), f"--digest={status['model']['digest']}")
    assert (tmp_path / "model" / "search.html").is_file()
    same_trials(entries, run_here(manifest))


@pytest.mark.parametrize("placement", ["Packed", "Pods"])
def test_forests_have_the_same_trials_in_pods_in_a_pack_and_here(
    namespace: Kubectl, tmp_path: Path, placement: str
) -> None:
    document = yaml.safe_load((EXAMPLES / "forest-search" / "tuning-job.yaml").read_text())
    spec = document["spec"]
    spec["placement"] = placement
    spec["parameters"][0]["values"] = [10, 20]
    spec["parameters"][1]["values"] = [None, 5]
    del spec["parameters"][2]
    spec["maxTrials"] = 4
    spec["template"]["publish"] = []
    spec["template"].pop("compression", None)
    manifest = tmp_path / "tuning-job.yaml"
    manifest.write_text(yaml.safe_dump(document))
    job = search_on(namespace, manifest)
    assert condition(job, "Complete").get("status") == "True", job["status"]
    entries = log_of({"spec": job["spec"], "log": job["status"]["log"]})
    packs = [child for child in namespace.list("jobs") if "-pack-" in child["metadata"]["name"]]
    assert bool(packs) == (placement == "Packed")
    here = run_here(manifest)
    same_trials(entries, here)
    assert [entry.value for entry in entries] == [entry.value for entry in here]
