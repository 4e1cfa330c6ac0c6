"""The client's submit, get, list and delete take jobs of both kinds. The API server is a dictionary here; a real one is
asked in tests/controlplane."""

from pathlib import Path

import pytest
import yaml
from api_server import SEARCH, SPEC, Server, connected, manifest

from steelyard.api.errors import ConfigurationError, ManifestError
from steelyard.client import JobHandle, JobNotFoundError, SearchHandle
from steelyard.search.manifest import parse_manifest


def test_submit_takes_both_kinds_in_every_form(tmp_path: Path) -> None:
    client = connected(Server())
    for kind, handle in (("TrainingJob", JobHandle), ("TuningJob", SearchHandle)):
        file = tmp_path / f"{kind}.yaml"
        file.write_text(yaml.safe_dump(manifest(kind, "of-a-file")))
        for job, is_new in (
            (manifest(kind), True),
            (file, True),
            (str(file), False),
            (parse_manifest(manifest(kind, "of-a-model")), True),
        ):
            made = client.submit(job)
            assert type(made) is handle and made.kind.name == kind and made.is_new == is_new


def test_submit_refuses_what_is_of_neither_kind_or_has_a_mistake() -> None:
    client = connected(Server())
    with pytest.raises(ManifestError, match="kind: PyTorchJob is not known; allowed: TrainingJob, TuningJob"):
        client.submit(manifest("TrainingJob") | {"kind": "PyTorchJob"})
    with pytest.raises(ManifestError, match=r"spec\.template\.dataset\.uri: .* lies on no claim"):
        wrong = SEARCH | {"template": SPEC | {"dataset": {"uri": "table.csv", "target": "label"}}}
        client.submit(manifest("TuningJob") | {"spec": wrong})


def test_get_finds_a_job_first_and_a_search_where_there_is_none() -> None:
    server = Server()
    client = connected(server)
    client.submit(manifest("TuningJob"))
    assert isinstance(client.get("tiny"), SearchHandle)
    client.submit(manifest("TrainingJob"))
    assert isinstance(client.get("tiny"), JobHandle)
    assert isinstance(client.get("tiny", "TuningJob"), SearchHandle)
    server.asked.clear()
    client.get("tiny", "TrainingJob")
    assert server.asked == ["GET trainingjobs"]
    with pytest.raises(JobNotFoundError, match=r"no TrainingJob tin .*did you mean tiny"):
        client.get("tin")
    with pytest.raises(JobNotFoundError, match="no TuningJob tin "):
        client.get("tin", "TuningJob")
    with pytest.raises(ConfigurationError, match="no kind 'Job'; allowed: TrainingJob, TuningJob"):
        client.get("tiny", "Job")  # type: ignore[call-overload]


def test_list_has_both_kinds_or_one() -> None:
    client = connected(Server())
    for kind, name in (("TuningJob", "a"), ("TrainingJob", "c"), ("TrainingJob", "b")):
        client.submit(manifest(kind, name))
    assert [(each.kind.name, each.name) for each in client.list()] == [
        ("TrainingJob", "b"),
        ("TrainingJob", "c"),
        ("TuningJob", "a"),
    ]
    assert [each.name for each in client.list("TuningJob")] == ["a"]
    assert [each.name for each in client.list("TrainingJob")] == ["b", "c"]


def test_delete_says_what_it_has_deleted() -> None:
    client = connected(Server())
    for kind in ("TrainingJob", "TuningJob"):
        client.submit(manifest(kind))
    assert [client.delete("tiny"), client.delete("tiny")] == ["TrainingJob", "TuningJob"]
    client.submit(manifest("TrainingJob"))
    client.submit(manifest("TuningJob"))
    assert client.delete("tiny", "TuningJob") == "TuningJob"
    assert [each.kind.name for each in client.list()] == ["TrainingJob"]


def test_a_cluster_without_searches_has_none() -> None:
    client = connected(Server(has_searches=False))
    client.submit(manifest("TrainingJob"))
    assert [each.name for each in client.list()] == ["tiny"] and list(client.list("TuningJob")) == []
    with pytest.raises(JobNotFoundError, match="no TrainingJob none"):
        client.get("none")
    with pytest.raises(ConfigurationError, match="is not installed"):
        client.submit(manifest("TuningJob"))
