"""How good the model is, and where it errs."""

from steelyard.api.metrics import measure_named
from steelyard.contract.report import (
    ConfusedReport,
    ConfusionReport,
    EstimatorTraining,
    NaiveReport,
    PublishedReport,
    ResidualsReport,
    TrainingReport,
)
from steelyard.report.blocks import Block, Section, Table, Text, Warn, code
from steelyard.report.chart_data import Matrix, Quantiles
from steelyard.report.told import Told
from steelyard.texts.figures import number, with_error


def quality(told: Told) -> Section:
    """The figures on each set, what they are read beside, the errors, and the scores on folds."""
    report = told.report
    text = (
        f"Measured with `{report.serving.file}`, the file that is served. ± is one standard error: how much the figure "
        "would vary with another sample of as many rows. The test set was looked at once, after the choice."
    )
    if isinstance(report.training, EstimatorTraining) and report.serving.runtime == "LiteRT":
        teacher = report.training.estimator
        text += f" It is another model than the one that was trained: a network that learned from the {teacher}."
    if report.naive is not None:
        text += f" Without features: the test set's figure of a model that ignores them, {_always(report.naive)}."
    return Section(
        "How good it is",
        (
            *(Warn("Doubtful", doubt) for doubt in report.doubts),
            _metrics(report),
            Text(text),
            *_errors(report),
            *_folds(report.training),
        ),
    )


def _metrics(report: PublishedReport) -> Table:
    splits, naive = report.metrics, report.naive
    rows = []
    for name in splits["test"]:
        figures = [splits[split][name] for split in splits]
        shown = [with_error(figure.value, figure.standard_error) for figure in figures]
        beside = "-" if naive is None else number(naive.test[name])
        rows.append((name, *shown, beside, measure_named(name).meaning))
    return Table(("metric", *splits, "without features", "meaning"), tuple(rows))


def _always(naive: NaiveReport) -> str:
    says = naive.says
    return f"always saying {code(says)}" if isinstance(says, str) else f"always saying the mean, {says:.6g}"


def _errors(report: PublishedReport) -> tuple[Block, ...]:
    """Where the model errs on the test set."""
    match report.errors:
        case ResidualsReport(residuals=residuals):
            title = "Target minus prediction on the test set, by quantile"
            return Text(f"{title}:"), Quantiles(title, f"{report.target} minus prediction", residuals)
        case ConfusedReport(confused=pairs):
            rows = tuple((code(pair.label), code(pair.said), f"{pair.rows:,}") for pair in pairs)
            table = Table(("label", "said", "rows"), rows, frozenset({2}))
            return Text("Test rows that were confused most often:"), table
        case ConfusionReport(confusion=counts):
            title = "Test rows, by label (down) and what was said (across)"
            chart = Matrix(title, tuple(report.dataset.classes or ()), tuple(map(tuple, counts)))
            return Text(f"{title}:"), chart
    return ()


def _folds(training: TrainingReport) -> tuple[Block, ...]:
    """The scores on folds, where there are some."""
    if not isinstance(training, EstimatorTraining) or training.cross_validation is None:
        return ()
    folds = training.cross_validation
    rows = tuple(
        (name, *(f"{value:.4g}" for value in (folds.means[name], min(scores), max(scores))))
        for name, scores in folds.scores.items()
    )
    text = (
        f"Cross-validation: {folds.folds} models of the same settings, each fitted on the other folds of the "
        f"{folds.rows:,} rows that are not the test set, scored on its own."
    )
    return Text(text), Table(("metric", "mean", "smallest", "largest"), rows)
