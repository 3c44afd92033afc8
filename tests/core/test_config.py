"""How to reach a cluster: in a pod, and by a kubeconfig."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from nmstate_k8s.core.config import ClusterConfig, TokenFile
from nmstate_k8s.core.errors import ConfigError

ENV = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """A service account as the kubelet mounts it."""
    (tmp_path / "token").write_text("one\n")
    (tmp_path / "ca.crt").write_text("")
    (tmp_path / "namespace").write_text("nmstate")
    return tmp_path


def test_a_pod_has_all_it_needs_in_three_files(account: Path) -> None:
    """Server, namespace, CA and token."""
    config = ClusterConfig.in_cluster(folder=account, env=ENV)
    assert config.server == "https://10.0.0.1:443"
    assert config.namespace == "nmstate"
    assert config.ca_file == str(account / "ca.crt")
    assert asyncio.run(config.credentials.authorization()) == "Bearer one"


def test_an_address_of_version_6_is_bracketed(account: Path) -> None:
    """Clusters may have only those."""
    config = ClusterConfig.in_cluster(folder=account, env=ENV | {"KUBERNETES_SERVICE_HOST": "fd00::1"})
    assert config.server == "https://[fd00::1]:443"


def test_outside_a_pod_it_says_what_is_missing(tmp_path: Path) -> None:
    """The variables, or the file by its name."""
    with pytest.raises(ConfigError, match="KUBERNETES_SERVICE_HOST"):
        ClusterConfig.in_cluster(folder=tmp_path, env={})
    with pytest.raises(ConfigError, match="token is missing"):
        ClusterConfig.in_cluster(folder=tmp_path, env=ENV)


@pytest.mark.asyncio
async def test_a_token_is_read_again_when_it_was_refused(account: Path) -> None:
    """Kubelets rotate it; between, the file is not read for every request."""
    token = TokenFile(account / "token")
    assert await token.authorization() == "Bearer one"
    (account / "token").write_text("two")
    assert await token.authorization() == "Bearer one"
    assert await token.authorization(refresh=True) == "Bearer two"


@pytest.mark.asyncio
async def test_a_token_that_cannot_be_read_now_is_still_the_last_one(account: Path) -> None:
    """A kubelet replaces it by renaming; but one that never was is an error."""
    token = TokenFile(account / "token")
    await token.authorization()
    (account / "token").unlink()
    assert await token.authorization(refresh=True) == "Bearer one"
    with pytest.raises(ConfigError, match="cannot read the token"):
        await TokenFile(account / "token").authorization()


def kubeconfig(folder: Path, user: dict[str, object]) -> Path:
    """A kubeconfig with one user."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "https://host:6443", "insecure-skip-tls-verify": True}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "ns"}}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.asyncio
async def test_a_kubeconfig_names_server_namespace_and_token(tmp_path: Path) -> None:
    """As kubectl reads it."""
    config = ClusterConfig.from_kubeconfig(kubeconfig(tmp_path, {"token": "secret"}))
    assert (config.server, config.namespace) == ("https://host:6443", "ns")
    assert config.insecure_skip_tls_verify
    assert await config.credentials.authorization() == "Bearer secret"


@pytest.mark.asyncio
async def test_a_plugin_may_bring_the_token(tmp_path: Path) -> None:
    """Clouds do it so."""
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    script = tmp_path / "plugin"
    script.write_text(f"#!/bin/sh\necho '{json.dumps(credential | {'status': {'token': 'fresh'}})}'\n")
    script.chmod(0o755)
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(script),
        "interactiveMode": "Never",
    }
    config = ClusterConfig.from_kubeconfig(kubeconfig(tmp_path, {"exec": plugin}))
    assert await config.credentials.authorization() == "Bearer fresh"


def test_a_kubeconfig_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(ConfigError, match="nowhere"):
        ClusterConfig.from_kubeconfig(tmp_path / "nowhere")


def test_certificates_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    """With their path too."""
    (tmp_path / "ca.crt").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"ca\.crt"):
        ClusterConfig("https://x", ca_file=str(tmp_path / "ca.crt")).ssl_context()


def test_nodes_and_operators_import_nothing_heavy() -> None:
    """What handler and operator import must not bring in what costs tens of megabytes, or is not in their image."""
    heavy = ["kubernetes", "cryptography", "yaml", "jsonpatch", "aiohttp.web", "nmstate_k8s.testing"]
    script = (
        "import sys, nmstate_k8s.core.manager, nmstate_k8s.core.controller, nmstate_k8s.core.predicates;"
        "import nmstate_k8s.core.webhook, nmstate_k8s.apps.run_node, nmstate_k8s.apps.run_operator;"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
