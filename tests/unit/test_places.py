"""The records of the schemes, and from a URI to a path."""

from pathlib import Path

import pytest

from steelyard.api.errors import ConfigurationError
from steelyard.api.places import CLAIM, FILE, SCHEMES, SKLEARN, Place, claim_uri, mounted_claim, scheme_of
from steelyard.stores.surroundings import Surroundings


@pytest.mark.parametrize(
    ("uri", "scheme", "authority", "path"),
    [
        ("pvc://models/digits/v1/", CLAIM, "models", "digits/v1"),
        ("sklearn:digits", SKLEARN, "", "digits"),
        ("file:///srv/a.csv", FILE, "", "/srv/a.csv"),
        ("file:a.csv", FILE, "", "a.csv"),
        ("//srv/a.csv", FILE, "", "//srv/a.csv"),
        ("a:b.csv", FILE, "", "a:b.csv"),
        ("pvc:/models/a", FILE, "", "pvc:/models/a"),
    ],
)
def test_a_uri_is_of_one_scheme_and_names_one_place(uri: str, scheme: object, authority: str, path: str) -> None:
    place = Place.parse(uri)
    assert (place.scheme, place.authority, place.path) == (scheme, authority, path)
    assert Place.parse(place.uri) == place


@pytest.mark.parametrize("uri", ["pvc://", "pvc:///a", "pvc://A/b", f"pvc://{'a' * 64}/b", "pvc://-a/b"])
def test_a_uri_without_an_authority_is_refused_with_what_is_allowed(uri: str) -> None:
    with pytest.raises(ValueError, match=r"names no claim; allowed: pvc://CLAIM/PATH"):
        Place.parse(uri)


@pytest.mark.parametrize("uri", ["pvc://a", "pvc://a/", "pvc://a//", "pvc://a/b/../c", "pvc://a/./c", "pvc://a/b\n"])
def test_a_uri_without_a_path_is_refused_with_what_is_allowed(uri: str) -> None:
    with pytest.raises(ValueError, match=r"names no path on the claim; allowed: pvc://CLAIM/PATH"):
        Place.parse(uri)


def test_every_scheme_is_told_from_the_others_by_what_its_uris_begin_with() -> None:
    for scheme in SCHEMES:
        assert scheme_of(f"{scheme.prefix}a") is scheme
        assert scheme.form.startswith(scheme.prefix)


def test_a_pod_needs_the_claim_of_any_uri_that_has_one_whatever_an_older_crd_has_let_in() -> None:
    assert mounted_claim(claim_uri("models", "a/b")) == "models"
    assert mounted_claim("pvc://models") == "models"
    assert [mounted_claim(uri) for uri in ("sklearn:digits", "a.csv", None, 3)] == [None] * 4


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
