"""The CRDs' rules: every refusal of the models is one in the same words, or it is said why not."""

import ast
import re
from collections.abc import Iterator

import pytest
from crd_nodes import EACH_KIND, NODES, VERSIONS, Node
from repository_support import ROOT

from steelyard.api.base import Part
from steelyard.api.models import FAMILIES
from steelyard.api.places import FILE_FORMS, SOURCE_FORMS, TARGET_FORMS
from steelyard.api.pods import WorkspaceSpec
from steelyard.api.run_policy import RunPolicy
from steelyard.api.training_job import TrainingJobSpec
from steelyard.api.tuning_job import TuningJobSpec
from steelyard.schema.cel import Rule
from steelyard.schema.rules.table import NOT_IN_CEL, RULES

PACKAGE = ROOT / "operator" / "steelyard"
VALIDATORS = [path for folder in ("api", "search", "planning") for path in (PACKAGE / folder).rglob("*.py")]


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
