"""What to do instead, for what people expect of such a program and this one has not. Imports formats only.

The words stand beside an error's own, which are those of the CRD's rules as well.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steelyard.formats.table import ENDINGS

_SHEETS = (".xlsx", ".xls", ".xlsm", ".ods")
_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")
_OTHER_TABLES = (".json", ".jsonl", ".npz", ".npy", ".feather", ".orc", ".arff", ".pkl", ".pickle", ".db", ".sqlite")

_DOWNLOADS = {
    "s3": "aws s3 cp {uri} .",
    "gs": "gcloud storage cp {uri} .",
    "http": "curl -O {uri}",
    "https": "curl -O {uri}",
}
_READ_HERE = ("pvc:", "sklearn:")
"""What is wrong with such a URI the error itself says."""
_FRAMEWORKS = ("keras", "tensorflow", "tf", "pytorch", "torch", "sklearn", "script")
_GPUS = ("gpu", "gpus", "numGpus", "accelerator", "accelerators", "device", "nvidia.com/gpu")
_OTHER_JOBS = ("PyTorchJob", "TFJob", "XGBoostJob", "MPIJob", "JAXJob", "PaddleJob", "TrainJob", "Job", "RayJob")
_BOOSTING = ("xgboost", "xgb", "lightgbm", "lgbm", "catboost", "gbm", "gbdt", "gbt", "gbrt", "boosting", "adaboost")
_FORESTS = ("rf", "forest", "forests", "randomforests", "decisiontree", "tree", "extratrees", "cart", "bagging")
_NETWORKS = ("nn", "dnn", "ann", "neuralnetwork", "neuralnet", "network", "perceptron", "dense", "deeplearning")
_OF_PICTURES = ("image", "images", "conv", "conv2d", "convnet", "resnet", "resnet18", "resnet50", "mobilenet", "vgg")
_NEIGHBORS = ("knn", "kneighbors", "neighbors", "kneighborsclassifier", "kneighborsregressor")
_LOGISTIC = ("logistic", "logit", "logreg")
_OTHER_MODELS: tuple[str, ...] = (
    "svm",
    "svc",
    "svr",
    "linearsvc",
    "linearsvr",
    "naivebayes",
    "gaussiannb",
    "nb",
    "bayes",
)
_OTHER_MODELS += ("gaussianprocess", "lda", "qda", "glm", "poisson", "lightfm", "prophet", "arima", "ensemble")
_OTHER_MODELS += ("linearregression", "ols", "lm", "sgd", "stacking", "voting", "kmeans", "pca", "tabnet", "automl")
MODELS = (
    "mlp, linear, cnn, resNet8, dsCnn and wideAndDeep (networks), gradientBoosting, randomForest, ridge, lasso, "
    "elasticNet (regression), logisticRegression (classification), nearestNeighbors, entrypoint and container"
)

_OF_A_SPEC: tuple[str, ...] = ("dataset", "model", "task", "training", "evaluation", "compression", "publish")
_OF_A_SPEC += ("template", "objective", "parameters", "algorithm", "maxTrials")
"""What people write at the top of a manifest, and belongs under spec."""

_LEARNS_FROM_TABLES = "Steelyard learns from tables, a row for each example: CSV or Parquet"


def instead_of_source(uri: str) -> str:
    """Of a source that is not read; empty where there is nothing better to say."""
    name, (scheme, colon, _) = uri.lower(), uri.partition("://")
    is_read = name.startswith(_READ_HERE)
    if colon and not is_read:
        command = _DOWNLOADS.get(scheme.lower())
        how = f"download it, such as with `{command.format(uri=uri)}`" if command else "download it"
        return f"{how}, and name the file; on a cluster put it on a claim (pvc://CLAIM/PATH)"
    if name.endswith(_SHEETS):
        csv = f"{Path(uri).stem}.csv"
        return (
            f"save the sheet as CSV, in the spreadsheet program or with pandas: "
            f"pandas.read_excel({uri!r}).to_csv({csv!r}, index=False)"
        )
    if name.endswith(_IMAGES):
        return f"images are not read. {_LEARNS_FROM_TABLES}"
    if name.endswith(_OTHER_TABLES):
        return "make a CSV or Parquet file of it, such as with pandas: DataFrame.to_parquet"
    if "." not in Path(uri).name and not is_read:
        return f"name one file; a folder, of images for instance, is not read. {_LEARNS_FROM_TABLES}"
    return ""


def instead_of_folder(path: Path) -> str:
    """Of a folder in a file's place; empty where it is an ordinary one."""
    for number, each in enumerate(path.rglob("*")):
        if each.suffix.lower() in _IMAGES:
            return f"it holds images, which are not read. {_LEARNS_FROM_TABLES}"
        if number > 1000:
            break
    return ""


def instead_of_manifest(path: Path) -> str:
    """Of a file that somebody takes for a manifest; empty where it may be one."""
    text = re.sub(r"^(\w+):/+", r"\1://", str(path))
    name = text.lower()
    if "://" in text:
        return f"a manifest is a file on this machine: {instead_of_source(text).partition(';')[0]}"
    if name.endswith(ENDINGS):
        return f"it is a table: `steelyard init {path}` writes a manifest for it, which `steelyard run` takes"
    if name.endswith(_SHEETS):
        return f"it is a spreadsheet: {instead_of_source(text)}; then `steelyard init` writes a manifest for that"
    if name.endswith((".py", ".ipynb")):
        return "Steelyard runs no code of yours: `steelyard init TABLE.csv` writes a manifest with table and model"
    return ""


def instead_of_kind(kind: object) -> str:
    """Of a manifest of another program's."""
    if kind not in _OTHER_JOBS:
        return ""
    return (
        f"a {kind} runs a container of yours; here it is the model.container of a TrainingJob "
        "(docs/container-contract.md). Steelyard trains models of its own, too, and needs no code: "
        "`steelyard init TABLE.csv` writes a TrainingJob"
    )


def instead_of_field(path: str) -> str:
    """Of a field that is not there."""
    name = path.rpartition(".")[2]
    if name in _GPUS or path.endswith("nvidia.com/gpu"):
        return (
            "on a cluster, with the trainer's image for GPUs (docs/installing.md), a job asks for one by "
            'spec.template.resources.train.limits: {nvidia.com/gpu: "1"}; a run on this machine uses its CPUs'
        )
    if name in _FRAMEWORKS:
        return (
            "a network is model: {mlp: {hiddenUnits: [64]}}; a training program of your own is model: {container: "
            "{command: [python, train.py], model: {format: Keras}}} (docs/container-contract.md); a model of Keras or "
            "scikit-learn that is trained already is made small by `steelyard compress`"
        )
    if instead := _instead_of_model(name):
        return instead
    if name.lower() in _OF_PICTURES:
        return "pictures are columns of a table, one for each pixel: model: {cnn: {inputShape: [8, 8, 1]}}"
    if name.lower() in ("transformer", "lstm", "rnn", "gru"):
        return f"there are networks for tables only (mlp, linear, cnn, wideAndDeep). {_LEARNS_FROM_TABLES}"
    return ""


def _instead_of_model(name: str) -> str:
    """Of a model that other libraries have; empty where it is none."""
    plain = re.sub(r"[^a-z]", "", name.lower())
    plain = re.sub(r"(classifier|regressor|classification|regression)$", "", plain) or plain
    if plain in _BOOSTING or plain.startswith(("hist", "gradientboost", "xgb", "lgbm")):
        return f"boosted trees are model: {{gradientBoosting: {{}}}}, which is scikit-learn's; {name} is not built in"
    if plain in _FORESTS:
        return "trees are model: {randomForest: {}}"
    if plain in _NETWORKS:
        return "a network is model: {mlp: {hiddenUnits: [64]}}"
    if plain in _NEIGHBORS:
        return "k nearest neighbors are model: {nearestNeighbors: {}}"
    if plain in _LOGISTIC:
        return "logistic regression is model: {logisticRegression: {}}"
    if plain in _OTHER_MODELS or name.lower() in _OTHER_MODELS:
        return f"there is no model {name}; there are {MODELS}"
    return ""


def advice(manifest: Mapping[str, Any], paths: list[str]) -> list[str]:
    """What to do instead about the mistakes of a manifest, without repetition.

    Args:
        manifest: as it was read.
        paths: the fields that are wrong, from the root.
    """
    found: list[str] = []
    if astray := [path for path in paths if path in _OF_A_SPEC]:
        fields = ", ".join(f"{name}: ..." for name in astray)
        found.append(f"{' and '.join(astray)} belong under spec, as in spec: {{{fields}}}")
    for path in paths:
        if path == "kind":
            found.append(instead_of_kind(manifest.get("kind")))
        elif re.search(r"dataset\.(uri|testUri|format)$", path):
            field = "testUri" if path.endswith("testUri") else "uri"
            uri = _at(manifest, path.rpartition(".")[0]).get(field)
            found.append("" if uri is None else instead_of_source(str(uri)))
        elif re.search(r"publish\[\d+\]\.uri$", path):
            found.append(_instead_of_target(_at(manifest, path.rpartition(".")[0])))
        else:
            found.append(instead_of_field(path))
    return list(dict.fromkeys(filter(None, found)))


def _instead_of_target(target: Mapping[str, Any]) -> str:
    uri = str(target.get("uri"))
    if "://" not in uri or uri.startswith(_READ_HERE):
        return ""
    return f"publish to a folder, and copy it to {uri} afterwards; `steelyard verify` says whether it arrived whole"


def _at(manifest: Any, path: str) -> Mapping[str, Any]:
    """The map at a path, such as spec.publish[0]; an empty one where there is none."""
    for key in re.findall(r"\w+", path):
        if isinstance(manifest, list):
            manifest = manifest[int(key)] if key.isdigit() and int(key) < len(manifest) else {}
        else:
            manifest = manifest.get(key) if isinstance(manifest, Mapping) else {}
    return manifest if isinstance(manifest, Mapping) else {}
