"""Independent draws. Imports the search, the api and NumPy only."""

from collections.abc import Generator

from steelyard.search.log import Values
from steelyard.tuning.samplers.base import SuggestRequest

_ATTEMPTS = 100
"""As it costs nothing, often enough to find the last of a hundred combinations more often than not."""


class RandomSampler:
    """Every trial is drawn anew: every value of a parameter is as likely as any other, on its scale."""

    def proposals(self, request: SuggestRequest) -> Generator[Values, None, None]:
        """Draws."""
        for attempt in range(_ATTEMPTS):
            yield request.space.at(request.random(attempt).random(len(request.space.dimensions)).tolist())
