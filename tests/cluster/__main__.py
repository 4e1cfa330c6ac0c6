"""The commands of `make cluster-*`: python -m cluster COMMAND. Imports its neighbours only."""

import argparse
import shutil
import sys

from cluster import binaries, cache, images, packages, real
from cluster.processes import ClusterError, Processes
from cluster.real import RealCluster
from cluster.simulation import SimulatedCluster


def main() -> int:
    """Runs one command; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cluster", description="Kubernetes for the tests.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build what is missing; 13 minutes with empty caches")
    up = commands.add_parser("up", help="start a cluster and print its KUBECONFIG")
    up.add_argument("kind", choices=["simulated", "real"])
    commands.add_parser("down", help="end what was started by hand")
    commands.add_parser("base-image", help="build the Debian base image; prints its archive")
    arguments = parser.parse_args()
    try:
        {
            "build": binaries.build,
            "up": lambda: _up(arguments.kind),
            "down": _down,
            "base-image": _base_image,
        }[arguments.command]()
    except (ClusterError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _up(kind: str) -> None:
    binaries.build()
    folder = cache.run_folder(kind)
    if folder.exists():
        raise ClusterError(f"{folder} exists: a cluster runs, or was left; `make cluster-down` ends it")
    if kind == "simulated":
        cluster: SimulatedCluster | RealCluster = SimulatedCluster(folder)
    else:
        packages.install()
        cluster = RealCluster(folder, [images.pause_archive(), images.base_archive()])
    cluster.start()
    print(f"export KUBECONFIG={cluster.kubeconfig}")


def _base_image() -> None:
    packages.install()
    print(images.base_archive())


def _down() -> None:
    real.end_abandoned()
    for folder in map(cache.run_folder, ("simulated", "real")):
        if (folder / "network").exists():
            real.end(folder)
        if folder.exists():
            Processes(folder).end_all()
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
