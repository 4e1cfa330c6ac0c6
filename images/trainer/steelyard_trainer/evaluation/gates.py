"""Whether a model is good enough to be published. Pure; imports steelyard.api and the metrics."""

from steelyard.api.errors import SteelyardError
from steelyard.api.evaluation import Evaluation, Requirement
from steelyard.api.metrics import Measure
from steelyard.contract.stages import ExitCode, Reason
from steelyard_trainer.evaluation.metrics import Figures


def check_gates(evaluation: Evaluation, primary: Measure, train: Figures, test: Figures) -> None:
    """Lets a model pass that meets every requirement.

    Args:
        evaluation: the requirements.
        primary: the metric of the generalization gap.
        train: the chosen model's figures on the training set.
        test: the same on the test set.

    Raises:
        SteelyardError: reason GateFailed, exit code 10; the message has a line for each requirement, met or not.
    """
    checks = [_check(requirement, test) for requirement in evaluation.require]
    if (bound := evaluation.max_generalization_gap) is not None:
        name, share = primary.name, " of the former" if primary.info.is_in_target_unit else ""
        gap = primary.loss(test[name].value, train[name].value)
        text = f"{name} is {train[name]} on the training set and {test[name]} on the test set, a gap of"
        checks.append((gap <= bound, f"{text} {gap:.6g}{share}; at most {bound:g} is allowed"))
    if not all(is_met for is_met, _ in checks):
        lines = [f"  {'met' if is_met else 'NOT MET'}: {text}" for is_met, text in checks]
        raise SteelyardError(
            "\n".join(["the model is not good enough, so nothing was published:", *lines]),
            reason=Reason.GATE_FAILED,
            exit_code=ExitCode.GATE_FAILED,
        )


def _check(requirement: Requirement, test: Figures) -> tuple[bool, str]:
    name = requirement.measure.name
    figure = test[name]
    low, high = requirement.minimum, requirement.maximum
    bounds = [f"{word} {bound:g}" for word, bound in (("at least", low), ("at most", high)) if bound is not None]
    is_met = (low is None or figure.value >= low) and (high is None or figure.value <= high)
    return is_met, f"{name} is {figure} on the test set; {' and '.join(bounds)} is required"
