"""Trials that share a pod against one pod a trial, on real nodes: the forests of examples/forest-search.

    python benchmarks/packed_trials.py            its 36 forests, once Packed and once in Pods, 2 at a time
    python benchmarks/packed_trials.py --small    6 of them

Needs what the tests of real nodes need (tests/cluster/README.md). Prints one JSON line a figure: the time of each
search from the TuningJob's creation until it is Complete, without the cluster's start, and how many times faster the
pack is.
Nothing is published. Fails where a single figure of the two logs differs in a single bit.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "e2e")]

from cluster import cache, packages  # noqa: E402
from cluster.images import base_archive, pause_archive  # noqa: E402
from cluster.kubectl import Kubectl, fresh_namespace  # noqa: E402
from cluster.real import RealCluster, end_abandoned  # noqa: E402
from release import installed  # noqa: E402
from training_jobs import condition, is_over  # noqa: E402

from steelyard.api.tuning_job import TuningJobSpec  # noqa: E402
from steelyard.search.log import Entry  # noqa: E402

EXAMPLE = ROOT / "examples" / "forest-search" / "tuning-job.yaml"
SMALL = 6
MOST_SECONDS = 1800.0
"""For one search."""


def main() -> None:
    """Measures, checks, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="shows that it runs, measures nothing")
    small = parser.parse_args().small
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    packages.install()
    built = subprocess.run([ROOT / "images" / "build"], check=True, stdout=subprocess.PIPE, text=True).stdout
    archives = [pause_archive(), base_archive(), *map(Path, built.split())]
    end_abandoned()
    folder = cache.run_folder(f"benchmark-{os.getpid()}")
    try:
        with (
            RealCluster(folder, archives, die_with_parent=True) as cluster,
            installed(cluster.kubeconfig, "steelyard-system"),
        ):
            compare(cluster.kubectl, small=small)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def compare(kubectl: Kubectl, *, small: bool) -> None:
    """Runs both searches, one after the other."""
    seconds, logs = {}, {}
    # The first search makes the API server learn the new kinds, and the node its image: it is not measured.
    search(kubectl, "Pods", 2)
    for placement in ("Packed", "Pods"):
        seconds[placement], logs[placement] = search(kubectl, placement, SMALL if small else None)
        tell(placement, seconds[placement], "s", len(logs[placement]))
    if logs["Packed"] != logs["Pods"]:
        sys.exit(f"the logs differ:\n{logs['Packed']}\n{logs['Pods']}")
    tell("Pods/timeAgainst/Packed", seconds["Pods"] / seconds["Packed"], "ratio", len(logs["Packed"]))


def search(kubectl: Kubectl, placement: str, trials: int | None) -> tuple[float, list[tuple[Any, ...]]]:
    """Seconds, and what its trials were and gave."""
    document = manifest(placement, trials)
    with fresh_namespace(kubectl, **{"pod-security.kubernetes.io/enforce": "restricted"}) as namespace:
        began = time.perf_counter()
        namespace.create(document)
        job = namespace.wait_for("tuningjob", document["metadata"]["name"], is_over, MOST_SECONDS)
        seconds = time.perf_counter() - began
    if condition(job, "Complete").get("status") != "True":
        sys.exit(f"the search is not Complete: {job['status'].get('conditions')}")
    parameters = TuningJobSpec.model_validate(job["spec"]).parameters
    entries = [Entry.decode(line, parameters) for line in job["status"]["log"]]
    return seconds, [(each.number, each.values, each.state, each.value, each.steps) for each in entries]


def manifest(placement: str, trials: int | None) -> dict[str, Any]:
    """The example's search, which publishes nothing; of its first trials only where a number is given."""
    document: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    spec = document["spec"]
    spec["placement"] = placement
    spec["maxTrials"] = trials or spec["maxTrials"]
    spec["template"]["publish"] = []
    return document


def tell(name: str, value: float, unit: str, trials: int) -> None:
    """Prints one figure as a JSON line."""
    figure = {"benchmark": f"packedTrials/{name}", "value": round(value, 2), "unit": unit, "trials": trials}
    print(json.dumps(figure), flush=True)


if __name__ == "__main__":
    main()
