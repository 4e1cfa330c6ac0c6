"""From a URI to a path: on this machine, and in a pod."""

from pathlib import Path

import pytest

from steelyard.api.errors import ConfigurationError
from steelyard.stores.surroundings import Surroundings


def test_a_claim_is_a_folder_and_a_relative_path_lies_beside_the_manifest(tmp_path: Path) -> None:
    here = Surroundings(tmp_path, {"models": tmp_path / "claims" / "models"})
    assert here.path("pvc://models/a/b/") == tmp_path / "claims" / "models" / "a" / "b"
    assert here.path("data/a.csv") == here.path("file:data/a.csv") == tmp_path / "data" / "a.csv"
    assert here.path("file:///srv/a.csv") == Path("/srv/a.csv")
    assert here.shown("pvc://models/a") == str((tmp_path / "claims" / "models" / "a").resolve())
    assert here.reaches("a.csv") and here.reaches("pvc://models/a") and not here.reaches("pvc://other/a")


def test_a_pod_sees_the_claims_that_are_mounted_and_nothing_else() -> None:
    pod = Surroundings(None, {"models": Path("/claims/models")})
    assert pod.path("pvc://models/a") == Path("/claims/models/a")
    assert pod.shown("pvc://models/a") == "pvc://models/a"
    assert pod.reaches("sklearn:iris") and pod.shown("sklearn:iris") == "sklearn:iris"
    with pytest.raises(ConfigurationError, match=r"'sklearn:iris' is no file or folder; allowed: pvc://CLAIM/PATH, a"):
        pod.path("sklearn:iris")
    assert not pod.reaches("a.csv") and not pod.reaches("pvc://other/a")
    with pytest.raises(ConfigurationError, match=r"pvc://other/a: the claim 'other' is not mounted here"):
        pod.path("pvc://other/a")
    with pytest.raises(ConfigurationError, match=r"'a.csv' lies on no claim; a pod sees nothing else; allowed: pvc://"):
        pod.path("a.csv")
