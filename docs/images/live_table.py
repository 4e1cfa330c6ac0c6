"""Writes live-table.svg: the live table of a run of the digits example, on a terminal of 80 columns.

    .venv/bin/python docs/images/live_table.py [EVENTS.jsonl]

Runs the example anew, with --force, where no file with the events of `steelyard run -o json` is given.
"""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from steelyard.cli.display import LiveTable
from steelyard.contract.events import StageEnded, StageStarted
from steelyard.contract.stages import Progress

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "examples/digits/training-job.yaml"
KINDS = {"stageStarted": StageStarted, "stageEnded": StageEnded, "progress": Progress}


def events() -> list[dict]:
    """Those of the run."""
    if len(sys.argv) > 1:
        text = Path(sys.argv[1]).read_text()
    else:
        command = [str(Path(sys.executable).parent / "steelyard"), "run", str(EXAMPLE), "--force", "-o", "json"]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in text.splitlines()]


def main() -> None:
    """Shows the run as it is when two thirds of the epochs are done."""
    console = Console(record=True, width=80, force_terminal=True, file=io.StringIO(), color_system="truecolor")
    table = LiveTable(console, with_tensorflow=("train", "finish"))
    for event in events():
        if (kind := KINDS.get(event.pop("event"))) is None:
            continue
        if kind is StageEnded:
            event["exit_code"] = event.pop("exitCode")
        table.report(kind(**event))
        if kind is Progress and event["unit"] == "epochs" and event["done"] >= 20:
            break
    console.print("$ steelyard run examples/digits/training-job.yaml\n", highlight=False)
    console.print(table.render())
    svg = console.export_svg(title="steelyard run")
    # Nothing is fetched: the reader's own fixed-width font will do.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code", "ui-monospace")
    (HERE / "live-table.svg").write_text(svg)


main()
