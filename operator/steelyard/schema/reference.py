"""`python -m steelyard.schema.reference FOLDER` writes the manifests' reference in Markdown: manifest.md,
tuning-job.md. Imports the api only."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from steelyard.api.fields import Node, Schema, is_union, length, one_line, schema_of
from steelyard.api.models import Model
from steelyard.api.training_job import TrainingJob, TrainingJobSpec
from steelyard.api.tuning_job import TuningJob

_MADE = "<!-- Made by `make docs` from operator/steelyard/api; a test checks that it is up to date. -->"

_TRAINING_JOB = f"""\
# The manifest

{_MADE}

One YAML (or JSON) file describes a job. Names are camelCase; a field that is not in this reference is refused, and
types are not coerced: `"2"` is a text, `2` a number. `steelyard validate FILE` names every mistake at once, with
the field, the value and what is allowed.

Relative paths are relative to the manifest's folder. Fractions are of 1, durations in seconds.

This is `kind: TrainingJob`. For `kind: TuningJob`, a search over its fields, see [tuning-job.md](tuning-job.md).
"""

_TUNING_JOB = f"""\
# The manifest of a search

{_MADE}

A TuningJob searches for the best TrainingJob: `template` is one, `parameters` names fields of it and the values that
they may take. What [manifest.md](manifest.md) says of names, types and paths holds here too.

```yaml
apiVersion: steelyard.dev/v1alpha1
kind: TuningJob
metadata: {{name: digits-search}}
spec:
  objective: {{metric: accuracy}}
  parameters:
    - {{path: training.optimizer.learningRate, type: Double, min: 0.0001, max: 0.1, log: true}}
    - {{path: model.mlp.hiddenUnits, type: Categorical, values: [[64], [128], [128, 64]]}}
    - {{path: training.optimizer.name, type: Categorical, values: [Adam, SGD]}}
    - path: training.optimizer.momentum
      type: Double
      min: 0
      max: 0.95
      when: {{path: training.optimizer.name, values: [SGD]}}
  algorithm: {{name: TPE, seed: 1}}
  pruning: {{name: Hyperband}}
  maxTrials: 30
  parallelTrials: 2
  template:
    dataset: {{uri: "sklearn:digits", target: target}}
    model: {{mlp: {{}}}}
    training: {{epochs: 27}}
    compression: {{}}
    publish: [{{uri: "pvc://models/digits"}}]
```

Everything is checked before anything starts: that each path leads to a field, that its values are allowed there, that
they make a valid TrainingJob together, and that algorithm, pruning and objective go with each other and with the model.
"""


def references() -> dict[str, str]:
    """The text of each document, by its name: a section per map of the manifest, in the order in which they occur."""
    training, tuning = schema_of(TrainingJob), schema_of(TuningJob)
    return {
        "manifest.md": "\n".join([_TRAINING_JOB, *_section(training, "", training.root)]),
        "tuning-job.md": "\n".join([_TUNING_JOB, *_section(tuning, "", tuning.root)]),
    }


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
        if path and field.get("name") == TrainingJobSpec.__name__:
            allowed = "[the spec of a TrainingJob](manifest.md#spec)"
        elif path.startswith("spec.") and field.get("name") == Model.__name__:
            allowed = "[a map](#specmodel)"
        elif schema.fields(field):
            allowed = f"[a map](#{_anchor(inner)})"
            below.append((inner, field))
        elif "items" in field and (maps := schema.maps(items := schema.resolve(field["items"]))):
            inner += "[]"
            # Of a union the sections are named for its maps, where it has several.
            sections = [(inner if len(maps) == 1 else f"{inner} {each['name']}", each) for each in maps]
            allowed = f"a list{length(field, 'items', 'Items')}, each {_forms(schema, items, sections)}"
            if items in maps:
                allowed = f"[a list of maps](#{_anchor(inner)})"
            below += sections
        elif "pattern" in field:
            allowed = "a text"
        # What tells the maps of a union apart has its one value as a default, and must be given.
        is_required = name in node.get("required", ()) or "const" in field
        yield f"| `{name}` | {_cell(allowed)} | {_default(field, is_required)} | {_cell(field['description'])} |"
    yield ""
    for inner, field in below:
        yield from _section(schema, inner, field)


def _forms(schema: Schema, node: Node, sections: Sequence[tuple[str, Node]]) -> str:
    """What a union allows, its maps as links to their sections."""
    texts = [schema.words(each) for each in map(schema.resolve, node.get("oneOf", ())) if not schema.fields(each)]
    if len(sections) == 1:
        return " or ".join([*texts, f"[a map](#{_anchor(sections[0][0])})"])
    return " or ".join([*texts, "a map of " + ", ".join(f"[{each['name']}](#{_anchor(to)})" for to, each in sections)])


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
    return "".join(
        character for character in heading.lower().replace(" ", "-") if character.isalnum() or character in "-_"
    )


def main(arguments: Sequence[str]) -> None:
    """Writes the documents into a folder."""
    (folder,) = map(Path, arguments)
    for name, text in references().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
