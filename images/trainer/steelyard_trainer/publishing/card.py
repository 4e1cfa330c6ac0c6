"""The model card: what a person should know before using a published model. Pure; made from steelyard.json alone."""

import json
from collections.abc import Iterable
from typing import Any

from steelyard.api.compression import BASELINE
from steelyard.api.metrics import measure_named
from steelyard.contract.package import (
    KERAS_FILE,
    LITERT_FILE,
    ONNX_FILE,
    SEARCH_FILE,
    SEARCH_PAGE_FILE,
    SKOPS_FILE,
    STANDARDIZED_TARGET,
)
from steelyard.texts.figures import counted, number, with_error

_SERVED = {"float32": {}, "skops": {BASELINE: SKOPS_FILE, "Onnx": ONNX_FILE}}
"""The file of each candidate, by what the baseline is called; all of a network's are in one format."""


_EXTRA = "Steelyard with its extra `estimators` (in the folder of its source: `pip install '.[estimators]'`)"


def model_card(report: dict[str, Any]) -> str:
    """The card as Markdown."""
    data, choice = report["dataset"], report["choice"]
    served = _SERVED[choice["baseline"]].get(choice["chosen"], LITERT_FILE)
    sections = [
        f"# {_plain(report['name'])}",
        _purpose(report),
        "## How good it is",
        *(f"**Doubtful:** {_code(doubt)}" for doubt in report["doubts"]),
        _metrics(report),
        f"Measured with `{served}`, the file that is served. ± is one standard error: how much the figure would "
        "vary with another sample of as many rows. The test set was looked at once, after the choice. "
        f"Without features: the test set's figure of a model that ignores them, {_naive(report)}.",
        *_errors(report),
        *_cross_validation(report["training"]),
        *_search(report),
        "## How it was chosen",
        f"Published: {choice['why']}. It has {choice['bytes']:,} bytes, "
        f"{choice['bytes'] / choice['baselineBytes']:.3f} of the {choice['baseline']} model.",
        *_refit(choice),
        _candidates(choice),
        "## Data",
        _data(data, report["target"]),
        "## How to use it",
        "```\nsteelyard verify .\nsteelyard predict . --input rows.csv > predictions.csv\n```",
        f"`rows.csv` needs the columns {_words(column['name'] for column in data['columns'])}, in any order, with the "
        "raw values: `preprocessing.json` holds what fills gaps, scales numbers and encodes words.",
        *_by_hand(report, served),
        _going_on(report, served),
        "## Limits",
        _limits(report),
        "## How it was made",
        _making(report),
    ]
    return "\n\n".join(sections) + "\n"


def _purpose(report: dict[str, Any]) -> str:
    target, classes, columns = _code(report["target"]), report["dataset"]["classes"], report["dataset"]["columns"]
    if classes is None:
        return f"Predicts the number {target} from {counted(len(columns), 'column')} of a table."
    return (
        f"Predicts {target}, one of {len(classes)} labels ({_words(classes)}), from "
        f"{counted(len(columns), 'column')} of a table."
    )


def _metrics(report: dict[str, Any]) -> str:
    splits, naive = report["metrics"], report["naive"]["test"]
    rows = [["metric", *splits, "without features", "meaning"]]
    for name in splits["test"]:
        figures = [splits[split][name] for split in splits]
        shown = [with_error(figure["value"], figure["standardError"]) for figure in figures]
        rows.append([name, *shown, number(naive[name]), measure_named(name).meaning])
    return _table(rows)


def _naive(report: dict[str, Any]) -> str:
    says = report["naive"]["says"]
    return f"always saying {_code(says)}" if isinstance(says, str) else f"always saying the mean, {says:.6g}"


def _errors(report: dict[str, Any]) -> list[str]:
    """Where the model errs on the test set."""
    errors = report["errors"]
    if "residuals" in errors:
        shares = [f"{float(share):.0%}" for share in errors["residuals"]]
        return [
            "Target minus prediction on the test set, by quantile:",
            _table([shares, [f"{value:.6g}" for value in errors["residuals"].values()]]),
        ]
    if "confused" in errors:
        rows = [[_code(each["label"]), _code(each["said"]), f"{each['rows']:,}"] for each in errors["confused"]]
        return ["Test rows that were confused most often:", _table([["label", "said", "rows"], *rows])]
    classes = [_code(label) for label in report["dataset"]["classes"]]
    rows = [[label, *(f"{count:,}" for count in row)] for label, row in zip(classes, errors["confusion"], strict=True)]
    return ["Test rows, by label (down) and what was said (across):", _table([["", *classes], *rows])]


def _search(report: dict[str, Any]) -> list[str]:
    """What is said of the best model of a search."""
    search = report.get("search")
    if search is None:
        return []
    values = ", ".join(_code(f"{path}: {json.dumps(value)}") for path, value in search["parameters"].items())
    return [
        "## How it was found",
        f"By the search {_code(search['name'])} ({search['algorithm']}) over {_code(search['dataset'])}: of "
        f"{counted(search['trials'], 'trial')} the best is trial {search['trial']}, {search['metric']} "
        f"{search['value']:.4g} on {search['measuredOn']}, with {values}. It was picked by that figure, "
        f"which flatters it; the test set had no say. "
        f"`{SEARCH_PAGE_FILE}` shows all trials, `{SEARCH_FILE}` is the search with its log.",
    ]


def _refit(choice: dict[str, Any]) -> list[str]:
    """What is said of a model that was trained on all rows but the test set."""
    if choice["madeWith"] is None:
        return []
    return [
        f"The compression was chosen with the model of {choice['madeWith']}, whose figures are in the table, before it "
        "was refitted on the training and validation sets together and compressed in the same way. The figures above "
        "are the refitted model's: `train` is of both sets, and no row but those of the test set was new to it."
    ]


def _cross_validation(training: dict[str, Any]) -> list[str]:
    """The scores on folds, where there are some."""
    folds = training.get("crossValidation")
    if folds is None:
        return []
    rows = [["metric", "mean", "smallest", "largest"]]
    for name, scores in folds["scores"].items():
        rows.append([name, *(f"{value:.4g}" for value in (folds["means"][name], min(scores), max(scores)))])
    return [
        f"Cross-validation: {folds['folds']} models of the same settings, each fitted on the other folds of the "
        f"{folds['rows']:,} rows that are not the test set, scored on its own.",
        _table(rows),
    ]


def _by_hand(report: dict[str, Any], served: str) -> list[str]:
    """How one runs a file that is no skops file without Steelyard."""
    if served == SKOPS_FILE:
        return []
    has_words = any(column["kind"] != "Number" for column in report["dataset"]["columns"])
    numbers = 'for c in p["columns"] if c["kind"] == "Number"' if has_words else 'for c in p["columns"]'
    # What gradient boosting compares with its thresholds must have all its digits.
    kind = "float64" if "HistGradientBoosting" in report["training"].get("estimator", "") else "float32"
    lines = [
        'p = json.load(open("preprocessing.json"))',
        f'x = np.column_stack([(table[c["name"]] - c["mean"]) / c["scale"] {numbers}]).astype(np.{kind})',
    ]
    if report.get("output") == STANDARDIZED_TARGET:
        lines.append('y = outputs.astype(np.float64) * p["targetScale"] + p["targetMean"]')
    told = (
        f"Who runs `{served}` without Steelyard shifts and scales in float64 (`table`: a float64 array for each column "
        "of numbers, its gaps filled with `fill`):"
    )
    code = "```python\n" + "\n".join(lines) + "\n```"
    if not has_words:
        return [told, code]
    words = (
        "The other columns stand between them, each in its place: one of words is as many inputs as it has `words`, "
        "1 for its own, 0 elsewhere (for gradient boosting one input, the word's place); one of dates as many as its "
        "parts."
    )
    return [told, code, words]


def _going_on(report: dict[str, Any], served: str) -> str:
    """What else can be done with the files."""
    if report["choice"]["baseline"] == "float32":
        gives = ", and gives the standardized target" if report["task"] == "Regression" else ""
        return f"`{KERAS_FILE}` is the float32 model for `keras.saving.load_model`; it takes preprocessed rows{gives}."
    versions = report["versions"]
    loading = (
        f"`{SKOPS_FILE}` is the fitted `{report['training']['estimator']}` of scikit-learn {versions['scikit-learn']}: "
        "`steelyard.serving.estimators.load_estimator` reads it, as does `skops.io.load` with the types in "
        "`TRUSTED_TYPES` there. It takes preprocessed rows in float64, and is no pickle: loading it runs no code of "
        "its own."
    )
    if served == SKOPS_FILE:
        return f"{loading} Predicting needs {_EXTRA}."
    return (
        f"Predicting takes `{served}` alone, and {_EXTRA}; where room is short, "
        f"`{SKOPS_FILE}` may be left out where it is deployed. {loading}"
    )


def _candidates(choice: dict[str, Any]) -> str:
    metric = choice["primaryMetric"]
    rows = [["candidate", "bytes", "µs a row", f"{metric} (validation)", "drop", "verdict"]]
    for candidate in choice["candidates"]:
        figures = candidate["validation"]
        shown = with_error(figures[metric]["value"], figures[metric]["standardError"]) if figures else "-"
        drop = "-" if candidate["drop"] is None else f"{candidate['drop']:.4g}"
        cost = ["-", "-"]
        if candidate["bytes"] is not None:
            cost = [f"{candidate['bytes']:,}", f"{candidate['latencyMicroseconds']:.2f}"]
        name = choice["baseline"] if candidate["name"] == BASELINE else candidate["name"]
        rows.append([name, *cost, shown, drop, candidate["verdict"]])
    return _table(rows)


def _data(data: dict[str, Any], target: str) -> str:
    parts = ", ".join(f"{rows:,} for {split}" for split, rows in data["rows"].items())
    lines = [
        f"- Rows: {data['sourceRows']:,} were read, {data['droppedRows']:,} dropped; {parts}.{_split(data['split'])}",
        f"- Target: {_code(target)}. Columns: "
        + _words(f"{column['name']} ({column['kind'].lower()})" for column in data["columns"])
        + ".",
        f"- Fingerprint: `{data['fingerprint']}`.",
    ]
    if data["classCounts"] is not None:
        counts = zip(data["classes"], data["classCounts"]["train"], strict=True)
        lines.append("- Training rows of each label: " + _words(f"{label}: {count:,}" for label, count in counts) + ".")
    return "\n".join(lines)


def _split(split: dict[str, Any]) -> str:
    """How the rows were dealt out, where it was not by chance alone."""
    how = {
        "group": "all rows of one {} are in one set",
        "time": "the sets follow each other in the order of {}, test last",
        "column": "{} says which row is in which set",
        "testUri": "the test set is the file {}",
    }
    said = [text.format(_code(split[field])) for field, text in how.items() if field in split]
    return f" Split: {'; '.join(said)}." if said else ""


def _limits(report: dict[str, Any]) -> str:
    lines = [
        "- The test rows come from the same source as the training rows. Rows from another time, place or population "
        "were not tested.",
        "- Fairness towards groups of people, robustness against manipulated rows, and calibration of the outputs were "
        "not tested.",
        "- Latency was measured on the machine that trained, one row at a time on one thread.",
    ]
    if any(column["kind"] == "Category" for column in report["dataset"]["columns"]):
        lines.append("- A word that the training set did not have counts as none of the known ones.")
    if report["dataset"]["classes"] is not None:
        lines.append(
            "- It answers with one of the labels above for every row, also for one that belongs to none of them."
        )
    return "\n".join(lines)


def _making(report: dict[str, Any]) -> str:
    training, choice = report["training"], report["choice"]
    how = (
        f"Trained for {counted(training['epochs'], 'epoch')} on {counted(training['workers'], 'worker')}; the weights "
        f"are those of epoch {training['bestEpoch']}."
        if choice["baseline"] == "float32"
        else f"Fitted as `{training['estimator']}` with "
        + _words(f"{name}={value!r}" for name, value in training["parameters"].items())
        + "."
    )
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    return f"{how} Versions: {versions}. The manifest and every figure in full are in `steelyard.json`."


def _table(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(map(_plain, row)) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    return "\n".join(lines)


def _words(words: Iterable[str], limit: int = 30) -> str:
    listed = list(words)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(map(_code, listed[:limit])) + more


def _code(text: str) -> str:
    """The user's own words, which Markdown must not read."""
    return "`" + " ".join(text.replace("`", "'").split()) + "`"


def _plain(text: str) -> str:
    return text.replace("|", "\\|")
