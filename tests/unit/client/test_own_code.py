"""A user's own code on its way to a cluster: one zip in a ConfigMap that the job owns."""

import base64
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from training_manifests import manifest

from steelyard.api.errors import ConfigurationError
from steelyard.api.loading import apply_overrides, parse_training_job
from steelyard.client.own_code import PackedCode, put_code, with_packed_code
from steelyard.contract.code_digest import code_digest
from steelyard.kube import ApiError

OWN = 'spec.model={entrypoint: {function: "net:build", framework: Keras, code: {path: code}}}'
JOB = parse_training_job(apply_overrides(manifest(), [OWN]))
DOCUMENT = {"metadata": {"name": "a", "namespace": "n", "uid": "u"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "net.py").write_text("def build(data): ...")
    return tmp_path


def test_the_job_that_is_applied_names_a_config_map_by_the_digest(folder: Path) -> None:
    digest = code_digest(folder / "code")
    job, code = with_packed_code(JOB, folder)
    assert code is not None and code.name == f"a-code-{digest[:16]}"
    assert job.to_manifest()["spec"]["model"]["entrypoint"]["code"] == {"configMap": code.name, "sha256": digest}  # type: ignore[index]
    assert zipfile.ZipFile(io.BytesIO(code.archive)).namelist() == ["net.py"]
    os.utime(folder / "code" / "net.py", (1, 1))
    assert with_packed_code(JOB, folder)[1] == code
    plain = parse_training_job(manifest())
    assert with_packed_code(plain, folder) == (plain, None)


def test_code_that_is_too_large_is_refused_with_the_way_out(folder: Path) -> None:
    (folder / "code" / "weights.bin").write_bytes(os.urandom(710_000))
    with pytest.raises(ConfigurationError, match=r"is 71\d kB when packed, the largest file is weights\.bin"):
        with_packed_code(JOB, folder)
    with pytest.raises(ConfigurationError, match=r"code\.path: code does not exist"):
        with_packed_code(JOB, folder / "code")


class Server:
    """ConfigMaps by name."""

    def __init__(self, existing: dict[str, Any] | None = None) -> None:
        self.existing = existing
        self.deleted = 0

    def request(self, method: str, _path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        if method == "POST" and self.existing is not None:
            raise ApiError(409, "AlreadyExists", "there is one")
        if method == "POST":
            assert body is not None
            self.existing = body
        if method == "DELETE":
            self.existing, self.deleted = None, self.deleted + 1
        return self.existing or {}


def test_the_config_map_is_owned_by_the_job_and_made_once() -> None:
    server, code = Server(), PackedCode("a-code-1", b"PK")
    for _ in range(2):
        put_code(server, JOB, DOCUMENT, code)  # type: ignore[arg-type]
    assert server.existing is not None and server.deleted == 0
    assert server.existing["metadata"]["ownerReferences"] == [
        {"apiVersion": "steelyard.dev/v1alpha1", "kind": "TrainingJob", "name": "a", "uid": "u"}
    ]
    assert base64.b64decode(server.existing["binaryData"]["code.zip"]) == b"PK" and server.existing["immutable"]


def test_that_of_a_deleted_job_of_the_name_is_replaced_and_that_of_others_is_not() -> None:
    code = PackedCode("a-code-1", b"PK")
    old = Server({"metadata": {"ownerReferences": [{"kind": "TrainingJob", "name": "a", "uid": "gone"}]}})
    put_code(old, JOB, DOCUMENT, code)  # type: ignore[arg-type]
    assert old.deleted == 1 and old.existing is not None
    assert old.existing["metadata"]["ownerReferences"][0]["uid"] == "u"
    with pytest.raises(ConfigurationError, match="a ConfigMap a-code-1 in the namespace n that is not this job's"):
        put_code(Server({"metadata": {}}), JOB, DOCUMENT, code)  # type: ignore[arg-type]
