"""What a column can be by its Arrow type, as Parquet files and tables in memory have them; alike for `init`, `validate`
and the stage prepare. Imports pyarrow where it is used, as nothing else here needs it."""

import json
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["Text", "Words", "Number", "Truth", "Empty", "Duration", "Date", "Other"]
"""Words are texts of a dictionary: whoever made the table has said that they are few. Empty: nulls alone. Date: also a
time."""


def kind_of(arrow_type: Any) -> Kind:
    """What a column of this type holds; Other is what nothing can be learned from."""
    from pyarrow import types

    is_dictionary = types.is_dictionary(arrow_type)
    plain = arrow_type.value_type if is_dictionary else arrow_type
    if any(test(plain) for test in (types.is_string, types.is_large_string, types.is_string_view)):
        return "Words" if is_dictionary else "Text"
    kinds: tuple[tuple[Kind, tuple[Callable[[Any], bool], ...]], ...] = (
        ("Number", (types.is_integer, types.is_floating, types.is_decimal)),
        ("Truth", (types.is_boolean,)),
        ("Empty", (types.is_null,)),
        ("Duration", (types.is_duration,)),
        ("Date", (types.is_date, types.is_time, types.is_timestamp)),
    )
    return next((kind for kind, tests in kinds if any(test(plain) for test in tests)), "Other")


def saved_index(schema: Any) -> list[str]:
    """The columns in which pandas saved a table's index; one that is a range has none."""
    try:
        described = json.loads((schema.metadata or {})[b"pandas"])
        return [name for name in described["index_columns"] if isinstance(name, str)]
    except (KeyError, TypeError, ValueError):
        return []


def target_fault(name: str, arrow_type: Any, source: str) -> str:
    """What is wrong with a target of this type; empty where it can be a label or a number."""
    from pyarrow import types

    plain = arrow_type.value_type if types.is_dictionary(arrow_type) else arrow_type
    if types.is_temporal(plain):
        return (
            f"the target {name!r} of {source} holds {arrow_type}: a date or time can't be predicted as it is; write a "
            "number into the table, such as the days since another date, and name that as dataset.target"
        )
    if types.is_nested(plain):
        return f"the target {name!r} of {source} holds {arrow_type}, which is no label and no number"
    return ""


def feature_fault(name: str, arrow_type: Any, source: str) -> str:
    """What is wrong with a feature of this type; empty where nothing is."""
    if kind_of(arrow_type) != "Other":
        return ""
    return (
        f"column {name!r} of {source} holds {arrow_type}, which is neither numbers nor text nor dates; list it under "
        "dataset.exclude, or write it as one of them"
    )


def numbers_fault(name: str, arrow_type: Any, source: str) -> str:
    """What is wrong where `dataset.numbers` names a column of this type; empty where it holds texts."""
    if kind_of(arrow_type) in ("Text", "Words"):
        return ""
    return f"column {name!r} of {source} holds {arrow_type}, no text; leave it out"
