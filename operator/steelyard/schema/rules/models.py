"""The CEL rules of scikit-learn's models, as `api/models/rules` has them. Imports the api and the schema only."""

from steelyard.api.compression import BASELINE, CANDIDATES_OF_ESTIMATORS, CANDIDATES_OF_NETWORKS
from steelyard.api.dataset import SPLIT_BY
from steelyard.api.models import TASK_OF_MODEL
from steelyard.api.models.rules import ESTIMATORS, FIELDS_OF_NETWORKS, WEIGH_CLASSES
from steelyard.api.training import Checkpoint, Optimizer, Training
from steelyard.schema.cel import Rule, literal_list

# A model that an older CRD let in is no estimator: what it has beside it is then not looked at, as it may be anything.
_IS_NETWORK = "(!({}))".format(" || ".join(f"has(self.model.{kind})" for kind in ESTIMATORS))

_OPTIONAL_OF_OPTIMIZER = [info.alias for info in Optimizer.model_fields.values() if info.default is None]
_IS_CHANGED = {
    "epochs": f"self.training.epochs != {Training().epochs}",
    "batchSize": f"self.training.batchSize != {Training().batch_size}",
    "optimizer": " || ".join(
        [
            f"self.training.optimizer.name != '{Optimizer().name}'",
            f"self.training.optimizer.learningRate != {Optimizer().learning_rate}",
            *(f"has(self.training.optimizer.{alias})" for alias in _OPTIONAL_OF_OPTIMIZER),
        ]
    ),
    "learningRateSchedule": "has(self.training.learningRateSchedule)",
    "earlyStopping": "has(self.training.earlyStopping)",
    "checkpoint": f"self.training.checkpoint.everySeconds != {Checkpoint().every_seconds} || "
    "has(self.training.checkpoint.everySteps)",
}
assert set(_IS_CHANGED) == {Training.model_fields[field].alias for field in FIELDS_OF_NETWORKS}


def _foreign_candidate(own: tuple[str, ...], kinds: str, unless: str) -> Rule:
    allowed = (BASELINE, *own)
    foreign = f"self.compression.candidates.filter(one, !(one in {literal_list(allowed)}))"
    return Rule(
        f"{unless} || !has(self.compression) || !has(self.compression.candidates) || {foreign}.size() == 0",
        f"{{{foreign}[0]}} is not made of {kinds}; allowed: {', '.join(allowed)}",
        "compression.candidates",
        "check_estimator" if own == CANDIDATES_OF_ESTIMATORS else "check_network",
    )


OF_ESTIMATORS = [
    Rule(
        f"{_IS_NETWORK} || self.training.workers == 1",
        "scikit-learn's models are fitted in one process; allowed: 1",
        "training.workers",
        "check_estimator",
    ),
    *(
        Rule(
            f"{_IS_NETWORK} || !({is_changed})",
            f"{path.rpartition('.')[2]} does nothing for scikit-learn's models, which have no epochs; leave it out",
            path,
            "check_estimator",
        )
        for path, is_changed in [
            *((f"training.{alias}", is_changed) for alias, is_changed in _IS_CHANGED.items()),
            ("trained.epochs", "has(self.trained) && has(self.trained.epochs)"),
        ]
    ),
    Rule(
        "!has(self.training.classWeights) || "
        + " || ".join([_IS_NETWORK, *(f"has(self.model.{kind})" for kind in WEIGH_CLASSES)]),
        f"of scikit-learn's models only {', '.join(WEIGH_CLASSES)} weigh classes; leave it out",
        "training.classWeights",
        "check_estimator",
    ),
    Rule(
        f"!{_IS_NETWORK} || !has(self.evaluation.crossValidation)",
        "a network is judged on the parts of the split, folds are for scikit-learn's models: " + ", ".join(ESTIMATORS),
        "evaluation.crossValidation",
        "check_network",
    ),
    *(
        Rule(
            f"{_IS_NETWORK} || !has(self.evaluation.crossValidation) || !has(self.dataset.split.{by})",
            f"folds are dealt out by chance, but the rows by split.{by}; leave out one of the two",
            "evaluation.crossValidation",
            "check_estimator",
        )
        for by in SPLIT_BY
    ),
    _foreign_candidate(CANDIDATES_OF_ESTIMATORS, "scikit-learn's models", _IS_NETWORK),
    _foreign_candidate(CANDIDATES_OF_NETWORKS, "networks", f"!{_IS_NETWORK}"),
    *(
        Rule(
            f"!has(self.task) || self.task == '{own}' || !has(self.model.{kind})",
            f"{kind} is for {own}, but the task is {{self.task}}",
            "model",
            "check_model",
        )
        for kind, own in TASK_OF_MODEL.items()
    ),
]
