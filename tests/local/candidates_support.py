"""What the stage finish keeps of the candidates that it weighs."""

import json
from pathlib import Path

from steelyard.contract.workspace import Workspace


def kept_candidates(workspace: Workspace) -> dict[str, Path]:
    """The folder of each candidate that was made and measured, or can't be made, in the order of their names."""
    documents = workspace.finished.glob("*/*/measured.json")
    return dict(sorted((json.loads(path.read_bytes())["name"], path.parent) for path in documents))
