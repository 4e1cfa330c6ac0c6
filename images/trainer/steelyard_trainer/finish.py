"""The last stage: weighs the candidates, judges the chosen one, publishes it. Imports steelyard and the families'
registry, which brings the libraries of the model's family only.
"""

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

from steelyard.api.compression import BASELINE, CompressionObjective
from steelyard.api.losses import allowed, fell
from steelyard.api.training_job import TrainingJobSpec
from steelyard.contract.report import BeforeReport, CodeReport, HeadroomReport
from steelyard.contract.summaries import CandidateSummary
from steelyard.report.parts.making import TRAINED_BY_PROGRAM, TRAINED_ELSEWHERE
from steelyard.stores.registry import store_at
from steelyard_trainer.begin import begin
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.choice import Choice
from steelyard_trainer.compression.limits import ROUNDING
from steelyard_trainer.compression.weighing import Bench, baseline_name, check_refitted, weigh
from steelyard_trainer.container.left import taken_in
from steelyard_trainer.contract import Outcome, StageContext
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.elsewhere.arrival import arrived
from steelyard_trainer.evaluation.before import before_of
from steelyard_trainer.evaluation.gates import check_gates
from steelyard_trainer.evaluation.headroom import headroom
from steelyard_trainer.evaluation.judge import Judgement, judge_parts
from steelyard_trainer.families.registry import family_of
from steelyard_trainer.publishing.found_by import FoundBy
from steelyard_trainer.publishing.package import Evidence, Sizes, assemble, output_of
from steelyard_trainer.trained import TrainedFolder

MOST_SHOWN = 8
"""Candidates that a status has room for; steelyard.json has all."""
_FITTED_FOR_IT = "this job, fitted on the training set alone"


def finish(context: StageContext) -> Outcome:
    """Runs the stage. The choice is made on the validation set; the test set judges once, the chosen model only.

    Raises:
        SteelyardError: a gate was not met, or nothing is within the limits of compression (reason GateFailed); nothing
            is published then.
        ConfigurationError: a place can't be published to.
        SteelyardError: another process was started in this one's place (AttemptSuperseded).
        DataError: the model's outputs are not finite numbers.
    """
    context = begin(context)
    spec = context.job.spec
    targets = {target.uri: store_at(target.uri, context.surroundings) for target in spec.publish or []}
    dataset = PreparedDataset.of(context)
    if spec.sets_rows_aside and not dataset.has_search_rows:
        context.notice(
            "the prepared dataset has no search rows (dataset.split.searchRows): training rows, which the trained "
            "model has learned, steer the search"
        )
    primary = spec.measure(dataset.task)

    other = _other(context, dataset)
    trained = _own(context) if spec.has_train else other
    assert trained is not None
    # A refitted model has seen the validation set: the one that it was found by is weighed in its place.
    weighed = None if other is None and spec.is_refit and spec.capabilities.is_fitted_anew else other or trained
    family = family_of(spec.kind)
    bench = family.bench(context, dataset, weighed)
    final = bench if trained is weighed else family.bench(context, dataset, trained)
    folds = cache(lambda: family.folds(context, dataset, bench))
    choice = weigh(
        bench.candidates,
        spec,
        context.progress,
        beside=final.candidates.kept,
        folds=folds if spec.compression is not None and spec.compression.is_cross_fitted else None,
    )
    if choice.searched is not None:
        context.notice(f"searched: {choice.searched.told}")
    context.notice(f"chosen: {choice.why}")
    if spec.is_refit:
        choice = choice.of_refitted()

    name = choice.chosen.measured.name
    names = {name, BASELINE}
    finished = bench.candidates
    recipes = {each: finished.recipes[each] for each in sorted(names)}
    artifacts = final.candidates.make(recipes) if spec.is_refit else {each: finished.artifact(each) for each in names}
    published, baseline = artifacts[name], artifacts[BASELINE]
    if spec.is_refit:
        check_refitted(final.candidates, published, spec.compression)
    served = final.candidates.measuring.serve(published)
    judged = judge_parts(served, final.read, dataset, spec, is_refit=spec.is_refit)
    check_gates(spec.evaluation, primary, judged.figures["train"], judged.figures["test"])
    before = None if name == BASELINE else _before(spec, dataset, final, baseline, judged)
    if before is not None and (doubt := _lost_on_test(spec, before, judged)):
        judged = replace(judged, doubts=[*judged.doubts, doubt])
    for doubt in judged.doubts:
        context.notice(f"doubtful: {doubt}", "Doubtful")

    sizes = Sizes(published.bytes, baseline.bytes)
    evidence = Evidence(
        job=context.job,
        dataset=dataset,
        training=final.training(trained.training),
        packages=final.packages(),
        judged=judged,
        choice=choice,
        sizes=sizes,
        output=output_of(served, dataset.task),
        runtime=published.runtime,
        before=before,
        own_work=bench.own_work,
        headroom=None if len(choice.weighed) == 1 else _headroom(spec, dataset),
        code=code_report(spec, trained),
        found_by=FoundBy.from_environment(weighed.trial if weighed else None),
        chosen_with=(weighed.name if weighed else _FITTED_FOR_IT) if spec.is_refit else None,
    )
    with tempfile.TemporaryDirectory(prefix="package-", dir=finished.kept.folder) as folder:
        package = Path(folder)
        digest = assemble(
            package,
            lambda place: final.write(place, published, baseline),
            final.preprocessing,
            evidence,
        )
        for target in targets.values():
            target.put(package, digest, context.check_attempt)
    places = [context.show(uri) for uri in targets]
    where = f"published to {' and '.join(places)}" if places else "published nowhere, as the manifest asks"
    figure = judged.figures["test"][primary.name]
    shown = baseline_name(spec) if name == BASELINE else name
    return Outcome(
        f"{shown}, {sizes.chosen:,} bytes, {primary.name} {figure} on the test set; {where}",
        judged.summary.model_copy(
            update={
                "chosen": name,
                "bytes": sizes.chosen,
                "baseline": baseline_name(spec),
                "baseline_bytes": sizes.baseline,
                "metric_drop": choice.chosen.drop,
                "proved": choice.chosen.is_proved,
                "proof": choice.proof or None,
                "searched": choice.searched.told if choice.searched else None,
                "digest": digest,
                "published": places,
                "weighed": len(choice.weighed) if len(choice.weighed) > MOST_SHOWN else None,
                "candidates": _short(choice, primary.name, spec.compression_objective),
            }
        ).to_json(),
    )


def code_report(spec: TrainingJobSpec, trained: TrainedFolder) -> CodeReport | None:
    """The code that the model was trained by; None of a kind of Steelyard's own."""
    entrypoint = None if spec.own_model is None else spec.own_model.entrypoint
    if entrypoint is None:
        return None
    sha256 = trained.training.get("code")
    return CodeReport(function=entrypoint.function, framework=entrypoint.framework, sha256=sha256)


def _headroom(spec: TrainingJobSpec, dataset: PreparedDataset) -> HeadroomReport | None:
    """What a linear model reaches, which is fitted on the training set alone."""
    primary = spec.measure(dataset.task)
    return headroom(dataset.task, primary, dataset.classes, dataset.read, spec.training.seed)


def _other(context: StageContext, dataset: PreparedDataset) -> TrainedFolder | None:
    """The model that the manifest names, of another job or from elsewhere; None where it names none."""
    trained = context.job.spec.trained
    if trained is None or trained.uri is None:
        return None
    if trained.format is None:
        return TrainedFolder.named(context, dataset)
    found = arrived(context)
    context.notice(TRAINED_ELSEWHERE, "TrainedElsewhere")
    return found


def _own(context: StageContext) -> TrainedFolder:
    """What the job's own stage train left."""
    if context.job.spec.container is None:
        return TrainedFolder.own(context)
    found = taken_in(context)
    context.notice(TRAINED_BY_PROGRAM, "TrainedByProgram")
    return found


def _before(
    spec: TrainingJobSpec, dataset: PreparedDataset, bench: Bench, baseline: Artifact, judged: Judgement
) -> BeforeReport | None:
    """The model without compression on the test set, beside another one that is published."""
    rows = bench.read(("test",))
    outputs = bench.candidates.measuring.serve(baseline).predict(rows.features)
    measures = spec.published_measures(dataset.task)
    return before_of(dataset.task, measures, dataset.classes, rows.targets, outputs, judged.outputs)


def _lost_on_test(spec: TrainingJobSpec, before: BeforeReport, judged: Judgement) -> str | None:
    """What is to be said where the test set disagrees: the published model loses more than the budget there."""
    primary = judged.primary
    if spec.compression is None:
        return None
    lost = primary.loss(judged.figures["test"][primary.name].value, before.metrics[primary.name].value)
    if lost <= spec.compression.max_metric_drop + ROUNDING:
        return None
    return (
        f"on the test set {fell(primary, lost)} against the {baseline_name(spec)} model, more than the "
        f"{allowed(primary, spec.compression.max_metric_drop)} that may be lost"
    )


def _short(choice: Choice, primary: str, objective: CompressionObjective) -> list[CandidateSummary]:
    """The candidates as the status shows them, the best where there are many."""
    return [
        CandidateSummary(
            name=weighed.measured.name,
            bytes=None if weighed.measured.failure else weighed.measured.bytes,
            metric=weighed.measured.figures[primary].value if weighed.measured.figures else None,
            drop=weighed.drop,
            drop_at_most=weighed.drop_at_most,
            latency_microseconds=None if weighed.measured.failure else weighed.measured.latency_microseconds,
            within_budget=weighed.is_within_budget,
            over_limit=weighed.is_over_limit or None,
        )
        for weighed in choice.best(MOST_SHOWN, objective)
    ]
