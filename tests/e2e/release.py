"""The operator as users install it: by Helm from the chart, on the tests' cluster. Imports the cluster's tools."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster.binaries import binary
from cluster.kubectl import Kubectl

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "steelyard"


def helm(kubeconfig: Path, *arguments: str) -> str:
    """Runs helm; its output. Raises AssertionError with what it said where it fails."""
    done = subprocess.run(
        [str(binary("helm")), *arguments],
        env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"helm {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def installed(kubeconfig: Path, namespace: str, **values: Any) -> Iterator[None]:
    """The chart installed into a namespace, ready; `values` are merged into those that the tests need."""
    install(kubeconfig, namespace, **values)
    try:
        yield
    finally:
        helm(kubeconfig, "uninstall", "steelyard", "--namespace", namespace, "--wait")


def install(kubeconfig: Path, namespace: str, **values: Any) -> None:
    """Installs or upgrades the chart and waits until the operator is ready."""
    is_own = values.get("namespaces") == [namespace]
    helm(
        kubeconfig,
        "upgrade",
        "--install",
        "steelyard",
        str(CHART),
        "--namespace",
        namespace,
        # Who installs into a namespace that is there need not be allowed to make one.
        # The CRDs may lie there from another release, or from kubectl.
        *([] if is_own else ["--create-namespace", "--take-ownership"]),
        "--wait",
        "--timeout=5m",
        *(f"--set-json={name.replace('__', '.')}={json.dumps(value)}" for name, value in values.items()),
    )


def operator_log(kubectl: Kubectl, namespace: str) -> str:
    """What the operator has logged."""
    return kubectl.within(namespace)("logs", "--selector=app.kubernetes.io/component=operator", "--tail=-1")
