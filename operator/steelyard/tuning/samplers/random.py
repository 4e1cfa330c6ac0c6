"""Independent draws. Imports the api and NumPy only."""

from collections.abc import Generator

from steelyard.api.search_log import Values
from steelyard.tuning.samplers.base import Question

_ATTEMPTS = 100
"""As it costs nothing, often enough to find the last of a hundred combinations more often than not."""


class RandomSampler:
    """Every question is drawn anew: every value of a parameter is as likely as any other, on its scale."""

    def proposals(self, question: Question) -> Generator[Values, None, None]:
        """Draws."""
        for attempt in range(_ATTEMPTS):
            yield question.space.at(question.random(attempt).random(len(question.space.dimensions)).tolist())
