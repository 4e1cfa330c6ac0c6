"""A rule in CEL, the language in which a CRD says what its schema can't. Imports the standard library only."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rule:
    """A condition that the API server checks."""

    check: str
    """CEL, over `self`: true where all is well."""
    says: str
    """What is wrong and what is allowed: text, with CEL expressions in braces."""
    field: str = ""
    """The field at fault, relative to the rule's map; empty: the map itself."""
    mirrors: str = ""
    """The validator of the rule's model, or the function, that says the same; empty where none can."""
    is_for_new: bool = False
    """Whether it is checked only when an object is made: what can't change need not be looked at again."""

    def to_json(self, required: Iterable[str] = ()) -> dict[str, Any]:
        """The rule as a CRD has it.

        Args:
            required: the fields that the rule's map must have. An object of an older CRD may lack one; a rule that
                can't be evaluated, other than one that is broken, would refuse even the status that says so.
        """
        guards = [f"!has(self.{field})" for field in required if re.search(rf"\bself\.{field}\b", self.check)]
        check = f"{' || '.join(guards)} || ({self.check})" if guards else self.check
        rule: dict[str, Any] = {"rule": check, "messageExpression": _expression(self.says)}
        if self.is_for_new:
            rule |= {"rule": f"oldSelf.hasValue() || {check}", "optionalOldSelf": True}
        path = {"fieldPath": f".{self.field}"} if self.field else {}
        return {**rule, **path, "reason": "FieldValueInvalid"}


def _expression(text: str) -> str:
    """A text with CEL expressions in braces, as one CEL expression.

    By `format`, as the API server's cost limit has no use for what it can't bound: the length of a number's text.
    """
    expressions = re.findall(r"\{(.*?)\}", text)
    template = re.sub(r"\{.*?\}", "%s", text.replace("%", "%%"))
    return f"{quote(template)}.format([{', '.join(expressions)}])" if expressions else quote(text)


def quote(text: str) -> str:
    """A text as a literal of CEL, which takes JSON's."""
    return json.dumps(text, ensure_ascii=False)


def literal_list(texts: Iterable[str]) -> str:
    """Texts as a literal of CEL."""
    return f"[{', '.join(map(quote, texts))}]"


def exactly_one_of(members: list[str]) -> list[Rule]:
    """The rules of `ExactlyOneOf`, which need no line in the table."""
    allowed = f"exactly one of {', '.join(members)} is allowed, but"
    count = " + ".join(f"(has(self.{name}) ? 1 : 0)" for name in members)
    given = " + ".join(f"(has(self.{name}) ? ' and {name}' : '')" for name in members)
    return [
        Rule(f"{count} > 0", f"{allowed} none is given", mirrors="_exactly_one"),
        Rule(f"{count} < 2", f"{allowed}{{({given}).substring(4)}} are given", mirrors="_exactly_one"),
    ]


def keys_within(least: int, most: int) -> Rule:
    """The rule for the length of a map's keys, which a structural schema can't bound."""
    return Rule(
        f"self.all(key, key.size() >= {least} && key.size() <= {most})",
        f"a key is a text of {least} to {most} characters",
    )
