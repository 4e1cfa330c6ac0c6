"""The code of docs/python.md runs, from top to bottom in one namespace, as a reader would paste it."""

import re
from pathlib import Path
from typing import Any

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs/python.md"


def test_the_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    text = DOCUMENT.read_text(encoding="utf-8")
    blocks = list(re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    assert len(blocks) >= 5 and text.count("```python") == len(blocks)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks:
        line = text[: block.start(1)].count("\n")
        exec(compile("\n" * line + block[1], str(DOCUMENT), "exec"), namespace)
    printed = capfd.readouterr().out
    assert "models/flats 0.9" in printed and "'Basel'" in printed and "GateFailed 10" in printed
    assert "steelyard.SteelyardError" not in printed
