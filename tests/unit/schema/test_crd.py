"""The CRDs say what the models say: up to date, whole, bounded; and what a structural schema can't say is an error."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import Field
from repository_support import ROOT

from steelyard.api.base import ExactlyOneOf, Part
from steelyard.api.models import FAMILIES
from steelyard.api.places import FILE_FORMS, SOURCE_FORMS, TARGET_FORMS
from steelyard.api.pods import WorkspaceSpec
from steelyard.api.run_policy import RunPolicy
from steelyard.api.training_job import TrainingJobSpec
from steelyard.api.tuning import Choice
from steelyard.api.tuning_job import TuningJobSpec
from steelyard.schema.cel import Rule
from steelyard.schema.crd import LIMIT_BYTES, files, main, stored_bytes, training_job_crd, tuning_job_crd
from steelyard.schema.rules.table import NOT_IN_CEL, RULES
from steelyard.schema.structural import UnsayableError, structural_schema

PACKAGE = ROOT / "operator" / "steelyard"
VALIDATORS = [path for folder in ("api", "search", "planning") for path in (PACKAGE / folder).rglob("*.py")]
COPIES = [ROOT / "crds", ROOT / "charts" / "steelyard" / "files" / "crds"]

Node = dict[str, Any]

VERSIONS = {
    "TrainingJob": training_job_crd()["spec"]["versions"][0],
    "TuningJob": tuning_job_crd()["spec"]["versions"][0],
}
EACH_KIND = pytest.mark.parametrize("kind", VERSIONS)


def nodes(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every part of a schema with its path; `[]` stands for the values of a list or map."""
    yield path, node
    for name, field in node.get("properties", {}).items():
        yield from nodes(field, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if inner in node:
            yield from nodes(node[inner], f"{path}[]")


NODES = {kind: dict(nodes(version["schema"]["openAPIV3Schema"])) for kind, version in VERSIONS.items()}
OURS = {
    kind: {path: node for path, node in found.items() if path.startswith((".spec", ".status"))}
    for kind, found in NODES.items()
}


# --- the files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", COPIES, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_the_files_are_up_to_date(folder: Path) -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} == files(), "run make generate"


def test_every_crd_is_small_enough_for_kubectl_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for what is to come: the real bound is that of an object's annotations."""
    assert LIMIT_BYTES == 200_000
    assert max(stored_bytes(yaml.safe_load(text)) for text in files().values()) <= LIMIT_BYTES
    monkeypatch.setattr("steelyard.schema.crd.LIMIT_BYTES", 1000)
    with pytest.raises(ValueError, match=r"trainingjobs.* has .* bytes; .* kubectl apply at most 1,000 are allowed"):
        files()


def test_each_folder_that_is_named_gets_the_files(tmp_path: Path) -> None:
    main([str(tmp_path / "a"), str(tmp_path / "b" / "c")])
    for folder in (tmp_path / "a", tmp_path / "b" / "c"):
        names = {path.name for path in folder.iterdir()}
        assert names == {"trainingjobs.steelyard.dev.yaml", "tuningjobs.steelyard.dev.yaml"}


# --- the schema -------------------------------------------------------------------------------------------------------


@EACH_KIND
def test_every_field_is_described(kind: str) -> None:
    fields = {path: node for path, node in OURS[kind].items() if not path.endswith("[]")}
    assert [path for path, node in fields.items() if not node.get("description")] == []


@EACH_KIND
def test_every_list_map_and_text_is_bounded(kind: str) -> None:
    bound = {"array": {"maxItems"}, "string": {"maxLength", "enum"}, "object": {"maxProperties", "properties"}}
    typed = {path: node for path, node in OURS[kind].items() if "type" in node}
    assert [path for path, node in typed.items() if not bound.get(node["type"], node.keys()) & node.keys()] == []


@EACH_KIND
def test_only_candidates_and_values_of_a_search_may_be_of_any_type(kind: str) -> None:
    of_any_type = {
        "TrainingJob": {".spec.compression.candidates[]"},
        "TuningJob": {
            ".spec.template.compression.candidates[]",
            ".spec.parameters[].values[]",
            ".spec.parameters[].when.values[]",
        },
    }
    assert {path for path, node in OURS[kind].items() if "type" not in node} == of_any_type[kind]


def test_a_template_is_what_a_training_job_is() -> None:
    spec, template = OURS["TrainingJob"][".spec"], OURS["TuningJob"][".spec.template"]
    same = ("properties", "required", "x-kubernetes-validations")
    assert {key: spec[key] for key in same} == {key: template[key] for key in same}


def test_what_has_a_default_here_has_it_there() -> None:
    spec = TrainingJobSpec.model_validate({"dataset": {"uri": "a.csv", "target": "t"}, "model": {"linear": {}}})
    training = spec.training.model_dump(by_alias=True, exclude_none=True)
    ours = OURS["TrainingJob"]
    assert ours[".spec.training"]["default"] == training
    assert ours[".spec.training.optimizer.learningRate"]["default"] == 0.001
    assert ours[".spec.template.volumes"]["default"] == []
    assert "default" not in ours[".spec.publish"]


def test_a_default_is_said_where_kubectl_explain_shows_it() -> None:
    ours = OURS["TrainingJob"]
    assert ours[".spec.training.workers"]["description"].endswith("Allowed: a whole number from 1 to 256. Default: 1.")
    assert ours[".spec.model.mlp.hiddenUnits"]["description"].endswith("Default: [128].")
    assert "Allowed" not in ours[".status.model.bytes"]["description"]


@EACH_KIND
def test_every_column_shows_a_field_that_there_is(kind: str) -> None:
    columns = VERSIONS[kind]["additionalPrinterColumns"]
    paths = [re.sub(r"\[[^]]*\]", "[]", column["jsonPath"]) for column in columns]
    assert [path for path in paths if path not in NODES[kind] and path != ".metadata.creationTimestamp"] == []
    for column, path in zip(columns, paths, strict=True):
        assert column["type"] in ("date", NODES[kind].get(path, {}).get("type"))


# --- the rules --------------------------------------------------------------------------------------------------------


def rules(kind: str) -> Iterator[tuple[str, Node, Node]]:
    for path, node in NODES[kind].items():
        for rule in node.get("x-kubernetes-validations", ()):
            yield path, node, rule


@EACH_KIND
def test_every_rule_names_its_field_and_says_what_is_wrong(kind: str) -> None:
    for path, node, rule in rules(kind):
        assert rule["reason"] == "FieldValueInvalid"
        assert rule["messageExpression"]
        # A union and a map of any keys are at fault as a whole.
        is_whole = "exactly one of" in rule["messageExpression"] or "properties" not in node
        assert ("fieldPath" in rule) is not is_whole
        assert path + rule.get("fieldPath", "") in NODES[kind]


# Of the table, what belongs to the one kind only.
OF_ONE = {
    "TrainingJob": {"TrainingJob"},
    "TuningJob": {"TuningJob", "TuningJobSpec", "Objective", "Parameter", "Algorithm", "Pruning"},
}


@EACH_KIND
def test_every_rule_of_the_table_is_in_the_schema_and_every_union_has_its_own(kind: str) -> None:
    found = [rule["messageExpression"] for _, _, rule in rules(kind)]
    of_unions = {path for path, _, rule in rules(kind) if "exactly one of" in rule["messageExpression"]}
    of_keys = [message for message in found if message.startswith('"a key is')]
    spec = ".spec" if kind == "TrainingJob" else ".spec.template"
    assert of_unions == {
        f"{spec}.model",
        f"{spec}.training.learningRateSchedule",
        f"{spec}.template.env[].valueFrom",
        f"{spec}.template.volumes[].source",
    }
    foreign = set().union(*(names for other, names in OF_ONE.items() if other != kind))
    own = [table for name, table in RULES.items() if name not in foreign]
    assert len(found) == sum(map(len, own)) + 2 * len(of_unions) + len(of_keys)


def refusals() -> set[str]:
    """The message of every `refuse` in the models."""
    found = set()
    for path in VALIDATORS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "refuse":
                message = node.args[1]
                assert isinstance(message, ast.Constant), f"{path.name}:{node.lineno}: a message is a plain text"
                found.add(str(message.value))
    return found


def test_every_refusal_of_a_validator_is_a_rule_in_the_same_words_or_has_a_reason_why_not() -> None:
    said = [re.sub(r"\{.*?\}", "?", rule.says) for table in RULES.values() for rule in table]
    # What a validator puts in is put in by CEL too, or is a name, a list of names or of places, or a family
    # that the rule spells out.
    families = "|".join(re.escape(name) for family in FAMILIES for name in (family.noun, family.plural))
    forms = "|".join(map(re.escape, (SOURCE_FORMS, FILE_FORMS, TARGET_FORMS)))
    names = rf"(\?|\w+(, \w+)*|{families}|{forms})".replace("\\", "\\\\")
    patterns = {message: re.sub(r"\\\{\w+\\\}", names, re.escape(message)) for message in refusals()}
    missing = {
        message for message, pattern in patterns.items() if not any(re.fullmatch(pattern, text) for text in said)
    }
    assert len(refusals()) > 20
    assert missing == set(NOT_IN_CEL)


def test_every_rule_mirrors_something_that_there_is() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in VALIDATORS)
    mirrored = {rule.mirrors for name, table in RULES.items() for rule in table if name not in VERSIONS}
    assert [name for name in sorted(mirrored) if f"def {name}(" not in text] == []


def aliases(model: type[Part]) -> set[str]:
    """The names of a part's fields, as a manifest has them."""
    return {str(info.alias) for info in model.model_fields.values()}


def test_all_of_the_spec_stays_once_a_job_has_begun_but_what_is_listed() -> None:
    kept = {match[1] for rule in RULES["TrainingJob"] if (match := re.fullmatch(r"spec\.(.*)", rule.field))}
    policies, workspace = aliases(RunPolicy), aliases(WorkspaceSpec)
    assert kept == (
        aliases(TrainingJobSpec) - {"runPolicy", "workspace"}
        | {f"runPolicy.{name}" for name in policies - {"activeDeadlineSeconds", "suspend", "ttlSecondsAfterFinished"}}
        | {f"workspace.{name}" for name in workspace - {"retain", "retainSeconds"}}
    )
    assert {"activeDeadlineSeconds", "retain", "retainSeconds"} <= policies | workspace


def test_of_a_search_the_number_of_trials_the_policy_and_what_is_retained_may_change_once_it_has_begun() -> None:
    kept = {rule.field.removeprefix("spec.") for rule in RULES["TuningJob"] if "can't change" in rule.says}
    assert kept == (
        aliases(TuningJobSpec) - {"maxTrials", "runPolicy", "template"}
        | {f"template.{name}" for name in aliases(TrainingJobSpec) - {"workspace"}}
        | {f"template.workspace.{name}" for name in aliases(WorkspaceSpec) - {"retain", "retainSeconds"}}
    )


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            Rule("self.a < 1", '100 % of {self.a} is "wrong"', "a"),
            {
                "rule": "self.a < 1",
                "messageExpression": '"100 %% of %s is \\"wrong\\"".format([self.a])',
                "fieldPath": ".a",
                "reason": "FieldValueInvalid",
            },
        ),
        (
            Rule("has(self.b)", "it's b"),
            {"rule": "has(self.b)", "messageExpression": '"it\'s b"', "reason": "FieldValueInvalid"},
        ),
    ],
)
def test_a_rule_is_written_as_a_crd_has_it(rule: Rule, said: Node) -> None:
    assert rule.to_json() == said


def test_a_rule_can_be_evaluated_where_a_required_field_is_missing() -> None:
    rule = Rule("self.a != self.bc", "no", "a")
    assert rule.to_json(["a", "b", "bc"])["rule"] == "!has(self.a) || !has(self.bc) || (self.a != self.bc)"


def test_a_rule_for_new_objects_is_not_checked_again() -> None:
    said = Rule("self.a > 1", "no", "a", is_for_new=True).to_json()
    assert (said["rule"], said["optionalOldSelf"]) == ("oldSelf.hasValue() || self.a > 1", True)


# --- the generator ----------------------------------------------------------------------------------------------------


class Inner(Part):
    """A part within."""

    size: Annotated[int, Field(ge=0, le=2**40)] = 3
    """How big."""


class Sayable(Part):
    """One field of each kind."""

    fraction: Annotated[float, Field(gt=0, lt=1)]
    """Between 0 and 1."""
    count: Annotated[int, Field(ge=-1, le=10)] = 7
    """How many."""
    large: int | None = None
    """Any number."""
    kind: Literal["A"] = "A"
    """What it is."""
    names: Annotated[list[Annotated[str, Field(max_length=3)]], Field(max_length=2)] = []
    """What they are called."""
    figures: Annotated[dict[Annotated[str, Field(min_length=1, max_length=9)], float], Field(max_length=4)] | None = (
        None
    )
    """By name."""
    anything: Annotated[dict[str, Any], Field(max_length=5)] | None = None
    """Whatever it is."""
    inner: Inner = Inner()
    """What is within."""
    choices: Annotated[list[Choice], Field(max_length=2)] = []
    """Whatever they are."""
    named: Annotated[dict[Annotated[str, Field(max_length=9)], Choice], Field(max_length=3)] | None = None
    """Whatever they are, by name."""
    merged: Annotated[list[Inner], Field(max_length=2, json_schema_extra={"x-kubernetes-list-type": "atomic"})] = []
    """A list with a mark of Kubernetes."""


def test_each_kind_of_field_is_said_as_a_structural_schema_says_it() -> None:
    schema = structural_schema(Sayable, "spec", {})
    fields = schema["properties"]
    assert schema["required"] == ["fraction"]
    assert "additionalProperties" not in schema
    exclusive = {"minimum": 0, "exclusiveMinimum": True, "maximum": 1, "exclusiveMaximum": True}
    assert exclusive.items() <= fields["fraction"].items()
    assert {"minimum": -1, "maximum": 10, "format": "int32", "default": 7}.items() <= fields["count"].items()
    assert fields["large"]["format"] == fields["inner"]["properties"]["size"]["format"] == "int64"
    assert "default" not in fields["large"] and "nullable" not in fields["large"]
    assert (fields["kind"]["type"], fields["kind"]["enum"]) == ("string", ["A"])
    assert fields["names"]["items"] == {"type": "string", "maxLength": 3}
    assert fields["figures"]["additionalProperties"] == {"type": "number"}
    assert (
        fields["figures"]["x-kubernetes-validations"][0]["rule"] == "self.all(key, key.size() >= 1 && key.size() <= 9)"
    )
    assert fields["anything"]["x-kubernetes-preserve-unknown-fields"] is True
    assert fields["choices"]["items"] == {"nullable": True, "x-kubernetes-preserve-unknown-fields": True}
    assert fields["named"] == {
        "description": "Whatever they are, by name.",
        "type": "object",
        "maxProperties": 3,
        "x-kubernetes-preserve-unknown-fields": True,
    }
    assert fields["inner"]["default"] == {"size": 3}
    assert fields["inner"]["description"] == "What is within. A part within."
    assert fields["merged"]["x-kubernetes-list-type"] == "atomic"


class OpenList(Part):
    items: list[Annotated[str, Field(max_length=1)]]
    """Without an end."""


class OpenItem(Part):
    items: Annotated[list[str], Field(max_length=1)]
    """Each without an end."""


class OpenMap(Part):
    values: dict[str, int]
    """Without an end."""


class NamedKeys(Part):
    values: Annotated[dict[Literal["a", "b"], int], Field(max_length=3)]
    """By one of a few names."""


class OpenText(Part):
    text: str
    """Without an end."""


class Mixed(Part):
    value: float | Annotated[str, Field(max_length=3)]
    """A number or a text."""


class Anything(Part):
    value: Any = None
    """Whatever."""


class Silent(Part):
    count: int = 0


class Pair(Part):
    pair: tuple[int, int]
    """Two numbers."""


class Unique(Part):
    names: Annotated[set[Annotated[str, Field(max_length=3)]], Field(max_length=3)]
    """Each once."""


class Even(Part):
    count: Annotated[int, Field(multiple_of=2)]
    """An even number."""


class Defaulted(ExactlyOneOf):
    a: Inner = Inner()
    """Always there."""


class Nested(Part):
    union: Defaulted | None = None
    """A union."""


class Different(Part):
    inner: Inner = Inner(size=4)
    """Not as Inner has it."""


class Endless(Part):
    next: "Endless | None" = None
    """Another one."""


UNSAYABLE = [
    (OpenList, "spec.items: a list needs a largest number of items"),
    (OpenItem, "spec.items[]: a text needs a largest length"),
    (OpenMap, "spec.values: a map needs a largest number of entries"),
    (NamedKeys, "spec.values: no rule is known for enum of a map's keys"),
    (OpenText, "spec.text: a text needs a largest length"),
    (Mixed, "spec.value: a structural schema can't say a union of number and string"),
    (Anything, "spec.value: a structural schema can't say the type None"),
    (Silent, "spec.count: a field needs a description"),
    (Pair, "spec.pair: a structural schema can't say prefixItems of array"),
    (Unique, "spec.names: a structural schema can't say uniqueItems of array"),
    (Even, "spec.count: a structural schema can't say multipleOf of integer"),
    (Nested, "spec.union.a: a member of a union that has a default is always given"),
    (Different, "spec.inner: the default differs from that of its fields"),
    (Endless, "spec.next: Endless lies within itself"),
]


@pytest.mark.parametrize(("model", "problem"), UNSAYABLE, ids=[model.__name__ for model, _ in UNSAYABLE])
def test_what_a_structural_schema_can_not_say_is_an_error(model: type[Part], problem: str) -> None:
    with pytest.raises(UnsayableError) as caught:
        structural_schema(model, "spec", {})
    assert str(caught.value).startswith(problem)
