"""docs/security.md says what is installed: which ports listen, what of the host a handler has, whose accounts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from hack.packages.source import parsed

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/security.md").read_text()


def _installed(kind: str) -> list[dict[str, Any]]:
    return parsed((ROOT / f"manifests/handler/{kind}.yaml").read_text())


def _pod(body: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = body["spec"]["template"]["spec"]
    return spec


def _operator() -> dict[str, Any]:
    body: dict[str, Any] = yaml.safe_load((ROOT / "manifests/operator/deployment.yaml").read_text())
    return body


def test_every_port_that_a_pod_opens_is_on_the_page() -> None:
    """By whom, and at which address."""
    (controller,) = _installed("deployment")
    told = set(re.findall(r"^\| (\w+) \| `([\d.]*:\d+)`", PAGE, re.MULTILINE))
    for who, body in (("controller", controller), ("operator", _operator())):
        ports = {f":{port['containerPort']}" for one in _pod(body)["containers"] for port in one["ports"]}
        assert {(who, port) for port in ports} <= told
    (handler,) = _installed("daemonset")
    (container,) = _pod(handler)["containers"]
    (address,) = (each["value"] for each in container["env"] if each["name"] == "HEALTH_ADDRESS")
    assert address.startswith("127.0.0.1:")
    assert {where for who, where in told if who == "handler"} == {address}
    assert not container.get("ports")


def test_every_part_of_the_host_that_a_handler_has_is_on_the_page() -> None:
    """With its reason; what is only read is said to be."""
    (handler,) = _installed("daemonset")
    pod = _pod(handler)
    mounts = {mount["name"]: mount for mount in pod["containers"][0]["volumeMounts"]}
    paths = {
        (volume["hostPath"]["path"], mounts[volume["name"]].get("readOnly", False))
        for volume in pod["volumes"]
        if "hostPath" in volume
    }
    section = PAGE.partition("## Pods")[2].partition("## Images")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `/")]
    told = {(path, bool(rest)) for row in rows for path, rest in re.findall(r"`(/[^`]+)`(?: \((to read))?", row)}
    assert {(path, read) for path, read in told if path != "/host"} == paths


def test_every_account_is_on_the_page() -> None:
    """No other one has rules."""
    section = PAGE.partition("## Accounts")[2].partition("## What listens")[0]
    told = set(re.findall(r"^\| `([\w-]+)` \|", section, re.MULTILINE))
    installed = {body["metadata"]["name"] for body in _installed("serviceaccount")}
    assert told == installed | {"nmstate-operator"}


def test_every_admission_policy_for_the_node_is_on_the_page() -> None:
    """What narrows the account that is most exposed."""
    names = {body["metadata"]["name"] for body in _installed("validatingadmissionpolicy")}
    handlers = {name for name in names if "handler" in name}
    assert handlers
    for name in handlers:
        assert f"`{name}`" in PAGE
