"""The cluster of real nodes itself: volumes, names, nodes that come and crash, and an end that leaves nothing."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from cluster import cache, images, real
from cluster.kubectl import Kubectl
from cluster.leftovers import left_of, machine_settings
from cluster.network import Network
from cluster.real import RealCluster

Pod = dict[str, Any]
_LABEL = "steelyard.test/peers"


def pod(name: str, program: str, *, node: str | None = None, claim: str | None = None) -> Pod:
    """A pod of the restricted level that runs a Python program, with a volume at /volume where a claim is named."""
    volumes = [{"name": "volume", "persistentVolumeClaim": {"claimName": claim}}] if claim else []
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {_LABEL: "yes"}},
        "spec": {
            "restartPolicy": "Never",
            "hostname": name,
            "subdomain": "peers",
            **({"nodeSelector": {"kubernetes.io/hostname": node}} if node else {}),
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "main",
                    "image": images.BASE,
                    "command": ["python3", "-c", textwrap.dedent(program)],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    "volumeMounts": [{"name": "volume", "mountPath": "/volume"}] if claim else [],
                }
            ],
            "volumes": volumes,
        },
    }


def claim(name: str, storage_class: str | None = None) -> dict[str, Any]:
    """A claim; of the default class and ReadWriteOnce where no class is named."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteMany" if storage_class else "ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            **({"storageClassName": storage_class} if storage_class else {}),
        },
    }


def logs_of(namespace: Kubectl, name: str) -> str:
    """What a pod said, once it has succeeded."""
    found = namespace.wait_for("pod", name, lambda each: each["status"]["phase"] in ("Succeeded", "Failed"))
    said = namespace("logs", name)
    assert found["status"]["phase"] == "Succeeded", said
    return said.strip()


@pytest.mark.usefixtures("own_cluster")
def test_a_pod_writes_to_a_claim_of_the_default_class_and_the_next_reads_it(namespace: Kubectl) -> None:
    namespace.create(claim("data"), pod("writes", "open('/volume/file', 'w').write('hello')", claim="data"))
    logs_of(namespace, "writes")
    namespace.create(pod("reads", "print(open('/volume/file').read())", claim="data"))
    assert logs_of(namespace, "reads") == "hello"

    volume = namespace.get("pvc", "data")["spec"]["volumeName"]
    folder = Path(namespace.get("pv", volume)["spec"]["local"]["path"])
    assert (folder / "file").read_text() == "hello"
    for name in ("writes", "reads"):
        namespace.delete("pod", name)
    namespace.delete("pvc", "data")
    namespace("wait", "pv", volume, "--for=delete", "--timeout=60s")
    assert not folder.exists()


def test_two_nodes_know_each_other_share_a_folder_and_one_may_crash(
    own_cluster: RealCluster, namespace: Kubectl
) -> None:
    serve = """
        import socket, time
        open("/volume/from-the-server", "w").write("shared")
        server = socket.create_server(("", 2222))
        while True:
            server.accept()[0].sendall(b"hello")
    """
    ask = f"""
        import socket, time
        for _ in range(600):
            try:
                said = socket.create_connection(("server.peers.{namespace.namespace}.svc.cluster.local", 2222)).recv(9)
                break
            except OSError:
                time.sleep(0.1)
        print(said.decode(), open("/volume/from-the-server").read())
    """
    peers = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "peers"},
        "spec": {"clusterIP": "None", "selector": {_LABEL: "yes"}, "publishNotReadyAddresses": True},
    }
    added = own_cluster.add_node()
    namespace.create(
        peers,
        claim("both", "shared"),
        pod("server", serve, node=added.name, claim="both"),
        pod("client", ask, node="node-0", claim="both"),
    )
    assert logs_of(namespace, "client") == "hello shared"
    inside = namespace.get("pod", "server")["status"]["podIP"]
    assert inside.startswith(own_cluster.network.pods(added.number).rpartition(".")[0])

    own_cluster.kill_node(added.number)
    assert not list(Path("/sys/fs/cgroup").glob(f"*/steelyard-{own_cluster.network.index}-{added.number}"))
    namespace.wait_for(
        "node", added.name, lambda node: all(each["status"] == "Unknown" for each in node["status"]["conditions"])
    )
    namespace.delete("pod", "server", wait=False)
    namespace.wait_for("pod", "server", lambda each: "deletionTimestamp" in each["metadata"])
    namespace("delete", "pod", "server", "--force", "--grace-period=0")
    namespace.delete("node", added.name)


@pytest.mark.parametrize("component", ["kubelet", "containerd", "kube-apiserver"])
def test_pods_survive_a_crash_of_a_component(own_cluster: RealCluster, namespace: Kubectl, component: str) -> None:
    namespace.create(pod("stays", "import time; time.sleep(3600)"))
    before = namespace.wait_for("pod", "stays", lambda each: each["status"]["phase"] == "Running")

    own_cluster.control_plane.restart(component)
    namespace.create(pod("after", "print('hello')"))
    assert logs_of(namespace, "after") == "hello"
    after = namespace.get("pod", "stays")
    assert [each["metadata"]["uid"] for each in (before, after)] == [before["metadata"]["uid"]] * 2
    assert after["status"]["containerStatuses"][0]["restartCount"] == 0


@pytest.mark.parametrize("end", ["by itself", "after a program that was killed"])
def test_ending_leaves_nothing(own_cluster: RealCluster, machine_before: list[str], end: str) -> None:
    folder = cache.run_folder(f"ending-{os.getpid()}")
    program = f"""
        import pathlib, sys
        from cluster import images
        from cluster.real import RealCluster
        archives = [images.pause_archive(), images.base_archive()]
        cluster = RealCluster(pathlib.Path({str(folder)!r}), archives, nodes=2, die_with_parent=True)
        cluster.start()
        print(len(cluster.kubectl.list("nodes")), cluster.network.index, flush=True)
        sys.stdin.readline()
        cluster.end()
    """
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", textwrap.dedent(program)]
    try:
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as run:
            assert run.stdout
            nodes, index = map(int, run.stdout.readline().split())
            assert nodes == 2
            assert set(left_of(folder, Network(index))) == {"links", "control groups", "processes"}
            if end == "by itself":
                run.communicate("\n")
            else:
                run.kill()
        if end != "by itself":
            real.end(folder)
        assert left_of(folder, Network(index)) == {}
        assert own_cluster.network.index != index
        assert machine_settings() == machine_before
    finally:
        shutil.rmtree(folder, ignore_errors=True)
