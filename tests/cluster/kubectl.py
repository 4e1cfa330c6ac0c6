"""kubectl for the tests: objects as dictionaries, and waiting with what was last seen in the message."""

import json
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from cluster.binaries import binary
from cluster.certificates import write_kubeconfig

Manifest = Mapping[str, Any]


class KubectlError(Exception):
    """kubectl refused; the message is what it said."""


class Kubectl:
    """kubectl with one kubeconfig, and in one namespace where it is given."""

    def __init__(self, kubeconfig: Path, namespace: str | None = None) -> None:
        self.kubeconfig = kubeconfig
        self.namespace = namespace

    def within(self, namespace: str) -> "Kubectl":
        """The same in a namespace."""
        return Kubectl(self.kubeconfig, namespace)

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        """Runs kubectl; gives its standard output. Raises KubectlError."""
        command = [str(binary("kubectl")), f"--kubeconfig={self.kubeconfig}"]
        if self.namespace is not None:
            command.append(f"--namespace={self.namespace}")
        done = subprocess.run([*command, *arguments], input=stdin, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def as_service_account(self, namespace: str, name: str, file: Path) -> "Kubectl":
        """kubectl as a service account that exists, in its namespace, by a token of a day; writes a kubeconfig."""
        token = self("create", "token", name, f"--namespace={namespace}", "--duration=24h").strip()
        config = json.loads(self("config", "view", "--raw", "--minify", "--flatten", "--output=json"))
        cluster = config["clusters"][0]["cluster"]
        authority = cluster["certificate-authority-data"]
        write_kubeconfig(file, cluster["server"], authority, {"token": token}, namespace)
        return Kubectl(file, namespace)

    def apply(self, *objects: Manifest | str, server_side: bool = False) -> None:
        """Applies objects, or YAML text. Raises KubectlError."""
        texts = [each if isinstance(each, str) else json.dumps(each) for each in objects]
        self("apply", *(["--server-side"] if server_side else []), "--filename=-", stdin="\n---\n".join(texts))

    def create(self, *objects: Manifest | str) -> None:
        """Creates objects. Raises KubectlError, where one exists too."""
        texts = [each if isinstance(each, str) else json.dumps(each) for each in objects]
        self("create", "--filename=-", stdin="\n---\n".join(texts))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """One object. Raises KubectlError where it does not exist."""
        return dict(json.loads(self("get", kind, name, "--output=json")))

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        """One object, or None."""
        text = self("get", kind, name, "--output=json", "--ignore-not-found")
        return dict(json.loads(text)) if text else None

    def list(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """The objects of a kind in the namespace, or of all where none was given; `selector` is one of labels."""
        scope = [] if self.namespace else ["--all-namespaces"]
        found = json.loads(self("get", kind, *scope, f"--selector={selector}", "--output=json"))
        return list(found["items"])

    def delete(self, kind: str, name: str, *, wait: bool = True) -> None:
        """Deletes an object; nothing where it does not exist."""
        self("delete", kind, name, "--ignore-not-found", f"--wait={str(wait).lower()}")

    def wait_for(
        self, kind: str, name: str, is_as_wanted: Callable[[dict[str, Any]], object], seconds: float = 120
    ) -> dict[str, Any]:
        """Waits until an object exists and is as wanted; gives it. Raises AssertionError with its last state."""
        until = time.monotonic() + seconds
        while True:
            found = self.find(kind, name)
            if found is not None and is_as_wanted(found):
                return found
            if time.monotonic() > until:
                last = yaml.safe_dump((found or {}).get("status", found), sort_keys=False)
                raise AssertionError(f"{kind} {name} was not as wanted in {seconds:.0f} s; last seen:\n{last}")
            time.sleep(0.2)


@contextmanager
def fresh_namespace(kubectl: Kubectl, **labels: str) -> Iterator[Kubectl]:
    """kubectl in a namespace of its own with these labels; deleted in the end, without waiting for that."""
    name = f"test-{secrets.token_hex(4)}"
    kubectl.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    try:
        yield kubectl.within(name)
    finally:
        kubectl.delete("namespace", name, wait=False)
