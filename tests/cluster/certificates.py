"""The certificates of a cluster and the kubeconfigs made of them, by openssl. Imports the standard library only."""

import base64
import json
import secrets
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
_API_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
_COMPONENTS = {
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "kube-proxy": ("system:kube-proxy", ""),
    "coredns": ("steelyard.test:coredns", ""),
    "admin": ("admin", "system:masters"),
    "apiserver-kubelet": ("kube-apiserver-kubelet-client", "system:masters"),
    "front-proxy": ("front-proxy-client", ""),
}


class Certificates:
    """One authority, and what it signed, in one folder: NAME.crt and NAME.key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self, api_host: str) -> None:
        """Makes the authority, the key of the service accounts, and the certificates of all components."""
        self.folder.mkdir(parents=True)
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.key("ca"))
        _openssl(
            *("req", "-x509", "-new", "-key", self.key("ca"), "-subj", "/CN=steelyard-tests", "-days", "365"),
            *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *("-out", self.certificate("ca")),
        )
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.key("service-accounts"))
        addresses = dict.fromkeys(("127.0.0.1", API_SERVICE, api_host))
        names = ",".join([*(f"IP:{each}" for each in addresses), *(f"DNS:{each}" for each in _API_NAMES)])
        with ThreadPoolExecutor() as pool:
            made = [pool.submit(self.sign, "apiserver", "kube-apiserver", names=names)]
            made += [pool.submit(self.sign, name, user, group) for name, (user, group) in _COMPONENTS.items()]
            for each in made:
                each.result()

    def sign(self, name: str, user: str, group: str = "", names: str = "") -> None:
        """Makes a key and a certificate for a user, and for the host names that are given."""
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.key(name))
        subject = f"/O={group}/CN={user}" if group else f"/CN={user}"
        _openssl("req", "-new", "-key", self.key(name), "-subj", subject, "-out", str(request))
        lines = ["keyUsage=digitalSignature,keyEncipherment", "extendedKeyUsage=serverAuth,clientAuth"]
        extensions.write_text("\n".join([*lines, *([f"subjectAltName={names}"] if names else []), ""]))
        _openssl(
            *("x509", "-req", "-in", str(request), "-CA", self.certificate("ca"), "-CAkey", self.key("ca")),
            *("-set_serial", f"0x{secrets.token_hex(8)}", "-days", "365", "-extfile", str(extensions)),
            *("-out", self.certificate(name)),
        )

    def key(self, name: str) -> str:
        """The file of a key."""
        return str(self.folder / f"{name}.key")

    def certificate(self, name: str) -> str:
        """The file of a certificate."""
        return str(self.folder / f"{name}.crt")

    def write_kubeconfig(self, file: Path, server: str, name: str) -> Path:
        """Writes a kubeconfig with one of the certificates."""
        user = {
            "client-certificate-data": _encoded(self.certificate(name)),
            "client-key-data": _encoded(self.key(name)),
        }
        return write_kubeconfig(file, server, _encoded(self.certificate("ca")), user)


def write_kubeconfig(file: Path, server: str, authority: str, user: dict[str, str], namespace: str = "default") -> Path:
    """Writes a kubeconfig with one context, for this program's user only. `authority` is the certificate in base64."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "user", "namespace": namespace}}],
        "current-context": "tests",
    }
    file.touch(mode=0o600)
    file.write_text(json.dumps(content, indent=2))
    return file


def _encoded(path: str) -> str:
    return base64.b64encode(Path(path).read_bytes()).decode()


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
