"""The CEL rules of `model.entrypoint.code`: exactly one place, which a pod sees. Imports the api and the schema."""

from steelyard.api.models.entrypoint import CODE_SOURCES, UNSEEN_FOLDER
from steelyard.schema.cel import Rule
from steelyard.schema.rules.places import place_rules

_COUNT = " + ".join(f"(has(self.{name}) ? 1 : 0)" for name in CODE_SOURCES)
_GIVEN = " + ".join(f"(has(self.{name}) ? ' and {name}' : '')" for name in CODE_SOURCES)

CODE = [
    Rule(
        f"{_COUNT} > 0",
        "one of path, configMap, uri is needed, but none is given; where the code is in the image, leave out code",
        "path",
        "_has_one_source",
    ),
    Rule(
        f"{_COUNT} < 2",
        f"only one of path, configMap, uri is allowed, but {{({_GIVEN}).substring(5)}} are",
        "path",
        "_has_one_source",
    ),
    *place_rules("_has_one_source", is_optional=True),
    Rule(
        "!has(self.uri) || self.uri.startsWith('pvc://')",
        "'{self.uri}' lies on no claim; allowed: pvc://CLAIM/PATH, or path",
        "uri",
        "_has_one_source",
    ),
    Rule("!has(self.path)", f"'{{self.path}}' {UNSEEN_FOLDER}", "path", "cluster_problems"),
]
