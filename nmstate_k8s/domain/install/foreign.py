"""Objects that another program made for an NMState (the Go system, an older release), and how they become ours.

Server-side apply takes away what we applied before and leave out now, and nothing else. What another program set
in fields that we never name would stay for ever: an option of its pods, a variable. So, once, all that it set is
written down as ours (``metadata.managedFields``), and the next apply takes away whatever we do not ask for. The same is
done when somebody set what cannot go together with what we ask for, so that an apply is refused.

- Only objects that an NMState owns: nobody but an installer makes those. A namespace or a CRD that the user applied
  keeps what the user put there.
- What Kubernetes' own controllers set stays theirs, and what our other programs set (a CA in a webhook).
- Later, too, nobody else may set anything in such an object: one more label in a DaemonSet's node selector takes the
  handler from every node, and no comparison with what we ask for tells it from a default of the server's. Metadata
  (of a pod template, too: `kubectl rollout restart` writes there) is everybody's. Webhook configurations are left
  alone: some clouds exempt their own namespaces in all of them, and insist.
- Some fields can never be changed (a workload's selector, a binding's role). Where theirs differ, the object is
  deleted and made anew.
"""

from __future__ import annotations

__all__ = ["adoption", "is_foreign", "is_owned", "managers_only", "must_be_made_anew"]

from collections.abc import Iterable
from typing import Any

import msgspec

from nmstate_k8s.api.meta import CONTROLLER_MANAGER, OPERATOR_MANAGER
from nmstate_k8s.core.errors import Invalid
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.kinds import NMSTATES

_KUBERNETES = "kube-"
_IMMUTABLE = ("field is immutable", "cannot change roleRef")
"""How the API server refuses the change of such a field (apps/v1 workloads, rbac/v1 bindings)."""


_COLLEAGUES = (OPERATOR_MANAGER, CONTROLLER_MANAGER)
_EVERYBODYS = ("f:metadata", "f:status")
_SHARED_KINDS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")


class _Manager(msgspec.Struct, rename="camel", omit_defaults=True):
    manager: str = ""
    operation: str = ""
    subresource: str = ""
    fields_v1: dict[str, Any] = msgspec.field(default_factory=dict, name="fieldsV1")

    @property
    def is_kept(self) -> bool:
        """Whether what it set is its own business."""
        return bool(self.subresource) or self.manager.startswith(_KUBERNETES)

    @property
    def says_more(self) -> bool:
        """Whether it set anything beyond metadata."""
        return _beyond_metadata(self.fields_v1)


class _Metadata(msgspec.Struct, rename="camel"):
    managed_fields: tuple[_Manager, ...] = ()


class _Managed(msgspec.Struct):
    metadata: _Metadata


def is_owned(found: Object) -> bool:
    """Whether an NMState owns it: only an installer makes such objects."""
    return any(owner.kind == NMSTATES.kind for owner in found.metadata.owner_references)


def is_foreign(found: Object) -> bool:
    """Whether an NMState owns it, and something in it is not by us: all of it, or what somebody added."""
    if not is_owned(found):
        return False
    managers = found.view(_Managed).metadata.managed_fields
    if not any(one.manager == OPERATOR_MANAGER and one.operation == "Apply" for one in managers):
        return True
    strangers = (one for one in managers if not one.is_kept and one.manager not in _COLLEAGUES)
    return found.kind not in _SHARED_KINDS and any(one.says_more for one in strangers)


def adoption(found: Object) -> list[dict[str, Any]]:
    """The JSON patch after which all that other programs set is ours; of the whole object, of that very version.

    It also marks the object: its owner is not its controller until the next apply. Should there be none (we crash),
    the object is not as it ought to be, and is applied when somebody looks again. Owners, unlike labels, may also be
    changed in a role that gives more than we hold.
    """
    metadata = found.to_dict()["metadata"]
    theirs: list[dict[str, Any]] = []
    rest: list[dict[str, Any]] = []
    for entry in metadata.get("managedFields", ()):
        kept = msgspec.convert(entry, _Manager).is_kept or entry["manager"] == CONTROLLER_MANAGER
        (rest if kept else theirs).append(entry)
    ours = {
        "manager": OPERATOR_MANAGER,
        "operation": "Apply",
        "apiVersion": found.api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": _union(entry.get("fieldsV1", {}) for entry in theirs),
    }
    marked = [{**owner, "controller": False} for owner in metadata["ownerReferences"]]
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": found.metadata.resource_version},
        {"op": "add", "path": "/metadata/ownerReferences", "value": marked},
        {"op": "add", "path": "/metadata/managedFields", "value": [*rest, ours]},
    ]


def must_be_made_anew(error: Invalid) -> bool:
    """Whether an apply was refused because it would change what can never be changed."""
    told = (error.message, *(cause.message for cause in error.causes))
    return any(phrase in text for phrase in _IMMUTABLE for text in told)


def managers_only(obj: Object) -> Object:
    """The object with those who wrote it, but not with which fields, only whether any: for keeping in memory."""
    if b'"managedFields"' not in obj.raw:
        return obj
    top = obj.view(dict[str, msgspec.Raw])
    metadata = msgspec.json.decode(top["metadata"], type=dict[str, msgspec.Raw])
    managers = msgspec.json.decode(metadata["managedFields"], type=list[_Manager])
    for one in managers:
        one.fields_v1 = {"f:spec": {}} if one.says_more else {}
    metadata["managedFields"] = msgspec.Raw(msgspec.json.encode(managers))
    top["metadata"] = msgspec.Raw(msgspec.json.encode(metadata))
    return obj.with_raw(msgspec.json.encode(top))


def _beyond_metadata(fields: dict[str, Any]) -> bool:
    """Whether a set of fields, written as a tree, has leaves that are not in any metadata or status."""
    return any(not inner or _beyond_metadata(inner) for name, inner in fields.items() if name not in _EVERYBODYS)


def _union(sets: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """All fields of several sets, each of which is written as a tree."""
    whole: dict[str, Any] = {}
    for one in sets:
        for name, inner in one.items():
            whole[name] = _union((whole.get(name, {}), inner))
    return whole
