"""`python -m steelyard.api.reference` writes the manifest's reference in Markdown. Imports the api only."""

import json
from collections.abc import Iterator

from steelyard.api.schema import Node, Schema, is_union, one_line, schema_of
from steelyard.api.training_job import TrainingJob

_INTRODUCTION = """\
# The manifest

<!-- Made by `make docs` from operator/steelyard/api; a test checks that it is up to date. -->

One YAML (or JSON) file describes a job. Names are camelCase; a field that is not in this reference is refused, and
types are not coerced: `"2"` is a text, `2` a number. `steelyard validate FILE` names every mistake at once, with
the field, the value and what is allowed.

Relative paths are relative to the manifest's folder. Fractions are of 1, durations in seconds.
"""


def reference() -> str:
    """The whole document: a section per map of the manifest, in the order in which they occur."""
    schema = schema_of(TrainingJob)
    return "\n".join([_INTRODUCTION, *_section(schema, "", schema.root)])


def _section(schema: Schema, path: str, node: Node) -> Iterator[str]:
    """A map's heading, description and table, then the same of the maps in it."""
    yield f"## {path or 'The whole'}\n"
    # The table above says what the field is for; here the map itself has the word.
    yield one_line(str(schema.definition(node).get("description", node["description"]))) + ".\n"
    if is_union(node):
        yield "Exactly one of these fields is given.\n"
    yield "| field | allowed | default | what it is |\n|---|---|---|---|"
    below: list[tuple[str, Node]] = []
    for name, field in schema.fields(node).items():
        inner = f"{path}.{name}" if path else name
        allowed = schema.words(field)
        if schema.fields(field):
            allowed = f"[a map](#{_anchor(inner)})"
            below.append((inner, field))
        elif "items" in field and schema.fields(items := schema.resolve(field["items"])):
            inner += "[]"
            allowed = f"[a list of maps](#{_anchor(inner)})"
            below.append((inner, items))
        elif "pattern" in field:
            allowed = "a text"
        is_required = name in node.get("required", ())
        yield f"| `{name}` | {_cell(allowed)} | {_default(field, is_required)} | {_cell(field['description'])} |"
    yield ""
    for inner, field in below:
        yield from _section(schema, inner, field)


def _default(field: Node, is_required: bool) -> str:
    if is_required:
        return "needed"
    default = field.get("default")
    if default is None:
        return "-"
    return "its fields' own" if isinstance(default, dict) else f"`{json.dumps(default)}`"


def _cell(text: str) -> str:
    return one_line(text).replace("|", "\\|")


def _anchor(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return "".join(character for character in heading.lower() if character.isalnum() or character in "-_")


if __name__ == "__main__":
    print(reference(), end="")
