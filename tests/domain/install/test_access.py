"""Who may do what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from nmstate_k8s.domain.install.operator_access import operator_access

Rendered = Callable[..., dict[str, dict[str, Any]]]
Grant = tuple[str, str, str, str, str]


def grants(bodies: Iterable[dict[str, Any]]) -> Iterator[Grant]:
    """Every (namespace, group, resource, verb, name) that roles give; empty names are all names."""
    for body in bodies:
        for rule in body.get("rules", ()) if body["kind"] in ("Role", "ClusterRole") else ():
            for path in rule.get("nonResourceURLs", ()):
                for verb in rule["verbs"]:
                    yield "", "", path, verb, ""
            for group in rule.get("apiGroups", ()):
                for resource in rule["resources"]:
                    for verb in rule["verbs"]:
                        for name in rule.get("resourceNames", [""]):
                            yield body["metadata"].get("namespace", ""), group, resource, verb, name


def test_the_operator_holds_what_it_grants(rendered: Rendered) -> None:
    """The API server lets nobody grant what he does not hold, and the operator has no way round that."""
    held = set(grants(operator_access("nmstate")))
    granted = set(grants(rendered().values()))
    assert not {
        grant for grant in granted if not held & {grant, ("", *grant[1:]), (*grant[:4], ""), ("", *grant[1:4], "")}
    }


def test_nobody_has_a_wildcard_or_more_power_than_is_seen(rendered: Rendered) -> None:
    """No `*`, no escalate, bind or impersonate, no pods to create; Secrets in the own namespace only."""
    for namespace, group, resource, verb, _ in grants([*operator_access("nmstate"), *rendered().values()]):
        assert "*" not in (group, resource, verb)
        assert verb not in ("escalate", "bind", "impersonate")
        assert (resource, verb) != ("pods", "create")
        assert resource != "secrets" or namespace == "nmstate"


def test_the_node_writes_results_only(rendered: Rendered) -> None:
    """The node's account writes the status of enactments and NodeNetworkStates, and no spec of anything else."""
    role = rendered()["ClusterRole nmstate-handler"]
    writes = {grant[2:4] for grant in grants([role]) if grant[3] not in ("get", "list", "watch")}
    assert writes == {
        ("nodenetworkconfigurationenactments/status", "patch"),
        ("nodenetworkstates", "create"),
        ("nodenetworkstates/status", "patch"),
    }


def test_the_controller_fills_one_secret_and_creates_none(rendered: Rendered) -> None:
    """Whoever may create Secrets may get a token of any account of the namespace."""
    for prefix in ("", "alice"):
        found = {grant[3:] for grant in grants(rendered(prefix=prefix).values()) if grant[2] == "secrets"}
        name = f"{prefix}-nmstate-certificates".removeprefix("-")
        assert found == {(verb, name) for verb in ("get", "list", "watch", "update", "delete")}


def test_another_namespace_gets_the_same_rules() -> None:
    """An operator elsewhere has its Role there, and may manage that namespace alone."""
    elsewhere = set(grants(operator_access("net")))
    assert {grant[0] for grant in elsewhere} == {"", "net", "default"}
    assert ("", "", "namespaces", "patch", "net") in elsewhere
