"""How to reach a cluster, and as whom.

* In a pod: three files (token, CA, namespace) and two variables. The token is read again as the kubelet
  rotates it, and so are the CA and a client's certificate (`connections`); nothing is imported for it.
* Elsewhere: a kubeconfig, read by the `kubernetes` package (an extra, imported only then), so that client
  certificates, tokens, exec plugins and OIDC work as in kubectl.
"""

import asyncio
import os
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from nmstate_k8s.core.errors import ConfigError

__all__ = ["SERVICE_ACCOUNT_FOLDER", "ClusterConfig", "Credentials", "FileMarks", "StaticToken", "TokenFile"]

SERVICE_ACCOUNT_FOLDER: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")

_TOKEN_TTL: Final = 60.0
"""Seconds for which a token file is not read again. Kubelets rotate tokens at 80 % of 10 minutes or more."""


FileMarks = tuple[tuple[int, int, int], ...]
"""What changes when files do: inode, time of change and size of each."""


class Credentials(Protocol):
    """Who we are, as the value of an Authorization header."""

    async def authorization(self, *, refresh: bool = False) -> str:
        """The header's value, or "" for none. `refresh`: the server refused the last one."""


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A bearer token that does not change, or none."""

    token: str = ""

    async def authorization(self, *, refresh: bool = False) -> str:
        return f"Bearer {self.token}" if self.token else ""


class TokenFile:
    """A bearer token in a file that somebody else keeps fresh."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._value = ""
        self._read_at = float("-inf")

    async def authorization(self, *, refresh: bool = False) -> str:
        """The token; read again after a minute or when it was refused.

        :raises ConfigError: if it never could be read; a later failure keeps the last token.
        """
        if refresh or time.monotonic() - self._read_at >= _TOKEN_TTL:
            try:
                token = (await asyncio.to_thread(self.path.read_text)).strip()
            except OSError as error:
                if not self._value:
                    raise ConfigError(f"cannot read the token {self.path}: {error}") from error
            else:
                self._value = f"Bearer {token}"
            self._read_at = time.monotonic()
        return self._value


@dataclass(frozen=True)
class ClusterConfig:
    """Everything needed to speak to one API server."""

    server: str
    namespace: str = "default"
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    credentials: Credentials = field(default_factory=StaticToken)

    @classmethod
    def in_cluster(
        cls, *, folder: Path = SERVICE_ACCOUNT_FOLDER, env: Mapping[str, str] = os.environ
    ) -> "ClusterConfig":
        """The configuration of the pod that we run in.

        :raises ConfigError: outside a pod, saying what is missing.
        """
        host, port = env.get("KUBERNETES_SERVICE_HOST", ""), env.get("KUBERNETES_SERVICE_PORT", "")
        if not host or not port:
            raise ConfigError("not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
        token, authority, namespace = folder / "token", folder / "ca.crt", folder / "namespace"
        for path in (token, authority):
            if not path.is_file():
                raise ConfigError(f"no service account: {path} is missing")
        return cls(
            server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
            namespace=namespace.read_text().strip() if namespace.is_file() else "default",
            ca_file=str(authority),
            credentials=TokenFile(token),
        )

    @classmethod
    def from_kubeconfig(cls, path: str | Path | None = None, *, context: str | None = None) -> "ClusterConfig":
        """The configuration of a kubeconfig's (current) context; no path: KUBECONFIG or ~/.kube/config.

        Reads files and may run an exec plugin: call it before the event loop matters.

        :raises ConfigError: if the file or the `kubernetes` package is missing, or does not make sense.
        """
        try:
            from kubernetes.client import Configuration
            from kubernetes.config import ConfigException, kube_config
        except ImportError as error:
            raise ConfigError(
                "reading a kubeconfig needs the package `kubernetes`: pip install 'nmstate-k8s[kubeconfig]'"
            ) from error
        file = str(path) if path else kube_config.KUBE_CONFIG_DEFAULT_LOCATION
        loaded = Configuration()
        try:
            loader: Any = kube_config  # it has no types
            loader.load_kube_config(file, context=context, client_configuration=loaded)
            contexts, current = loader.list_kube_config_contexts(file)
        except (ConfigException, OSError) as error:
            raise ConfigError(f"kubeconfig {file} cannot be used: {error}") from error
        chosen = next((each for each in contexts if each["name"] == context), current)
        return cls(
            server=loaded.host,
            namespace=chosen.get("context", {}).get("namespace") or "default",
            ca_file=loaded.ssl_ca_cert or "",
            cert_file=loaded.cert_file or "",
            key_file=loaded.key_file or "",
            insecure_skip_tls_verify=not loaded.verify_ssl,
            tls_server_name=loaded.tls_server_name or "",
            credentials=_KubeconfigCredentials(loaded),
        )

    @property
    def host(self) -> str:
        """The server's address without its scheme."""
        return self.server.partition("://")[2]

    @property
    def is_https(self) -> bool:
        """Whether the server is asked by TLS."""
        return self.server.startswith("https:")

    @property
    def files(self) -> tuple[str, ...]:
        """The files of certificates, which somebody else may renew."""
        return tuple(filter(None, (self.ca_file, self.cert_file, self.key_file))) if self.is_https else ()

    @property
    def trusts(self) -> str:
        """Whose certificates are accepted, for people."""
        return f"those of {self.ca_file}" if self.ca_file else "those of the system"

    def file_marks(self) -> FileMarks:
        """Marks by which a change of the files is noticed; a file that is missing has zeros."""
        return tuple(map(_mark, self.files))

    def ssl_context(self) -> ssl.SSLContext | None:
        """A context that trusts this cluster's CA, read from its files now; None for plain http.

        :raises ConfigError: naming the file that cannot be used.
        """
        if not self.is_https:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
            if self.cert_file:
                context.load_cert_chain(self.cert_file, self.key_file or None)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"cannot use the certificates {', '.join(self.files)}: {error}") from error
        if self.insecure_skip_tls_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _mark(path: str) -> tuple[int, int, int]:
    try:
        found = Path(path).stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)


class _KubeconfigCredentials:
    """Tokens of a kubeconfig, renewed by the `kubernetes` package's own hook (which may run a plugin)."""

    def __init__(self, loaded: Any) -> None:
        self._loaded = loaded
        self._read_at = float("-inf")

    async def authorization(self, *, refresh: bool = False) -> str:
        if refresh or time.monotonic() - self._read_at >= _TOKEN_TTL:
            if self._loaded.refresh_api_key_hook is not None:
                await asyncio.to_thread(self._loaded.refresh_api_key_hook, self._loaded)
            self._read_at = time.monotonic()
        return str(self._loaded.api_key.get("BearerToken") or "")
