"""Places: what a URI of a manifest may name. One record for each scheme, pure data, and one line in `SCHEMES`.

The models' validators, the CEL rules, the checks of a cluster, the pods' mounts and the stores (`steelyard.stores`) all
read the records: a scheme is decided nowhere else. Imports the standard library only.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Where = Literal["Local", "Cluster"]
Need = Literal["Claim"]
"""What a pod must be given before it sees a place: the claim (PersistentVolumeClaim) that the URI names, mounted."""

CLAIM_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"


@dataclass(frozen=True)
class Grammar:
    """How the URIs of a scheme are built that name a path within something of a name: SCHEME://AUTHORITY/PATH.

    The path is never empty, and has no empty, `.` or `..` segments and no characters that can't be printed.
    """

    authority: str
    """The pattern of the name, anchored at both ends; the same in Python, RE2 and CEL."""
    no_authority: str
    """What is said of a URI without such a name: the rest of a sentence that begins with the URI."""
    no_path: str
    """What is said of a URI without such a path."""


@dataclass(frozen=True)
class Scheme:
    """A kind of places."""

    name: str
    prefix: str
    """What its URIs begin with."""
    form: str
    """How messages write such a URI."""
    reads: bool
    """Whether a table is read from there."""
    writes: bool
    """Whether a model is published there, and may be named as one that was trained."""
    holds_files: bool
    """Whether what lies there is files, with a format. False: tables, each with a name."""
    where: frozenset[Where]
    """Who sees such a place: a run on this machine, a pod."""
    needs: Need | None = None
    grammar: Grammar | None = None
    """Of schemes with an authority; None where what follows the prefix is looked at by whoever reads it."""
    names: tuple[str, ...] = ()
    """All that may follow the prefix, where that is a list."""


CLAIM = Scheme(
    name="pvc",
    prefix="pvc://",
    form="pvc://CLAIM/PATH",
    reads=True,
    writes=True,
    holds_files=True,
    where=frozenset({"Local", "Cluster"}),
    needs="Claim",
    grammar=Grammar(
        authority=CLAIM_NAME_PATTERN,
        no_authority="names no claim; allowed: pvc://CLAIM/PATH, where CLAIM is 1 to 63 lower-case letters, digits "
        "and '-', and neither begins nor ends with '-'",
        no_path="names no path on the claim; allowed: pvc://CLAIM/PATH, where PATH is not empty and has no empty, '.' "
        "or '..' parts",
    ),
)
"""A path on a claim of the job's namespace. On a cluster the claim is mounted; a local run maps it to a folder."""

SKLEARN = Scheme(
    name="sklearn",
    prefix="sklearn:",
    form="sklearn:NAME",
    reads=True,
    writes=False,
    holds_files=False,
    where=frozenset({"Local", "Cluster"}),
    names=("breast_cancer", "diabetes", "digits", "iris", "linnerud", "wine"),
)
"""A table that scikit-learn ships."""

FILE = Scheme(
    name="file",
    prefix="file:",
    form="file:PATH",
    reads=True,
    writes=True,
    holds_files=True,
    where=frozenset({"Local"}),
)
"""A path on this machine, relative to the manifest's folder; with the scheme or, as people write it, without."""

SCHEMES = (CLAIM, SKLEARN, FILE)
"""Every scheme, in the order in which messages name them."""


@dataclass(frozen=True)
class Place:
    """A URI, taken apart."""

    scheme: Scheme
    authority: str
    """What holds the path: a claim. Empty where the scheme has no such thing."""
    path: str
    """Within that; of a scheme without an authority all that follows its prefix."""
    uri: str
    """As it was written."""

    @classmethod
    def parse(cls, uri: str) -> "Place":
        """Raises ValueError, which says what is allowed, where `uri` has an authority's scheme but not its form."""
        scheme = scheme_of(uri)
        if scheme is FILE:
            return cls(scheme, "", uri.removeprefix(f"{FILE.prefix}//").removeprefix(FILE.prefix), uri)
        rest = uri.removeprefix(scheme.prefix)
        if scheme.grammar is None:
            return cls(scheme, "", rest, uri)
        authority, _, path = rest.partition("/")
        path = path.removesuffix("/")
        if not re.fullmatch(scheme.grammar.authority, authority):
            raise ValueError(f"'{uri}' {scheme.grammar.no_authority}")
        if not path or not path.isprintable() or any(part in ("", ".", "..") for part in path.split("/")):
            raise ValueError(f"'{uri}' {scheme.grammar.no_path}")
        return cls(scheme, authority, path, uri)


def scheme_of(uri: str) -> Scheme:
    """The scheme that a URI is meant to be of, well-formed or not; a path's is FILE."""
    return next((scheme for scheme in SCHEMES if uri.startswith(scheme.prefix)), FILE)


def is_elsewhere(uri: str) -> bool:
    """Whether a source's URI has a scheme that is not read here."""
    return "://" in uri and not uri.startswith(SLASHED_PREFIXES)


def has_other_scheme(uri: str) -> bool:
    """Whether a target's URI has a scheme that is not published to here, other than a colon in a file's name."""
    scheme, colon, _ = uri.partition(":")
    return bool(colon) and "/" not in scheme and not (scheme_of(uri).writes and uri.startswith(scheme_of(uri).prefix))


def mounted_claim(uri: object) -> str | None:
    """The claim that a pod must have mounted to see a place; None where it needs none.

    Args:
        uri: of a manifest, valid or not; of an object that an older CRD has let in, it may be anything.
    """
    if not isinstance(uri, str) or (scheme := scheme_of(uri)).needs != "Claim":
        return None
    return uri.removeprefix(scheme.prefix).partition("/")[0]


def claim_uri(claim: str, path: str) -> str:
    """The URI of a path on a claim."""
    return f"{CLAIM.prefix}{claim}/{path}"


def _forms(schemes: Iterable[Scheme]) -> str:
    return ", ".join(scheme.form for scheme in schemes)


def on_cluster(schemes: Sequence[Scheme]) -> tuple[Scheme, ...]:
    """Those of some schemes that a pod sees."""
    return tuple(scheme for scheme in schemes if "Cluster" in scheme.where)


SOURCES = tuple(scheme for scheme in SCHEMES if scheme.reads)
FILES = tuple(scheme for scheme in SOURCES if scheme.holds_files)
TARGETS = tuple(scheme for scheme in SCHEMES if scheme.writes)
SLASHED_PREFIXES = (*(scheme.prefix for scheme in SOURCES if scheme.prefix.endswith("://")), f"{FILE.prefix}//")
"""What sources with :// may begin with."""

# What messages say is allowed. A path is written without a scheme, too.
SOURCE_FORMS = f"{_forms(scheme for scheme in SOURCES if scheme is not FILE)}, a file's path, {FILE.form}"
FILE_FORMS = f"{_forms(scheme for scheme in FILES if scheme is not FILE)}, a file's path, {FILE.form}"
TARGET_FORMS = f"{_forms(TARGETS)} or a path"
CLUSTER_SOURCE_FORMS = _forms(on_cluster(SOURCES))
CLUSTER_FILE_FORMS = _forms(on_cluster(FILES))
CLUSTER_TARGET_FORMS = _forms(on_cluster(TARGETS))

# What a cluster refuses that a run on this machine allows: the rest of a sentence that begins with the URI in quotes.
UNSEEN_SOURCE = f"lies on no claim; pods see nothing else; allowed: {CLUSTER_SOURCE_FORMS}"
UNSEEN_FILE = f"lies on no claim; pods see nothing else; allowed: {CLUSTER_FILE_FORMS}"
LOST_TARGET = f"would be lost with the pod; allowed on a cluster: {CLUSTER_TARGET_FORMS}"
NO_TARGET = (
    f"a cluster has no folder of its own for the model: say where it goes, such as - uri: {on_cluster(TARGETS)[0].form}"
)
