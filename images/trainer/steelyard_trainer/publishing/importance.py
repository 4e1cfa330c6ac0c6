"""How much each parameter matters to the objective. Imports steelyard, numpy and scikit-learn.

A random forest learns the objective from the parameters; a parameter's importance is its share of the variance that the
forest's splits explain (mean decrease in impurity: Breiman, "Random Forests", 2001).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from steelyard.api.tuning import Parameter
from steelyard.report.scales import scale_of
from steelyard.report.search import FEWEST_ANSWERS
from steelyard.report.search_charts import Importance
from steelyard.search.log import Entry


def importance_of(parameters: Sequence[Parameter], answers: Sequence[Entry]) -> Importance | None:
    """The importance of each parameter; None where there are too few answers, or all are the same."""
    values = np.array([entry.value for entry in answers], dtype=np.float64)
    if len(values) < FEWEST_ANSWERS or np.ptp(values) == 0:
        return None
    from sklearn.ensemble import RandomForestRegressor

    features = np.array([[_place(parameter, entry) for parameter in parameters] for entry in answers])
    forest = RandomForestRegressor(n_estimators=200, random_state=0, oob_score=True, bootstrap=True)
    forest.fit(features, values)
    shares = zip((parameter.path for parameter in parameters), map(float, forest.feature_importances_), strict=True)
    ordered = tuple(sorted(shares, key=lambda share: (-share[1], share[0])))
    return Importance(ordered, float(forest.oob_score_))


def _place(parameter: Parameter, entry: Entry) -> float:
    """Where the value lies on its axis; -1 where the parameter does not exist."""
    if parameter.path not in entry.values:
        return -1.0
    value: Any = entry.values[parameter.path]
    return float(scale_of(parameter).place(value))
