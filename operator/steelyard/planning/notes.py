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


def student_notes(spec: TrainingJobSpec, *, is_of_search: bool = False) -> list[str]:
    """That one of several workers trains what is trained of the candidates, where that is so.

    Args:
        spec: the job's.
        is_of_search: whether it is a search's template, whose best model's candidates are made of a trial's model.
    """
    if (
        spec.training.workers == 1
        or not spec.has_candidates_that_learn
        or (spec.trains_candidates and not is_of_search)
    ):
        return []
    return [
        f"students are trained by one worker, and not by {spec.training.workers}: the workers go on with them where "
        "they have just trained the job's own model, on its training set alone"
    ]
