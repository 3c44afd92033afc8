"""The lab's certificates: one authority, and short calls of openssl. Made anew with each lab, trusted nowhere else."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from .errors import LabError
from .plan import GATEWAY, SERVICE_API, Node
from .run import run

__all__ = ["Pki"]

DAYS = "3650"
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters:
- name: lab
  cluster:
    server: {server}
    certificate-authority-data: {authority}
users:
- name: {user}
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: lab
  context:
    cluster: lab
    user: {user}
current-context: lab
"""


class Pki:
    """Files in one folder; what is there already is kept, so that every method can be called again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def certificate(self, name: str) -> Path:
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    @property
    def authority(self) -> Path:
        return self.certificate("ca")

    def make_control_plane(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.authority.exists():
            new = self.folder / "ca.new"
            run(
                "openssl", "req", "-x509", *KEY, "-keyout", self.key("ca"), "-out", new,
                "-subj", "/CN=lab", "-days", DAYS,
                "-addext", "basicConstraints=critical,CA:true", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
                what="making the lab's authority",
            )  # fmt: skip
            new.rename(self.authority)
        if not self.key("service-accounts").exists():
            run("openssl", "genrsa", "-out", self.key("service-accounts"), "2048")
        names = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
        server = [*(f"DNS:{name}" for name in names), *(f"IP:{ip}" for ip in (GATEWAY, "127.0.0.1", SERVICE_API))]
        self._sign("apiserver", "/CN=kube-apiserver", server)
        self._sign("kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client")
        self._sign("admin", "/O=system:masters/CN=admin")
        self._sign("controller-manager", "/CN=system:kube-controller-manager")
        self._sign("scheduler", "/CN=system:kube-scheduler")
        self._sign("proxy", "/CN=system:kube-proxy")

    def make_node(self, node: Node) -> None:
        """A client certificate for the kubelet, and one that it serves logs and exec with."""
        self._sign(node.name, f"/O=system:nodes/CN=system:node:{node.name}")
        self._sign(f"{node.name}-serving", f"/CN={node.name}", [f"DNS:{node.name}", f"IP:{node.address}"])

    def _sign(self, name: str, subject: str, alternatives: Sequence[str] = ()) -> None:
        if self.certificate(name).exists():
            return
        extensions = ["-addext", "extendedKeyUsage=serverAuth,clientAuth"]
        if alternatives:
            extensions += ["-addext", f"subjectAltName={','.join(alternatives)}"]
        new = self.folder / f"{name}.new"
        run(
            "openssl", "req", "-x509", *KEY, "-keyout", self.key(name), "-out", new, "-subj", subject, "-days", DAYS,
            "-CA", self.authority, "-CAkey", self.key("ca"),
            "-addext", "basicConstraints=critical,CA:false", *extensions,
            what=f"making the certificate of {name}",
        )  # fmt: skip
        new.rename(self.certificate(name))

    def kubeconfig(self, target: Path, user: str, server: str) -> Path:
        """A kubeconfig with everything in it, readable by its owner alone."""
        try:
            authority, certificate, key = (
                base64.b64encode(p.read_bytes()).decode()
                for p in (self.authority, self.certificate(user), self.key(user))
            )
        except FileNotFoundError as error:
            raise LabError(f"{error.filename} is missing; make the lab anew: `hack/lab down`, `hack/lab up`") from error
        new = target.with_name(f".{target.name}.new")
        new.touch(mode=0o600)
        new.write_text(
            KUBECONFIG.format(server=server, authority=authority, user=user, certificate=certificate, key=key)
        )
        return new.rename(target)
