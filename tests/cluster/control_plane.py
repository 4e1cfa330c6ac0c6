"""etcd, the API server, the controller manager and the scheduler, as processes. Imports its neighbours only."""

import re
import socket
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from cluster.audit import AuditLog
from cluster.binaries import binary
from cluster.certificates import SERVICE_NETWORK, Certificates
from cluster.kubectl import Kubectl
from cluster.processes import Processes

POD_NETWORK = "10.244.0.0/16"
_POLICY = Path(__file__).with_name("audit-policy.yaml")


@dataclass(frozen=True)
class Address:
    """Where the components listen."""

    host: str = "127.0.0.1"
    api: int = 6443
    etcd: int = 2379
    etcd_peer: int = 2380
    controller_manager: int = 10257
    scheduler: int = 10259

    @classmethod
    def free(cls) -> "Address":
        """Ports of this machine's own address that nothing listens on: several clusters live side by side."""
        with ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket()) for _ in range(5)]
            for each in sockets:
                each.bind(("127.0.0.1", 0))
            return cls("127.0.0.1", *(each.getsockname()[1] for each in sockets))


@dataclass
class ControlPlane:
    """A control plane. Any component can be crashed and started again by `processes`, under the names below."""

    ETCD = "etcd"
    API = "kube-apiserver"
    CONTROLLERS = "kube-controller-manager"
    SCHEDULER = "kube-scheduler"

    folder: Path
    address: Address
    processes: Processes
    extra: dict[str, list[str]] = field(default_factory=dict)
    """Further flags of a component, by its name."""

    def __post_init__(self) -> None:
        self.certificates = Certificates(self.folder / "certificates")
        self.server = f"https://{self.address.host}:{self.address.api}"
        self.kubeconfig = self.folder / "kubeconfig"
        self.kubectl = Kubectl(self.kubeconfig)
        self.audit = AuditLog(self.folder / "audit.log")

    def make_certificates(self) -> None:
        """Makes all certificates and `kubeconfig`, an admin's."""
        self.certificates.make(self.address.host)
        self.write_kubeconfig("admin", self.kubeconfig)

    def write_kubeconfig(self, name: str, file: Path | None = None) -> Path:
        """Writes a component's kubeconfig; gives the file."""
        return self.certificates.write_kubeconfig(file or self.folder / f"{name}.kubeconfig", self.server, name)

    def kubeconfig_of_user(self, user: str, group: str = "") -> Path:
        """A kubeconfig of a user with no rights but those that roles are bound to, by a certificate."""
        name = "user-" + re.sub(r"[^a-z0-9]", "-", user.lower())
        self.certificates.sign(name, user, group)
        return self.write_kubeconfig(name)

    def kubeconfig_of_service_account(self, namespace: str, name: str) -> Path:
        """A kubeconfig of a service account that exists, by a token of a day; its context is in that namespace."""
        file = self.folder / f"service-account-{namespace}-{name}.kubeconfig"
        return self.kubectl.as_service_account(namespace, name, file).kubeconfig

    def start(self) -> None:
        """Starts all, until objects can be made. Raises ClusterError where one does not come up."""
        host = self.address.host
        self.processes.start(self.ETCD, [*self._etcd(), *self.extra.get(self.ETCD, [])])
        self.processes.wait_for_http(self.ETCD, f"http://{host}:{self.address.etcd}/health")
        self.processes.start(self.API, [*self._api(), *self.extra.get(self.API, [])])
        self.wait_for_api()
        self.processes.start(self.CONTROLLERS, [*self._controllers(), *self.extra.get(self.CONTROLLERS, [])])
        self.processes.start(self.SCHEDULER, [*self._scheduler(), *self.extra.get(self.SCHEDULER, [])])
        self.processes.wait_for_http(self.CONTROLLERS, f"https://{host}:{self.address.controller_manager}/healthz")
        self.processes.wait_for_http(self.SCHEDULER, f"https://{host}:{self.address.scheduler}/healthz")
        default = self.kubectl.within("default")
        self.processes.wait(
            self.CONTROLLERS, lambda: default.find("serviceaccount", "default") is not None, "no service account"
        )

    def wait_for_api(self) -> None:
        """Waits until the API server is ready; after a restart too."""
        self.processes.wait_for_http(self.API, f"{self.server}/readyz")

    def restart(self, name: str) -> None:
        """Crashes a component and starts it again; waits for the API server where it is that or etcd."""
        self.processes.kill(name)
        self.processes.start(name)
        if name in (self.API, self.ETCD):
            self.wait_for_api()

    def _etcd(self) -> list[str]:
        host = self.address.host
        client, peer = f"http://{host}:{self.address.etcd}", f"http://{host}:{self.address.etcd_peer}"
        data = self.folder / "etcd"
        data.mkdir(mode=0o700, exist_ok=True)
        return [
            str(binary("etcd")),
            "--name=tests",
            f"--data-dir={data}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=tests={peer}",
            f"--quota-backend-bytes={4 << 30}",
            "--log-level=warn",
        ]

    def _api(self) -> list[str]:
        signed, host = self.certificates, self.address.host
        return [
            str(binary("kube-apiserver")),
            f"--etcd-servers=http://{host}:{self.address.etcd}",
            f"--bind-address={host}",
            f"--advertise-address={host}",
            f"--secure-port={self.address.api}",
            # The service `kubernetes` can't lead to a loopback address.
            *(["--endpoint-reconciler-type=none"] if host.startswith("127.") else []),
            f"--tls-cert-file={signed.certificate('apiserver')}",
            f"--tls-private-key-file={signed.key('apiserver')}",
            f"--client-ca-file={signed.certificate('ca')}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-signing-key-file={signed.key('service-accounts')}",
            f"--service-account-key-file={signed.key('service-accounts')}",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            "--authorization-mode=Node,RBAC",
            # As on OpenShift: who sets blockOwnerDeletion must be allowed to update the owner's finalizers.
            "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",
            "--allow-privileged=true",
            f"--kubelet-client-certificate={signed.certificate('apiserver-kubelet')}",
            f"--kubelet-client-key={signed.key('apiserver-kubelet')}",
            f"--kubelet-certificate-authority={signed.certificate('ca')}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--requestheader-client-ca-file={signed.certificate('ca')}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={signed.certificate('front-proxy')}",
            f"--proxy-client-key-file={signed.key('front-proxy')}",
            f"--audit-policy-file={_POLICY}",
            f"--audit-log-path={self.audit.path}",
            # In one file, and written before the answer leaves: what was answered can be read.
            "--audit-log-maxsize=10000",
            "--audit-log-mode=blocking",
            "--profiling=false",
            "--v=1",
        ]

    def _controllers(self) -> list[str]:
        signed = self.certificates
        nodes = "false" if self.address.host.startswith("127.") else "true"
        return [
            str(binary("kube-controller-manager")),
            *self._client_flags("controller-manager"),
            f"--secure-port={self.address.controller_manager}",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={signed.key('service-accounts')}",
            f"--root-ca-file={signed.certificate('ca')}",
            f"--cluster-signing-cert-file={signed.certificate('ca')}",
            f"--cluster-signing-key-file={signed.key('ca')}",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            f"--cluster-cidr={POD_NETWORK}",
            f"--allocate-node-cidrs={nodes}",
            "--pvclaimbinder-sync-period=2s",
        ]

    def _scheduler(self) -> list[str]:
        return [
            str(binary("kube-scheduler")),
            *self._client_flags("scheduler"),
            f"--secure-port={self.address.scheduler}",
        ]

    def _client_flags(self, name: str) -> list[str]:
        kubeconfig = self.write_kubeconfig(name)
        return [
            *(f"--{use}kubeconfig={kubeconfig}" for use in ("", "authentication-", "authorization-")),
            f"--bind-address={self.address.host}",
            "--leader-elect=false",
            # The defaults, 20 and 30, make 1,000 pods crawl.
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            "--profiling=false",
            "--v=1",
        ]
