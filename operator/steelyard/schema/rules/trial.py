"""The CEL rules of what a TuningJob asks of its TrainingJobs: onlyPrepare, trained and trial. Imports the api and the
schema only."""

from steelyard.api.models import KINDS
from steelyard.api.places import TARGETS, UNSEEN_FILE, on_cluster
from steelyard.schema.cel import Rule
from steelyard.schema.rules.kinds import are_given, variants
from steelyard.schema.rules.places import begins

TRAINED = [
    Rule(
        "has(self.uri) || self.refit",
        "the model that is taken as it is must be named; or say refit: true",
        "uri",
        "_is_a_model",
    ),
    Rule(
        "!has(self.format) || !self.refit",
        "a model from elsewhere (format) is taken as it is; leave this out",
        "refit",
        "_is_a_model",
    ),
    Rule(
        "!has(self.epochs) || self.refit",
        "a model that is taken as it is has its epochs behind it; epochs go with refit: true",
        "epochs",
        "_is_a_model",
    ),
    Rule(
        f"!has(self.uri) || {begins('self.uri', on_cluster(TARGETS))}",
        f"'{{self.uri}}' {UNSEEN_FILE}",
        "uri",
        "cluster_problems",
    ),
]

_IS_PREPARED = "has(self.dataset.format) && self.dataset.format == 'Prepared'"
_IS_REFIT = "has(self.trained) && self.trained.refit"
IS_FROM_ELSEWHERE = "(has(self.trained) && has(self.trained.format))"
_IS_KEPT = " || ".join(sorted(are_given(variants(lambda can: not can.is_fitted_anew))))
_LACKS_FOLDS = " || ".join(sorted(are_given(variants(lambda can: not can.has_folds))))

ONLY_PREPARE = [
    Rule(
        f"!self.onlyPrepare || !({_IS_PREPARED})",
        "a dataset of format Prepared is prepared already; leave out one of the two",
        "onlyPrepare",
        "_only_prepares",
    ),
    *(
        Rule(
            f"!self.onlyPrepare || !has(self.{field})" + (" || self.publish.size() == 0" if field == "publish" else ""),
            f"a job that only prepares the data (onlyPrepare) has no {field}; leave it out",
            field,
            "_only_prepares",
        )
        for field in ("publish", "compression", "trained", "trial")
    ),
]

WITH_TRAINED = [
    Rule(
        f"has(self.model) || {IS_FROM_ELSEWHERE}",
        f"this field is needed, but it is missing; allowed: one of {', '.join(KINDS)}; or a model from elsewhere, by "
        "trained.uri and trained.format",
        "model",
        "_has_a_model",
    ),
    Rule(
        f"!has(self.model) || !{IS_FROM_ELSEWHERE}",
        "a model from elsewhere (trained.format) is what its file says; leave this out",
        "model",
        "_has_a_model",
    ),
    Rule(
        f"!{IS_FROM_ELSEWHERE} || !({_IS_PREPARED})",
        "a model from elsewhere (trained.format) is judged on a table that this job prepares; allowed: CSV, Parquet",
        "dataset.format",
        "_goes_with_what_was_trained",
    ),
    Rule(
        f"!has(self.trained) || {IS_FROM_ELSEWHERE} || {_IS_PREPARED}",
        "a model that another job has trained (trained) goes with the data of that job: name its folder "
        "`prepared`, with format Prepared",
        "dataset.format",
        "_goes_with_what_was_trained",
    ),
    Rule(
        "!has(self.trained) || !has(self.trial)",
        "a trial trains a model of its own; leave out trained",
        "trained",
        "_goes_with_what_was_trained",
    ),
    Rule(
        f"!({_IS_REFIT}) || !has(self.training.earlyStopping)",
        "no validation set is left to watch when it is trained on (trained.refit); leave this out, and say in "
        "trained.epochs how long to train",
        "training.earlyStopping",
        "_goes_with_what_was_trained",
    ),
    Rule(
        "!has(self.trained) || !has(self.trained.epochs) || self.trained.epochs <= self.training.epochs",
        "{self.trained.epochs} is more than training.epochs, {self.training.epochs}",
        "trained.epochs",
        "_goes_with_what_was_trained",
    ),
    Rule(
        f"!({_IS_REFIT}) || has(self.trained.uri) || !({_IS_KEPT})",
        "a refitted network is weighed by a model that was trained without the validation set; name it",
        "trained.uri",
        "_goes_with_what_was_trained",
    ),
]

OF_TRIALS = [
    Rule(
        f"!has(self.trial) || !has(self.trial.pairedLimit) || !({_LACKS_FOLDS})",
        "a network is not scored on folds; leave this out",
        "trial.pairedLimit",
        "_is_a_trial",
    ),
    Rule(
        "!has(self.trial) || has(self.publish) && self.publish.size() == 0",
        "a trial publishes nothing; say publish: []",
        "publish",
        "_is_a_trial",
    ),
    Rule(
        "!has(self.trial) || has(self.compression) == has(self.trial.secondary)",
        "a trial compresses for trial.secondary only; give both or leave out both",
        "compression",
        "_is_a_trial",
    ),
    Rule(
        "!has(self.trial) || self.evaluation.require.size() == 0 && !has(self.evaluation.maxGeneralizationGap)",
        "a trial does not look at the test set; leave out require and maxGeneralizationGap",
        "evaluation",
        "_is_a_trial",
    ),
    Rule(
        "!has(self.trial) || !has(self.runPolicy.ttlSecondsAfterFinished)",
        "a trial goes with its TuningJob; give that a runPolicy.ttlSecondsAfterFinished, and leave this out",
        "runPolicy.ttlSecondsAfterFinished",
        "_is_a_trial",
    ),
]
