"""What the pod of `helm test` runs: is the operator ready, and would the API server take a TrainingJob?

Runs in the operator's image, but imports the standard library only: it asks from outside, as any client would.
"""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
READY_SECONDS = 120

JOB = {
    "apiVersion": "steelyard.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {"name": "helm-test"},
    "spec": {
        "dataset": {"uri": "sklearn:digits", "target": "target"},
        "model": {"linear": {}},
        "publish": [{"uri": "pvc://models/helm-test"}],
    },
}


def wait_until_ready(url: str) -> None:
    """Ends the test where the operator isn't ready within READY_SECONDS."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"FAILED: {url} is not ready after {READY_SECONDS} s: {error}")
            time.sleep(2)
        else:
            print(f"ok: {url} is ready")
            return


def create_job_dry(namespace: str) -> None:
    """Ends the test where the API server refuses the job; nothing is stored."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT_HTTPS"]
    host = f"[{host}]" if ":" in host else host
    path = f"/apis/steelyard.dev/v1alpha1/namespaces/{namespace}/trainingjobs?dryRun=All&fieldValidation=Strict"
    request = urllib.request.Request(f"https://{host}:{port}{path}", json.dumps(JOB).encode(), method="POST")
    request.add_header("Authorization", f"Bearer {(ACCOUNT / 'token').read_text()}")
    request.add_header("Content-Type", "application/json")
    trusted = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    try:
        urllib.request.urlopen(request, timeout=30, context=trusted).close()
    except urllib.error.HTTPError as refusal:
        sys.exit(f"FAILED: the API server refused a TrainingJob ({refusal.code}): {refusal.read().decode()}")
    print(f"ok: the API server takes a TrainingJob in namespace {namespace}")


if __name__ == "__main__":
    wait_until_ready(f"{os.environ['OPERATOR']}/readyz")
    # Left out where the chart may grant nothing.
    if namespace := os.environ.get("NAMESPACE"):
        create_job_dry(namespace)
