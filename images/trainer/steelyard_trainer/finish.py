"""The last stage: weighs the candidates, judges the chosen one, publishes it. Imports Keras, LiteRT and steelyard."""

import json
import tempfile
from pathlib import Path

from steelyard.api.contract import Reason
from steelyard.api.errors import DataError
from steelyard.api.outcome import Metric
from steelyard.serving.model import LiteRtModel
from steelyard_trainer.begin import begin
from steelyard_trainer.compression.candidates import Workbench, candidates_of
from steelyard_trainer.compression.choice import BASELINE, Choice, choose
from steelyard_trainer.contract import Outcome, StageContext
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.evaluation.gates import check_gates
from steelyard_trainer.evaluation.judge import judge_parts, metrics_summary
from steelyard_trainer.evaluation.metrics import PRIMARY
from steelyard_trainer.publishing.package import Evidence, assemble
from steelyard_trainer.publishing.target import publish


def finish(context: StageContext) -> Outcome:
    """Runs the stage. The choice is made on the validation part; the test part judges once, the chosen model only.

    Raises:
        SteelyardError: a gate was not met (reason GateFailed); nothing is published then.
        ConfigurationError: a place can't be published to.
        SteelyardError: another process was started in this one's place (AttemptSuperseded).
        DataError: the model's outputs are not finite numbers.
    """
    context = begin(context)
    spec, workspace = context.job.spec, context.workspace
    targets = {target.uri: context.resolve(target.uri) for target in spec.publish or []}
    dataset = PreparedDataset.of(context)
    training = json.loads(workspace.training_file.read_bytes())
    primary = PRIMARY[dataset.task]

    workbench = Workbench(workspace, dataset, context.check_attempt)
    names = candidates_of(spec.compression)
    measured = workbench.measure(names, lambda done: context.progress(done, len(names), "candidates"))
    if measured[0].figures is None:
        raise DataError("the model's outputs are not finite numbers", reason=Reason.LOSS_NOT_FINITE)
    compression = spec.compression
    choice = choose(
        measured,
        primary,
        compression.max_metric_drop if compression else 0.0,
        compression.objective if compression else "Size",
    )
    context.notice(f"chosen: {choice.why}")

    chosen = choice.chosen.measured
    litert = workbench.content(chosen.name)
    model = LiteRtModel(litert)
    figures = judge_parts(model, dataset)
    check_gates(spec.evaluation, primary, figures["train"], figures["test"])

    evidence = Evidence(context.job, dataset, training, primary, figures, choice)
    with tempfile.TemporaryDirectory(prefix="package-", dir=workbench.folder) as folder:
        package = Path(folder)
        digest = assemble(package, workbench.model, litert, evidence)
        for target in targets.values():
            publish(package, target, digest, context.check_attempt)
    places = [context.show(uri) for uri in targets]
    where = f"published to {' and '.join(places)}" if places else "published nowhere, as the manifest asks"
    return Outcome(
        f"{chosen.name}, {chosen.bytes:,} bytes, {primary} {figures['test'][primary]} on the test part; {where}",
        {
            "chosen": chosen.name,
            "bytes": chosen.bytes,
            "baselineBytes": next(c.bytes for c in measured if c.name == BASELINE),
            **metrics_summary(primary, figures["test"]),
            "metricDrop": choice.chosen.drop,
            "digest": digest,
            "published": places,
            "candidates": _short(choice, primary),
        },
    )


def _short(choice: Choice, primary: Metric) -> list[dict[str, object]]:
    """The candidates as the status shows them."""
    return [
        {
            "name": weighed.measured.name,
            "bytes": weighed.measured.bytes,
            "metric": weighed.measured.figures[primary].value if weighed.measured.figures else None,
            "drop": weighed.drop,
            "latencyMicroseconds": weighed.measured.latency_microseconds,
            "withinBudget": weighed.is_within_budget,
        }
        for weighed in choice.weighed
    ]
