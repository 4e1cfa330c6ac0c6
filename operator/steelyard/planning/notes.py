"""What is to be known of a valid job before it runs. Pure. Imports the api only."""

from steelyard.api.training_job import TrainingJobSpec


def stall_notes(spec: TrainingJobSpec) -> list[str]:
    """That a fit must be shorter than the time after which a stage has stalled, where it has no steps to be seen."""
    limit = spec.run_policy.stall_timeout_seconds
    if limit is not None and spec.container is not None and spec.has_train:
        watched = f"it must print one in {limit:,} s, else it counts as stalled"
        how = watched if spec.container.command is not None else "without command nobody watches"
        return [f"runPolicy.stallTimeoutSeconds: a program of one's own is watched by its lines of progress; {how}"]
    if limit is None or not spec.has_train or not spec.capabilities.is_fitted_anew:
        return []
    return [
        f"runPolicy.stallTimeoutSeconds: {spec.capabilities.family.plural} are fitted in one step, which tells nothing "
        f"before it ends: a fit that takes longer than {limit:,} s counts as stalled"
    ]
