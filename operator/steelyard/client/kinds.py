"""The kinds of jobs that the client handles. Imports kube, the search and the api only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from steelyard.api.errors import Problem
from steelyard.api.loading import parse_training_job
from steelyard.api.training_job import TrainingJob
from steelyard.api.tuning_job import TuningJob
from steelyard.planning.clusters import cluster_problems, search_cluster_problems
from steelyard.search.manifest import parse_tuning_job

KindName: TypeAlias = Literal["TrainingJob", "TuningJob"]


@dataclass(frozen=True)
class Kind:
    """A kind, by the names that the API server and people know it by."""

    name: KindName
    resource: str
    """The plural."""

    def parse(self, document: Mapping[str, Any]) -> TrainingJob | TuningJob:
        """An object as a job. Raises ManifestError where an older or newer CRD let through what is none here."""
        metadata = document["metadata"]
        manifest = {
            "apiVersion": document["apiVersion"],
            "kind": document["kind"],
            "metadata": {
                key: metadata[key] for key in ("name", "namespace", "labels", "annotations") if key in metadata
            },
            "spec": document.get("spec"),
        }
        source = f"the {self.name} {metadata['name']} on the cluster"
        if self is TUNING_JOB:
            return parse_tuning_job(manifest, source=source)
        return parse_training_job(manifest, source=source)


TRAINING_JOB = Kind("TrainingJob", "trainingjobs")
TUNING_JOB = Kind("TuningJob", "tuningjobs")


def kind_of(job: TrainingJob | TuningJob) -> Kind:
    """The kind of a job."""
    return TUNING_JOB if isinstance(job, TuningJob) else TRAINING_JOB


def problems_on_a_cluster(job: TrainingJob | TuningJob) -> list[Problem]:
    """What keeps a job from running on a cluster."""
    return search_cluster_problems(job.spec) if isinstance(job, TuningJob) else cluster_problems(job.spec)
