"""The CEL rules of places: what a URI may name, and where a model is published. Imports the schema only."""

from steelyard.schema.cel import Rule

# Python's str.isprintable: no control characters, and no white space but the space.
_PRINTABLE = r"^( |[^\\pC\\pZ])*$"
_CLAIM = "^pvc://[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(/.*)?$"
# Segments that are not empty, "." or "..".
PATH = r"^pvc://[^/]*(/([^/.][^/]*|\\.[^/.][^/]*|\\.\\.[^/]+))+/?$"


def claim_uri(mirrors: str, *, is_optional: bool = False, field: str = "uri") -> list[Rule]:
    """pvc://CLAIM/PATH, as `ClaimUri.parse` reads it."""
    uri = f"self.{field}"
    unless = f"!has({uri}) || " if is_optional else ""
    return [
        Rule(
            f"{unless}!{uri}.startsWith('pvc://') || {uri}.matches('{_CLAIM}')",
            f"'{{{uri}}}' names no claim; allowed: pvc://CLAIM/PATH, where CLAIM is 1 to 63 lower-case letters, digits "
            "and '-', and neither begins nor ends with '-'",
            field,
            mirrors,
        ),
        Rule(
            f"{unless}!{uri}.matches('{_CLAIM}') || {uri}.matches('{PATH}') && {uri}.matches('{_PRINTABLE}')",
            f"'{{{uri}}}' names no path on the claim; allowed: pvc://CLAIM/PATH, where PATH is not empty and has no "
            "empty, '.' or '..' parts",
            field,
            mirrors,
        ),
    ]


# A scheme, other than the colon in a file's name.
_HAS_SCHEME = "self.uri.matches('^[^:/]*:') && !self.uri.startsWith('file:')"

PUBLISH_TARGET = [
    *claim_uri("_is_known"),
    Rule(
        f"self.uri.startsWith('pvc://') || !({_HAS_SCHEME})",
        "'{self.uri}' is not a place that is published to here; allowed: pvc://CLAIM/PATH, file:PATH or a path",
        "uri",
        "_is_known",
    ),
    Rule(
        f"self.uri.startsWith('pvc://') || {_HAS_SCHEME}",
        "'{self.uri}' would be lost with the pod; allowed on a cluster: pvc://CLAIM/PATH",
        "uri",
        "cluster_problems",
    ),
]
