"""Objects that another program made for an NMState (the Go system, an older release), and how they become ours.

Server-side apply takes away what we applied before and leave out now, and nothing else. What another program set
in fields that we never name would stay for ever: an option of its pods, a variable. So, once, all that it set is
written down as ours (``metadata.managedFields``), and the next apply takes away whatever we do not ask for.

- Only objects that an NMState owns: nobody but an installer makes those. A namespace or a CRD that the user applied
  keeps what the user put there.
- What Kubernetes' own controllers set stays theirs.
- Some fields can never be changed (a workload's selector, a binding's role). Where theirs differ, the object is
  deleted and made anew.
"""

from __future__ import annotations

__all__ = ["adoption", "is_foreign", "managers_only", "must_be_made_anew"]

from collections.abc import Iterable
from typing import Any

import msgspec

from nmstate_k8s.api.meta import OPERATOR_MANAGER
from nmstate_k8s.core.errors import Invalid
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.kinds import NMSTATES

_KUBERNETES = "kube-"
_IMMUTABLE = ("field is immutable", "cannot change roleRef")
"""How the API server refuses the change of such a field (apps/v1 workloads, rbac/v1 bindings)."""


class _Manager(msgspec.Struct, rename="camel", omit_defaults=True):
    manager: str = ""
    operation: str = ""
    subresource: str = ""


class _Metadata(msgspec.Struct, rename="camel"):
    managed_fields: tuple[_Manager, ...] = ()


class _Managed(msgspec.Struct):
    metadata: _Metadata


def is_foreign(found: Object) -> bool:
    """Whether an NMState owns it, and we never applied it."""
    if not any(owner.kind == NMSTATES.kind for owner in found.metadata.owner_references):
        return False
    managers = found.view(_Managed).metadata.managed_fields
    return not any(one.manager == OPERATOR_MANAGER and one.operation == "Apply" for one in managers)


def adoption(found: Object) -> list[dict[str, Any]]:
    """The JSON patch after which all that other programs set is ours; of the whole object, of that very version."""
    metadata = found.to_dict()["metadata"]
    theirs: list[dict[str, Any]] = []
    rest: list[dict[str, Any]] = []
    for entry in metadata.get("managedFields", ()):
        kept = entry.get("subresource") or entry["manager"].startswith(_KUBERNETES)
        (rest if kept else theirs).append(entry)
    ours = {
        "manager": OPERATOR_MANAGER,
        "operation": "Apply",
        "apiVersion": found.api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": _union(entry.get("fieldsV1", {}) for entry in theirs),
    }
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": found.metadata.resource_version},
        {"op": "add", "path": "/metadata/managedFields", "value": [*rest, ours]},
    ]


def must_be_made_anew(error: Invalid) -> bool:
    """Whether an apply was refused because it would change what can never be changed."""
    told = (error.message, *(cause.message for cause in error.causes))
    return any(phrase in text for phrase in _IMMUTABLE for text in told)


def managers_only(obj: Object) -> Object:
    """The object with the names of those who wrote it, but not with which fields: for keeping in memory."""
    if b'"managedFields"' not in obj.raw:
        return obj
    top = obj.view(dict[str, msgspec.Raw])
    metadata = msgspec.json.decode(top["metadata"], type=dict[str, msgspec.Raw])
    managers = msgspec.json.decode(metadata["managedFields"], type=list[_Manager])
    metadata["managedFields"] = msgspec.Raw(msgspec.json.encode(managers))
    top["metadata"] = msgspec.Raw(msgspec.json.encode(metadata))
    return obj.with_raw(msgspec.json.encode(top))


def _union(sets: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """All fields of several sets, each of which is written as a tree."""
    whole: dict[str, Any] = {}
    for one in sets:
        for name, inner in one.items():
            whole[name] = _union((whole.get(name, {}), inner))
    return whole
