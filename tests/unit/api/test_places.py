"""The records of the schemes, and what a URI says of its place."""

import pytest

from steelyard.api.places import CLAIM, FILE, SCHEMES, SKLEARN, Place, claim_uri, mounted_claim, scheme_of


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
