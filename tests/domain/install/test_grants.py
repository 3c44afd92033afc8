"""What an account may do in the end."""

from __future__ import annotations

from typing import Any

from nmstate_k8s.domain.install.grants import accounts, grants, written


def role(kind: str, name: str, *rules: dict[str, Any], namespace: str = "") -> dict[str, Any]:
    """A Role or a ClusterRole."""
    return {"kind": kind, "metadata": {"name": name, **({"namespace": namespace} if namespace else {})}, "rules": rules}


def binding(kind: str, of: tuple[str, str], *subjects: str, namespace: str = "") -> dict[str, Any]:
    """A binding of a role, given by kind and name."""
    metadata = {"name": "b", **({"namespace": namespace} if namespace else {})}
    return {
        "kind": kind,
        "metadata": metadata,
        "roleRef": {"kind": of[0], "name": of[1]},
        "subjects": [{"kind": "ServiceAccount", "name": one, "namespace": "n"} for one in subjects],
    }


READ_PODS = {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get"]}
LIST_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}
ONE_LEASE = {"apiGroups": ["c.io"], "resources": ["leases"], "verbs": ["get"], "resourceNames": ["mine"]}
METRICS = {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}

BODIES = [
    role("ClusterRole", "r", READ_PODS, METRICS),
    role("Role", "r", ONE_LEASE, namespace="n"),
    role("Role", "r", LIST_PODS, namespace="elsewhere"),
    role("ClusterRole", "unbound", LIST_PODS),
    binding("ClusterRoleBinding", ("ClusterRole", "r"), "a"),
    binding("RoleBinding", ("Role", "r"), "a", "b", namespace="n"),
    binding("RoleBinding", ("ClusterRole", "r"), "b", namespace="m"),
]


def test_roles_and_bindings_are_put_together() -> None:
    """Of each account, where its bindings are; a role of the same name in another namespace is another role."""
    assert accounts(BODIES, "n") == ("a", "b")
    assert accounts(BODIES, "m") == ()
    assert grants(BODIES, "a") == {
        ("*", "pods", ""): {"get"},
        ("*", "pods/log", ""): {"get"},
        ("*", "url", "/metrics"): {"get"},
        ("n", "leases.c.io", "mine"): {"get"},
    }
    assert {place for place, *_ in grants(BODIES, "b")} == {"n", "m"}


def test_verbs_of_several_rules_are_one_line() -> None:
    """One line for each kind and place, in columns."""
    bodies = [role("Role", "r", READ_PODS, LIST_PODS, namespace="n"), BODIES[5]]
    assert written(grants(bodies, "a")) == "n  pods      -  get list\nn  pods/log  -  get\n"
