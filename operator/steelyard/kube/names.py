"""How the operator labels a job's pods, for those who look for them. Imports the api only."""

from steelyard.contract.stages import StageName

JOB_LABEL = "steelyard.dev/job"
STAGE_LABEL = "steelyard.dev/stage"
TUNING_LABEL = "steelyard.dev/tuning-job"
"""The TuningJob of a TrainingJob, of a pack's Job, and of their pods."""
INDEX_LABEL = "batch.kubernetes.io/job-completion-index"
"""Which of a stage's workers a pod is, from 0; the Job controller's own."""
CONTAINER = "trainer"
EXPIRED = "Expired"
"""The reason of the Event that is left of a job whose time to live is over."""


def stage_job_name(job: str, stage: StageName) -> str:
    """The Job of a stage; also the headless Service of its workers."""
    return f"{job}-{stage}"
