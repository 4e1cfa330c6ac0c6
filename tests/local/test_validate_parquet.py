"""What `validate` refuses of a Parquet table is what the stage prepare refuses, in the same words."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prepare_support import context

from steelyard.api.errors import SteelyardError
from steelyard.local.source import source_findings
from steelyard_trainer.data.prepare import prepare

SIZES = [10.5 + row for row in range(40)]
LABELS = ["a", "b"] * 20
WITH_A_WORD = ["about 20", *map(str, SIZES[1:])]
WITH_COMMAS = [f"{row},5" for row in range(40)]
WORDS = pa.array(["x", "NA"] * 20).dictionary_encode()
NUMBERS = {"numbers": {"size": {}}}


@pytest.mark.parametrize(
    ("columns", "dataset", "said"),
    [
        ({"size": SIZES}, {}, ""),
        ({"size": WORDS}, {"missingValues": {"strategy": "Mean"}}, ""),
        ({"size": SIZES, "target": [None, *LABELS[1:]]}, {}, "the target 'target' is missing"),
        ({"size": SIZES, "target": [[1]] * 40}, {}, "holds list<element: int64>, which is no label and no number"),
        ({"size": WITH_A_WORD}, NUMBERS, "row 1, column 'size': 'about 20' is not a number; mend the cell"),
        ({"size": WITH_COMMAS}, {}, "if they are numbers, write under dataset: numbers: {size: {decimal: ','}}"),
        ({"size": SIZES}, NUMBERS, "holds double, no text; leave it out"),
        ({"size": SIZES, "tags": [[1]] * 40}, {}, "which is neither numbers nor text nor dates"),
        ({"size": SIZES, "": SIZES}, {}, "has no name for column 2 of 3: name it"),
        ({"size": [None, *SIZES[1:]]}, {}, "size"),
    ],
)
def test_validate_and_prepare_agree(
    tmp_path: Path, columns: dict[str, Any], dataset: dict[str, Any], said: str
) -> None:
    pq.write_table(pa.table({**columns, "target": columns.get("target", LABELS)}), tmp_path / "t.parquet")
    stage = context(tmp_path, {"uri": "t.parquet", **dataset})
    findings = source_findings(stage.job.spec.dataset, tmp_path / "t.parquet")
    if not said:
        assert findings == []
        prepare(stage)
        return
    with pytest.raises(SteelyardError) as refused:
        prepare(stage)
    (finding,) = findings
    assert said in refused.value.message and said in finding.problem.message
    assert refused.value.exit_code == finding.exit_code
