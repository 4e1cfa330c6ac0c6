"""The CEL rules of places, made from the records of the schemes: what a URI may name, and where a model is published.
Imports the api and the schema only."""

from collections.abc import Iterable

from steelyard.api.places import (
    FILE,
    FILES,
    LOST_TARGET,
    SCHEMES,
    SLASHED_PREFIXES,
    SOURCES,
    TARGET_FORMS,
    TARGETS,
    Grammar,
    Scheme,
    on_cluster,
)
from steelyard.schema.cel import Rule

# Python's str.isprintable: no control characters, and no white space but the space.
_PRINTABLE = r"^( |[^\\pC\\pZ])*$"
# Segments that are not empty, "." or "..".
_SEGMENTS = r"(/([^/.][^/]*|\\.[^/.][^/]*|\\.\\.[^/]+))+/?"

WITHOUT_FILES = [scheme for scheme in SOURCES if not scheme.holds_files]
"""Those whose places are tables, with names of their own."""


def begins(uri: str, schemes: Iterable[Scheme]) -> str:
    """CEL: whether a URI is of one of some schemes."""
    return " || ".join(f"{uri}.startsWith('{scheme.prefix}')" for scheme in schemes)


def begins_with_none(uri: str, schemes: Iterable[Scheme]) -> str:
    """CEL: whether a URI is of none of some schemes."""
    return " && ".join(f"!{uri}.startsWith('{scheme.prefix}')" for scheme in schemes)


def is_elsewhere(uri: str) -> str:
    """CEL: whether a source's URI has a scheme that is not read, as `places.is_elsewhere`."""
    own = "".join(f" && !{uri}.startsWith('{prefix}')" for prefix in SLASHED_PREFIXES)
    return f"{uri}.contains('://'){own}"


def is_no_path(uri: str) -> str:
    """CEL: whether a URI names no file on a cluster, so that its ending says nothing."""
    return " && ".join(f"!{_has_path(uri, scheme)}" for scheme in on_cluster(FILES) if scheme.grammar)


def _has_path(uri: str, scheme: Scheme) -> str:
    return f"{uri}.matches('^{scheme.prefix}[^/]*{_SEGMENTS}$')"


def place_rules(mirrors: str, *, is_optional: bool = False, field: str = "uri") -> list[Rule]:
    """A URI's form, as `Place.parse` reads it, of every scheme that has one."""
    unless = f"!has(self.{field}) || " if is_optional else ""
    return [
        rule
        for scheme in SCHEMES
        if scheme.grammar is not None
        for rule in _form(scheme, scheme.grammar, mirrors, unless, field)
    ]


def _form(scheme: Scheme, grammar: Grammar, mirrors: str, unless: str, field: str) -> list[Rule]:
    uri = f"self.{field}"
    authority = f"^{scheme.prefix}{grammar.authority.removeprefix('^').removesuffix('$')}(/.*)?$"
    return [
        Rule(
            f"{unless}!{uri}.startsWith('{scheme.prefix}') || {uri}.matches('{authority}')",
            f"'{{{uri}}}' {grammar.no_authority}",
            field,
            mirrors,
        ),
        Rule(
            f"{unless}!{uri}.matches('{authority}') || {_has_path(uri, scheme)} && {uri}.matches('{_PRINTABLE}')",
            f"'{{{uri}}}' {grammar.no_path}",
            field,
            mirrors,
        ),
    ]


# A scheme, other than the colon in a file's name.
_HAS_SCHEME = f"self.uri.matches('^[^:/]*:') && !self.uri.startsWith('{FILE.prefix}')"
_NAMED = [scheme for scheme in TARGETS if scheme is not FILE]

PUBLISH_TARGET = [
    *place_rules("_is_known"),
    Rule(
        f"{begins('self.uri', _NAMED)} || !({_HAS_SCHEME})",
        f"'{{self.uri}}' is not a place that is published to here; allowed: {TARGET_FORMS}",
        "uri",
        "_is_known",
    ),
    Rule(
        f"{begins('self.uri', on_cluster(TARGETS))} || {_HAS_SCHEME}",
        f"'{{self.uri}}' {LOST_TARGET}",
        "uri",
        "cluster_problems",
    ),
]
