"""Every combination. Imports the api only."""

from collections.abc import Generator

from steelyard.api.search_log import Values
from steelyard.tuning.samplers.base import Question


class GridSampler:
    """All combinations in the order of scikit-learn's ParameterGrid."""

    def proposals(self, question: Question) -> Generator[Values, None, None]:
        """The combinations, from the first."""
        for index in range(question.space.combinations or 0):
            yield question.space.combination(index)
