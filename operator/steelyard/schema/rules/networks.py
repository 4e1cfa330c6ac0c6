"""The CEL rules of the networks' own settings. Imports the api and the schema only."""

from steelyard.api.models.convolutional import MOST_STAGES, Convolutional, DsCnn, ResNet8
from steelyard.schema.cel import Rule


def _large_enough(halvings: str, least: str) -> Rule:
    """The rule for the input's shape.

    Args:
        halvings: CEL, how often the network halves height and width.
        least: CEL, two to the power of that.
    """
    return Rule(
        f"self.inputShape[0] >= {least} || self.inputShape[1] >= {least}",
        f"{{self.inputShape[0]}} x {{self.inputShape[1]}} is too small: the network halves it {{{halvings}}} times; "
        f"allowed: at least {{{least}}} in height or width",
        "inputShape",
        "_is_large_enough",
    )


def _of_preset(kind: type[Convolutional]) -> list[Rule]:
    halvings = kind.model_validate({"inputShape": [4096, 4096, 1]}).convolutions.halvings
    return [_large_enough(str(halvings), str(2**halvings))]


_POWERS = [2**halvings for halvings in range(MOST_STAGES)]

CNN = [_large_enough("self.filters.size() - 1", f"{_POWERS}[self.filters.size() - 1]")]
RES_NET_8 = _of_preset(ResNet8)
DS_CNN = _of_preset(DsCnn)

_WITH_ITSELF = "self.crosses.filter(one, one[0] == one[1])"
_SAME = "(other[0] == one[0] && other[1] == one[1] || other[0] == one[1] && other[1] == one[0])"
_TWICE = f"self.crosses.filter(one, self.crosses.filter(other, {_SAME}).size() > 1)"

WIDE_AND_DEEP = [
    Rule(
        f"{_WITH_ITSELF}.size() == 0",
        f"'{{{_WITH_ITSELF}[0][0]}}' is crossed with itself; name two columns",
        "crosses",
        "_crosses_each_pair_once",
    ),
    Rule(
        f"{_TWICE}.size() == 0",
        f"'{{{_TWICE}[0][0]}}' and '{{{_TWICE}[0][1]}}' are crossed twice; once will do",
        "crosses",
        "_crosses_each_pair_once",
    ),
]
