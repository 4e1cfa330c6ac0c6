"""The configuration files of a real node, as text. Pure; imports nothing of its neighbours but names.

Paths below /run/node are the node's own folder, as its namespaces see it.
"""

import json

from cluster.images import PAUSE

SOCKET = "/run/containerd.sock"
LEASE_SECONDS = 8
"""How long a node counts as alive after its last sign."""


def containerd(root: str = "/run/node/containerd", state: str = "/run/containerd", socket: str = SOCKET) -> str:
    """containerd.toml."""
    return f"""
version = 2
root = "{root}"
state = "{state}"
oom_score = 0
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  # Without CAP_SYS_RESOURCE nobody may lower it.
  restrict_oom_score_adj = true
  max_container_log_line_size = 262144
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/run/node/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
"""


def pod_network(subnet: str) -> str:
    """The network plugins' configuration: a bridge in the node, and addresses of this subnet."""
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "isDefaultGateway": True,
        "hairpinMode": True,
        "ipam": {"type": "host-local", "dataDir": "/run/cni", "ranges": [[{"subnet": subnet}]]},
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, ports]})


def kubelet(address: str, dns: str, cgroup: str, authority: str, certificate: str, key: str) -> str:
    """The kubelet's configuration."""
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": address,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": authority},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": certificate,
            "tlsPrivateKeyFile": key,
            "containerRuntimeEndpoint": f"unix://{SOCKET}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{cgroup}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "clusterDomain": "cluster.local",
            "clusterDNS": [dns],
            "resolvConf": "/run/node/resolv.conf",
            "maxPods": 200,
            "serializeImagePulls": False,
            # Images come from archives: what is deleted can't be pulled again.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "nodeStatusUpdateFrequency": "5s",
            "nodeLeaseDurationSeconds": LEASE_SECONDS,
            "syncFrequency": "30s",
            "volumeStatsAggPeriod": "0s",
        },
        indent=2,
    )


def kube_proxy(node: str, kubeconfig: str, pods: str) -> str:
    """kube-proxy's configuration."""
    return json.dumps(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": kubeconfig},
            "clusterCIDR": pods,
            "mode": "iptables",
            "hostnameOverride": node,
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
            "iptables": {"syncPeriod": "30s", "minSyncPeriod": "100ms"},
        },
        indent=2,
    )


def corefile(address: str, kubeconfig: str) -> str:
    """CoreDNS's configuration: names of this cluster, short-lived, as pods come back under other addresses."""
    return f"""
cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {{
  bind {address}
  errors
  health {address}:8080
  kubernetes cluster.local in-addr.arpa ip6.arpa {{
    kubeconfig {kubeconfig} tests
    pods insecure
    ttl 1
  }}
  cache 1
}}
.:53 {{
  bind {address}
  template ANY ANY {{
    rcode NXDOMAIN
  }}
}}
"""
