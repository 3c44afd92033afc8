"""A real etcd and kube-apiserver for tests, in seconds.

* Binaries come from KUBEBUILDER_ASSETS, else PATH, else the cache that `hack/lab build` fills; nothing is
  downloaded. Without them `start` raises `MissingBinaries`, which says what to do.
* Everything listens on loopback ports of its own (`ports`), and its files are in a temporary folder, which is removed.
* There are no controllers: namespaces stay in Terminating, nothing is garbage collected, pods are not run.
  Service accounts are not created for pods either, so a pod can be written without one.
* The API server can be stopped, killed and started again with its data, and can get a certificate of another
  authority; etcd (`plane.etcd`) can be compacted, and set back to what it was.

    with ControlPlane.start() as plane:
        plane.install_crds(Path("manifests/crds"))
        async with Client(plane.config) as client: ...
"""

import contextlib
import http.client
import json
import os
import shutil
import ssl
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

from nmstate_k8s.core.config import ClusterConfig, StaticToken
from nmstate_k8s.testing.etcd import Etcd
from nmstate_k8s.testing.pki import Authority, Pair, write_key
from nmstate_k8s.testing.ports import free_ports
from nmstate_k8s.testing.processes import Child, cpu_seconds

__all__ = ["ControlPlane", "MissingBinaries", "find_binary"]

VERSION: Final = "v1.36.3"
START_SECONDS: Final = 60.0
HOSTS: Final = ("127.0.0.1", "localhost")
CRDS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class MissingBinaries(RuntimeError):
    """There is no kube-apiserver or no etcd on this machine."""


def find_binary(name: str, env: Mapping[str, str] = os.environ) -> Path:
    """
    :raises MissingBinaries: naming the places where it was looked for.
    """
    cache = Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folders = [cache / "nmstate-k8s" / "controlplane" / VERSION]
    if env.get("KUBEBUILDER_ASSETS"):
        folders.insert(0, Path(env["KUBEBUILDER_ASSETS"]))
    on_path = shutil.which(name, path=env.get("PATH"))
    places = [folder / name for folder in folders]
    if on_path:
        places.insert(len(places) - 1, Path(on_path))
    for place in places:
        if os.access(place, os.X_OK):
            return place
    looked = ", ".join(str(folder) for folder in folders)
    raise MissingBinaries(f"no {name} in {looked} nor on PATH: run `hack/lab build` or set KUBEBUILDER_ASSETS")


class ControlPlane:
    """One etcd, one API server, and the administrator's way in."""

    def __init__(self, folder: Path) -> None:
        """Use `start`."""
        self._folder = folder
        self._etcd_binary = find_binary("etcd")
        self._apiserver_binary = find_binary("kube-apiserver")
        authority = Authority(folder)
        self._authority = authority
        self._trusted = authority.pair.cert
        self._serving = authority.issue("apiserver", "kube-apiserver", hosts=HOSTS)
        self._admin = authority.issue("admin", "admin", groups=("system:masters",))
        write_key(folder / "service-accounts.key")
        etcd_port, peer_port, self.port = free_ports(3)
        self.etcd = Etcd(self._etcd_binary, folder, etcd_port, peer_port)
        self._apiserver: Child | None = None

    @classmethod
    @contextmanager
    def start(cls) -> Iterator[Self]:
        """Everything up and ready; everything gone afterwards.

        :raises MissingBinaries: if this machine has none.
        """
        folder = Path(tempfile.mkdtemp(prefix="nmstate-k8s-apiserver-"))
        try:
            plane = cls(folder)
            try:
                plane.etcd.start()
                plane.start_apiserver()
                yield plane
            finally:
                plane.stop()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def config(self) -> ClusterConfig:
        """The administrator's configuration."""
        return self._config(self._admin)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, for kubectl and other tools."""
        path = self._folder / "kubeconfig"
        user = {"client-certificate": str(self._admin.cert), "client-key": str(self._admin.key)}
        cluster = {"server": self.server, "certificate-authority": str(self._trusted)}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "admin", "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        }
        path.write_text(json.dumps(content))
        return path

    def config_for(self, user: str, *groups: str) -> ClusterConfig:
        """The configuration of any user, by a client certificate of his own."""
        return self._config(self._authority.issue(f"user-{user.replace(':', '-')}", user, groups=groups))

    def config_with_token(self, token: str) -> ClusterConfig:
        """The configuration of whom a token speaks for (a service account's, from the token API)."""
        return replace(self.config, cert_file="", key_file="", credentials=StaticToken(token))

    def start_apiserver(self) -> None:
        """Start the API server, with the data that etcd has, and wait until it is ready."""
        keys = self._folder / "service-accounts.key"
        self._apiserver = Child(
            "kube-apiserver",
            [
                self._apiserver_binary,
                f"--etcd-servers={self.etcd.url}",
                "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1",
                f"--secure-port={self.port}",
                f"--tls-cert-file={self._serving.cert}",
                f"--tls-private-key-file={self._serving.key}",
                f"--client-ca-file={self._authority.pair.cert}",
                f"--cert-dir={self._folder}",
                f"--service-account-key-file={keys}",
                f"--service-account-signing-key-file={keys}",
                "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
                "--service-cluster-ip-range=10.96.0.0/16",
                "--authorization-mode=Node,RBAC",
                "--disable-admission-plugins=ServiceAccount",
                "--allow-privileged=true",
                "--profiling=false",
                "--endpoint-reconciler-type=none",
                "--shutdown-delay-duration=0s",
            ],
            self._folder / "apiserver.log",
        )
        self._apiserver.wait_ready(self._apiserver_ready, START_SECONDS)

    def cpu_seconds(self) -> float:
        """What the API server that runs now has used so far."""
        if self._apiserver is None:
            raise RuntimeError("the API server was not started")
        return cpu_seconds(self._apiserver.pid)

    def stop_apiserver(self, *, kill: bool = False) -> None:
        """End the API server; its data stays."""
        if self._apiserver is not None:
            self._apiserver.stop(kill=kill)

    def stop(self) -> None:
        """End everything."""
        self.stop_apiserver(kill=True)
        self.etcd.stop()

    def restore(self, backup: Path) -> None:
        """Everything as it was at that backup of etcd, resource versions too, after the API server's restart."""
        self.stop_apiserver(kill=True)
        self.etcd.restore(backup)
        self.start_apiserver()

    def renew_authority(self) -> Path:
        """A new serving certificate of a new authority; the authority's own, which clients now have to trust.

        An API server that runs takes it up by itself, and it is waited for until it did; what is connected stays
        connected. Clients' certificates stay those of the first authority.
        """
        count = len(list(self._folder.glob("serving-ca-*.crt")))
        authority = Authority(self._folder, f"serving-ca-{count}")
        made = authority.issue(f"serving-{count}", "kube-apiserver", hosts=HOSTS)
        made.key.replace(self._serving.key)
        made.cert.replace(self._serving.cert)
        self._trusted = authority.pair.cert
        if self._apiserver is not None and self._apiserver.running:
            self._apiserver.wait_ready(self._apiserver_ready, START_SECONDS)
        return self._trusted

    def install_crds(self, path: Path) -> list[str]:
        """Apply the CRDs in a file or in a folder's files and wait until they are served; their names."""
        import yaml

        files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
        crds = [each for file in files for each in yaml.safe_load_all(file.read_text()) if each]
        for crd in crds:
            self.call("PATCH", f"{CRDS}/{crd['metadata']['name']}?fieldManager=test&force=true", crd)
        deadline = time.monotonic() + START_SECONDS
        while not all(map(self._serves, crds)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not served: {[crd['metadata']['name'] for crd in crds]}")
            time.sleep(0.05)
        return [crd["metadata"]["name"] for crd in crds]

    def _serves(self, crd: Mapping[str, Any]) -> bool:
        """Whether its objects can be listed in each version: Established comes a moment earlier."""
        spec = crd["spec"]
        versions = [each["name"] for each in spec["versions"] if each["served"]]
        try:
            for version in versions:
                self.call("GET", f"/apis/{spec['group']}/{version}/{spec['names']['plural']}?limit=1")
        except RuntimeError:
            return False
        return True

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One blocking request as the administrator, for fixtures outside an event loop."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self._ssl_context(), timeout=10)
        kind = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
        with contextlib.closing(connection):
            connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": kind})
            response = connection.getresponse()
            data = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {data.decode(errors='replace')}")
        return json.loads(data) if data[:1] == b"{" else data.decode()

    def _config(self, who: Pair) -> ClusterConfig:
        return ClusterConfig(
            server=self.server,
            ca_file=str(self._trusted),
            cert_file=str(who.cert),
            key_file=str(who.key),
        )

    def _ssl_context(self) -> ssl.SSLContext:
        context = self.config.ssl_context()
        assert context is not None
        return context

    def _apiserver_ready(self) -> bool:
        # The bootstrap of roles and the system's namespaces are part of /readyz.
        return bool(self.call("GET", "/readyz") == "ok")
