"""What must hold across the fields of a TuningJob before anything starts. Imports the api only."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steelyard.api.tuning_job import TuningJobSpec


def check_search(spec: "TuningJobSpec") -> None:
    """Refuses a search that can't be run. Raises PydanticCustomError."""
