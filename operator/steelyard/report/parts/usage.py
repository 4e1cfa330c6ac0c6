"""How one predicts with the model, with Steelyard and without."""

from steelyard.contract.package import KERAS_FILE, ONNX_FILE, SKOPS_FILE, STANDARDIZED_TARGET, WITHOUT_NETWORK
from steelyard.contract.report import NetworkTraining, PublishedReport, TrainingElsewhere
from steelyard.report.blocks import FEW_COLUMNS, Block, Code, Section, Text, listed
from steelyard.report.told import Told

_EXTRA = "Steelyard with its extra `estimators` (in the folder of its source: `pip install '.[estimators]'`)"


def usage(told: Told) -> Section:
    """The commands, the columns, the lines of NumPy for other runtimes, and what the other files are for."""
    report = told.report
    columns = listed((column.name for column in report.dataset.columns), FEW_COLUMNS)
    return Section(
        "How to use it",
        (
            Code("steelyard verify .\nsteelyard predict . --input rows.csv > predictions.csv"),
            Text(
                f"`rows.csv` needs the columns {columns}, in any order, with the raw values: `preprocessing.json` "
                "holds what fills gaps, scales numbers and encodes words."
            ),
            *_by_hand(report),
            Text(_going_on(report)),
        ),
    )


def _by_hand(report: PublishedReport) -> tuple[Block, ...]:
    """How one runs a file that is no skops file without Steelyard."""
    if report.serving.file == SKOPS_FILE:
        return ()
    has_words = any(column.kind != "Number" for column in report.dataset.columns)
    numbers = 'for c in p["columns"] if c["kind"] == "Number"' if has_words else 'for c in p["columns"]'
    kind = "np.float32"
    if report.serving.file == ONNX_FILE and "HistGradientBoosting" in _estimator(report):
        # Where a row that is rounded would be on the other side of a threshold, the file takes all digits.
        kind = 'np.float64 if session.get_inputs()[0].type == "tensor(double)" else np.float32'
    lines = [
        'p = json.load(open("preprocessing.json"))',
        f'x = np.column_stack([(table[c["name"]] - c["mean"]) / c["scale"] {numbers}]).astype({kind})',
    ]
    if report.output == STANDARDIZED_TARGET:
        lines.append('y = outputs.astype(np.float64) * p["targetScale"] + p["targetMean"]')
    told = (
        f"Who runs `{report.serving.file}` without Steelyard shifts and scales in float64 (`table`: a float64 array "
        "for each column of numbers, its gaps filled with `fill`):"
    )
    blocks = (Text(told), Code("\n".join(lines), "python"))
    if not has_words:
        return blocks
    words = (
        "The other columns stand between them, each in its place: one of words is as many inputs as it has `words`, "
        "1 for its own, 0 elsewhere (for gradient boosting one input, the word's place); one of dates as many as its "
        "parts."
    )
    return (*blocks, Text(words))


def _estimator(report: PublishedReport) -> str:
    """The class of a model of scikit-learn; empty of a network."""
    return "" if isinstance(report.training, NetworkTraining) else report.training.estimator or ""


def _going_on(report: PublishedReport) -> str:
    """What else can be done with the files."""
    if isinstance(report.training, TrainingElsewhere) and report.training.format in WITHOUT_NETWORK:
        return (
            f"Predicting takes `{report.serving.file}` alone. The {report.training.format} that it was made of is not "
            "published again: who trains on goes on with that."
        )
    if not (estimator := _estimator(report)):
        gives = ", and gives the standardized target" if report.task == "Regression" else ""
        return f"`{KERAS_FILE}` is the float32 model for `keras.saving.load_model`; it takes preprocessed rows{gives}."
    loading = (
        f"`{SKOPS_FILE}` is the fitted `{estimator}` of scikit-learn "
        f"{report.versions['scikit-learn']}: `steelyard.serving.estimators.load_estimator` reads it, as does "
        "`skops.io.load` with the types in `TRUSTED_TYPES` there. It takes preprocessed rows in float64, and is no "
        "pickle: loading it runs no code of its own."
    )
    if report.serving.runtime == "LiteRT":
        return (
            f"Predicting takes `{report.serving.file}` alone; `{KERAS_FILE}` is the same network in float32. {loading}"
        )
    if report.serving.file != ONNX_FILE:
        return f"{loading} Predicting needs {_EXTRA}."
    return (
        f"Predicting takes `{report.serving.file}` alone, and {_EXTRA}; where room is short, "
        f"`{SKOPS_FILE}` may be left out where it is deployed. {loading}"
    )
