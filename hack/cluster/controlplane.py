"""The control plane: which programs run with which flags, in the order in which they need one another."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from . import binaries, plan, supervisor_client
from .api import Api
from .errors import LabError
from .paths import Paths
from .pki import Pki
from .session import Session

__all__ = ["CLIENTS", "PARTS", "SERVERS", "forwarder", "start", "wait_ready", "wait_services"]

ETCD = "http://127.0.0.1:2379"
SERVER = f"https://{plan.GATEWAY}:{plan.API_PORT}"
SERVERS = ("etcd", "kube-apiserver")
CLIENTS = ("kube-controller-manager", "kube-scheduler", "kube-proxy")  # waste seconds if they come before the server
PARTS = SERVERS + CLIENTS
PROXY_HEALTH_PORT = 10256
PROXY_CONFIG = """\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {{kubeconfig: {kubeconfig}}}
# One proxy, on the nodes' router, serves the service addresses for all of them. Replies must come back by way of it.
hostnameOverride: node1
mode: iptables
clusterCIDR: {pods}
iptables: {{masqueradeAll: true, minSyncPeriod: 1s}}
conntrack: {{maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}}
healthzBindAddress: 127.0.0.1:{health_port}
metricsBindAddress: 127.0.0.1:10249
"""


def _flags(paths: Paths, pki: Pki) -> dict[str, list[str]]:
    def kubeconfig(user: str) -> str:
        return f"--kubeconfig={pki.kubeconfig(paths.pki / f'{user}.kubeconfig', user, SERVER)}"

    proxy = paths.state / "kube-proxy.yaml"
    pki.kubeconfig(paths.pki / "proxy.kubeconfig", "proxy", SERVER)
    proxy.write_text(
        PROXY_CONFIG.format(
            kubeconfig=paths.pki / "proxy.kubeconfig", pods=plan.POD_NETWORK, health_port=PROXY_HEALTH_PORT
        )
    )
    accounts = pki.key("service-accounts")
    return {
        "etcd": [
            f"--data-dir={paths.state / 'etcd'}", "--unsafe-no-fsync", "--log-level=warn",
            f"--listen-client-urls={ETCD}", f"--advertise-client-urls={ETCD}",
            "--listen-peer-urls=http://127.0.0.1:2380",
        ],
        "kube-apiserver": [
            f"--etcd-servers={ETCD}", f"--secure-port={plan.API_PORT}", f"--advertise-address={plan.GATEWAY}",
            f"--tls-cert-file={pki.certificate('apiserver')}", f"--tls-private-key-file={pki.key('apiserver')}",
            f"--client-ca-file={pki.authority}",
            f"--kubelet-client-certificate={pki.certificate('kubelet-client')}",
            f"--kubelet-client-key={pki.key('kubelet-client')}",
            f"--kubelet-certificate-authority={pki.authority}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--service-account-key-file={accounts}", f"--service-account-signing-key-file={accounts}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true", f"--service-cluster-ip-range={plan.SERVICE_NETWORK}",
            "--enable-aggregator-routing=true", f"--cert-dir={paths.state / 'apiserver'}",
        ],
        "kube-controller-manager": [
            kubeconfig("controller-manager"), "--leader-elect=false", "--use-service-account-credentials",
            f"--service-account-private-key-file={accounts}", f"--root-ca-file={pki.authority}",
            f"--cluster-signing-cert-file={pki.authority}", f"--cluster-signing-key-file={pki.key('ca')}",
        ],
        "kube-scheduler": [kubeconfig("scheduler"), "--leader-elect=false"],
        "kube-proxy": [f"--config={proxy}"],
    }  # fmt: skip


def start(session: Session, pki: Pki, parts: Sequence[str]) -> None:
    """Start those of these parts that do not run. One that ends is started anew by the supervisor."""
    paths = session.paths
    flags = _flags(paths, pki)
    for name in parts:
        program = binaries.find(paths, name)
        if program is None:
            raise LabError(f"{name} is neither built nor found; run `hack/lab build`")
        session.spawn(name, [program, *flags[name]], log=paths.logs / f"{name}.log", restart=True)


def forwarder(session: Session) -> None:
    """Make the API server answer on a loopback port of the host, for tools outside of the lab's network."""
    main = Path(__file__).parent / "__main__.py"
    argv: list[str | Path] = [sys.executable, "-I", "-S", main, "_forward", plan.GATEWAY, str(plan.API_PORT)]
    session.spawn("forward", argv, log=session.paths.logs / "forward.log", restart=True, inherit=True)


def wait_ready(api: Api, *, timeout: float) -> None:
    """Until the API server says that it is ready (through the loopback port: so that works, too)."""
    deadline = time.monotonic() + timeout
    while reason := api.ready():
        if time.monotonic() > deadline:
            sentence = f"the API server is not ready after {timeout:.0f} s; see `hack/lab logs kube-apiserver`"
            raise LabError(sentence, reason)
        time.sleep(0.1)


def wait_services(session: Session, *, timeout: float) -> None:
    """Until kube-proxy has made the service addresses lead to their pods."""
    deadline = time.monotonic() + timeout
    while not _proxy_healthy(session):
        if time.monotonic() > deadline:
            sentence = f"service addresses do not work after {timeout:.0f} s; see `hack/lab logs kube-proxy`"
            raise LabError(sentence)
        time.sleep(0.1)


def _proxy_healthy(session: Session) -> bool:
    with supervisor_client.open_socket(session.socket_path) as connection:
        connection.settimeout(2)
        try:
            connection.connect(("127.0.0.1", PROXY_HEALTH_PORT))
            connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            return b" 200 " in connection.recv(64)
        except OSError:  # not there yet
            return False
