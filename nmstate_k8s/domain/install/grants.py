"""What an account may do in the end, of all roles and bindings: for the golden files in manifests/access.

One line for each kind of object (and name, where only some may be touched) and place, with all verbs. A review sees
what a change of a rule gives to whom, and a test compares the lines with what a real API server says of the account.
"""

from __future__ import annotations

__all__ = ["EVERYWHERE", "Grants", "accounts", "grants", "written"]

from collections.abc import Iterable, Iterator, Mapping, Sequence

from nmstate_k8s.domain.install.kinds import CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS
from nmstate_k8s.domain.install.stack import Body

EVERYWHERE = "*"
"""The place of what a ClusterRoleBinding gives."""

Grants = Mapping[tuple[str, str, str], frozenset[str]]
"""Place (a namespace), kind (`deployments.apps`, `nodes/status`) and name (empty: all of them), and the verbs."""

_BINDINGS = (CLUSTER_ROLE_BINDINGS.kind, ROLE_BINDINGS.kind)


def accounts(bodies: Iterable[Body], namespace: str) -> tuple[str, ...]:
    """The service accounts of a namespace that anything is bound to, in the order in which they come."""
    subjects = (subject for binding in _bindings(bodies) for subject in binding["subjects"])
    return tuple(dict.fromkeys(one["name"] for one in subjects if one["namespace"] == namespace))


def grants(bodies: Sequence[Body], account: str) -> Grants:
    """All that a service account may do by the roles and bindings among `bodies`."""
    found: dict[tuple[str, str, str], frozenset[str]] = {}
    for binding in _bindings(bodies):
        if account not in (subject["name"] for subject in binding["subjects"]):
            continue
        place = binding["metadata"].get("namespace", EVERYWHERE)
        for rule in _rules(bodies, binding):
            for kind, name in _objects(rule):
                verbs = found.get((place, kind, name), frozenset())
                found[place, kind, name] = verbs | frozenset(rule["verbs"])
    return found


def written(held: Grants) -> str:
    """The grants as lines of a file: place, kind, name, verbs."""
    rows = [(place, kind, name or "-", " ".join(sorted(verbs))) for (place, kind, name), verbs in sorted(held.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "".join(
        "  ".join((*(row[column].ljust(widths[column]) for column in range(3)), row[3])) + "\n" for row in rows
    )


def _bindings(bodies: Iterable[Body]) -> Iterator[Body]:
    return (body for body in bodies if body["kind"] in _BINDINGS)


def _rules(bodies: Iterable[Body], binding: Body) -> Iterator[Body]:
    """The rules of the role that a binding names: in its own namespace, or of the cluster."""
    role = binding["roleRef"]
    namespace = "" if role["kind"] == "ClusterRole" else binding["metadata"]["namespace"]
    for body in bodies:
        metadata = body["metadata"]
        same = body["kind"] == role["kind"] and metadata["name"] == role["name"]
        if same and metadata.get("namespace", "") == namespace:
            yield from body["rules"]


def _objects(rule: Body) -> Iterator[tuple[str, str]]:
    """Kind and name of all that a rule speaks of; paths that are no resources under the name `url`."""
    for path in rule.get("nonResourceURLs", ()):
        yield "url", path
    for group in rule.get("apiGroups", ()):
        for resource in rule["resources"]:
            main, slash, sub = resource.partition("/")
            kind = f"{main}.{group}{slash}{sub}" if group else resource
            for name in rule.get("resourceNames") or [""]:
                yield kind, name
