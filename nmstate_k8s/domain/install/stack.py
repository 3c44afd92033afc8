"""What all installed objects have in common: names, labels, owner.

- One ``Stack`` is one NMState as this operator installs it; everything is rendered from it and from nothing else.
- Names take the operator's prefix, except those that the API fixes (CRDs) or the user chooses (the namespace).
- ``app: kubernetes-nmstate`` is on every object: the operator finds by it what is its own to mend.
"""

from __future__ import annotations

__all__ = ["Body", "Manifest", "InstallSettings", "Stack", "EVENTS_NAMESPACE", "prefixed"]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nmstate_k8s import __version__
from nmstate_k8s.api.meta import APP, APP_LABEL, COMPONENT_LABEL, NAME_LABEL, OPERATOR_MANAGER
from nmstate_k8s.api.nmstate import NMStateSpec
from nmstate_k8s.core.objects import Key, Object, OwnerReference, Resource

Body = dict[str, Any]
"""An object, or a part of one, as plain JSON data."""

EVENTS_NAMESPACE = "default"
"""Where the events about cluster-scoped objects (policies, nodes) live."""

_RECOMMENDED = "app.kubernetes.io/"


def prefixed(prefix: str, base: str) -> str:
    """The name of an installed object; an empty prefix adds nothing."""
    return f"{prefix}-{base}" if prefix else base


@dataclass(frozen=True, slots=True)
class InstallSettings:
    """What the operator was told about the installation by its own environment."""

    handler_image: str
    image_pull_policy: str = "IfNotPresent"
    namespace: str = "nmstate"
    prefix: str = ""
    console_plugin_image: str = ""
    """What serves the plugin of OpenShift's console; empty: none is installed."""
    version: str = __version__
    monitoring_namespace: str = "monitoring"
    """Where Prometheus runs."""
    handler_environment: Mapping[str, str] | None = None
    """The NNCP_* variables, handed on to the handlers as the same strings."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """An object that ought to exist, and where the API server keeps its like."""

    resource: Resource
    body: Body

    @property
    def key(self) -> Key:
        metadata = self.body["metadata"]
        return Key(metadata.get("namespace", ""), metadata["name"])

    def __str__(self) -> str:
        return f"{self.resource.kind} {self.key}"


@dataclass(frozen=True, slots=True)
class Stack:
    """One NMState, to be installed with these settings."""

    spec: NMStateSpec
    settings: InstallSettings
    owner: OwnerReference
    labels: Mapping[str, str]

    @classmethod
    def of(cls, nmstate: Object, spec: NMStateSpec, settings: InstallSettings) -> Stack:
        """The stack that ``nmstate`` asks for; recommended labels are copied from it where it has them."""
        defaults = {
            "component": "network",
            "part-of": APP,
            "version": settings.version,
            "managed-by": OPERATOR_MANAGER,
        }
        labels = {f"{_RECOMMENDED}{name}": value for name, value in defaults.items()}
        labels.update({name: value for name, value in nmstate.labels.items() if name in labels})
        owner = OwnerReference(
            api_version=nmstate.api_version,
            kind=nmstate.kind,
            name=nmstate.name,
            uid=nmstate.uid,
            controller=True,
            block_owner_deletion=False,
        )
        return cls(spec, settings, owner, {APP_LABEL: APP, **labels})

    @property
    def namespace(self) -> str:
        """Where everything namespaced lives."""
        return self.settings.namespace

    def name(self, base: str) -> str:
        """The name of an installed object."""
        return prefixed(self.settings.prefix, base)

    def pod_labels(self, name: str, component: str) -> dict[str, str]:
        """The labels of a pod; ``component`` and ``name`` select it."""
        return {**self.labels, **self.selector(name, component)}

    def selector(self, name: str, component: str) -> dict[str, str]:
        """What selects the pods of one workload."""
        return {COMPONENT_LABEL: component, NAME_LABEL: self.name(name)}

    def manifest(
        self, resource: Resource, name: str, content: Body, *, namespace: str = "", owned: bool = True
    ) -> Manifest:
        """An object of the stack; owned by the NMState unless it is to outlive it.

        ``name`` is final (see :meth:`name`); namespaced objects are in the stack's namespace by default.
        """
        metadata: Body = {"name": name, "labels": dict(self.labels)}
        if resource.namespaced:
            metadata["namespace"] = namespace or self.namespace
        if owned:
            metadata["ownerReferences"] = [
                {
                    "apiVersion": self.owner.api_version,
                    "kind": self.owner.kind,
                    "name": self.owner.name,
                    "uid": self.owner.uid,
                    "controller": True,
                    # Not even a foreground deletion of the NMState waits: a pod of a dead node would hold it for ever.
                    "blockOwnerDeletion": False,
                }
            ]
        content = dict(content)
        extra = content.pop("metadata", {})
        metadata["labels"].update(extra.get("labels", {}))
        if annotations := extra.get("annotations"):
            metadata["annotations"] = annotations
        return Manifest(
            resource, {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **content}
        )
