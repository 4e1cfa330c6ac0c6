"""Every combination. Imports the api and the search only."""

from collections.abc import Generator

from steelyard.search.log import Values
from steelyard.tuning.samplers.base import SuggestRequest


class GridSampler:
    """All combinations in the order of scikit-learn's ParameterGrid."""

    def proposals(self, request: SuggestRequest) -> Generator[Values, None, None]:
        """The combinations, from the first."""
        for index in range(request.space.combinations or 0):
            yield request.space.combination(index)
