"""The CEL rules of the CRDs: what crosses fields, said at `kubectl apply` as the models' validators say it here.

`RULES` is the table, by the class that a rule belongs to; each names the validator that it mirrors, with the same
words wherever CEL can say them; `NOT_IN_CEL` holds the rest. Imports the rules only.
"""

from steelyard.schema.rules.code import CODE
from steelyard.schema.rules.dataset import CELLS, DATASET, MARKS, MISSING_VALUES, SPLIT
from steelyard.schema.rules.models import CONTAINER, LEFT_MODEL
from steelyard.schema.rules.networks import CNN, DS_CNN, RES_NET_8, WIDE_AND_DEEP
from steelyard.schema.rules.parts import (
    CLASS_WEIGHTS,
    COMPRESSION,
    ENV_VAR,
    MOUNTED_VOLUME,
    OPTIMIZER,
    POD_TEMPLATE,
    REQUIREMENT,
    WORKSPACE,
)
from steelyard.schema.rules.places import PUBLISH_TARGET, place_rules
from steelyard.schema.rules.search import LABEL, NOT_IN_CEL_OF_TUNING_JOBS
from steelyard.schema.rules.training_job import ROOT, SPEC
from steelyard.schema.rules.trial import TRAINED
from steelyard.schema.rules.tuning_job import OF_TUNING_JOBS

RULES = {
    "TrainingJob": ROOT,
    "TrainingJobSpec": SPEC,
    "MissingValues": MISSING_VALUES,
    "Split": SPLIT,
    "Dataset": [*DATASET, *CELLS],
    "NumberFormat": MARKS,
    "CsvFormat": MARKS,
    "Optimizer": OPTIMIZER,
    "ClassWeights": CLASS_WEIGHTS,
    "Code": CODE,
    "Cnn": CNN,
    "ResNet8": RES_NET_8,
    "DsCnn": DS_CNN,
    "WideAndDeep": WIDE_AND_DEEP,
    "Container": CONTAINER,
    "LeftModel": LEFT_MODEL,
    "Compression": COMPRESSION,
    "Evaluation": [LABEL],
    "Trial": [LABEL],
    "Requirement": [*REQUIREMENT, LABEL],
    "PublishTarget": PUBLISH_TARGET,
    "Trained": [*place_rules("_is_a_model", is_optional=True), *TRAINED],
    "WorkspaceSpec": WORKSPACE,
    "EnvVar": ENV_VAR,
    "MountedVolume": MOUNTED_VOLUME,
    "PodTemplate": POD_TEMPLATE,
    **OF_TUNING_JOBS,
}

_OF_ANY_TYPE = "rules see neither the keys nor the values of a map of values of any type; the operator refuses it"

NOT_IN_CEL = {
    "{problem}": "stands for the words of Place.parse, which the rules of place_rules say, and for classes and "
    "features, which only the data knows",
    "{uri} is not a place: it holds characters that can't be printed": "a path on a claim has none, a rule says",
    "{uri}: ~ is a shell's word; write the whole path": "a cluster takes no path at all, a rule says",
    "'{both}' is named under {other} as well; a column is one or the other": "comparing maps and lists of names may "
    "cost more than the API server allows one rule; the operator refuses it",
    "'{name}' is no identifier of Python, so no function has such a parameter": _OF_ANY_TYPE,
    "the function is given the data's shape as its first argument already": _OF_ANY_TYPE,
    "{value} is no value of JSON; allowed: a number, a text, true, false, null, a list, a map": "a cluster is given "
    "JSON",
    **dict.fromkeys(
        [
            "{name} is listed twice",
            "{candidate} is not made of {models}; allowed: {allowed}",
            "{technique} can't follow {before}; {allowed}",
            "{name} has a meaning of its own; take another name",
            "Int2 writes weights that were learned in 2 bits; list a candidate of several steps, with "
            "{technique: QuantizationAware, bits: 2} right before it",
            "1 is the trained network's own width; allowed is less, or fewerLayers with it",
            "Auto says itself what is tried; leave out the others, or Auto",
            "of {kind} nothing pays that a search would train; allowed: {allowed}",
            "only a search has a limit; say candidates: [Auto], or leave this out",
            "Auto would train networks for every trial; list the candidates",
            "it says all of the student; leave out width and fewerLayers, or leave out model",
            "{kind} is no network; allowed: {allowed}",
            "a student is a network of Steelyard's own kinds; allowed: {allowed}",
            "Pruned takes the units of a narrower network of the same kind; leave out model",
            "Pruned keeps every layer; leave out fewerLayers",
        ],
        "a candidate is a text or a map, and rules see nothing of what has no one type; the operator refuses it",
    ),
    **NOT_IN_CEL_OF_TUNING_JOBS,
}
"""Messages of validators that no rule repeats, and why."""
