"""Questions to admission, as the API server asks them."""

from __future__ import annotations

from typing import Any

import msgspec

from nmstate_k8s.core.admission import AdmissionRequest
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.admission.review import Others, Verdict, validate
from nmstate_k8s.domain.kinds import NODE_STATES, NODES, POLICIES

__all__ = ["asked", "bond", "card", "eth1", "judged", "node", "node_state", "other", "policy", "world"]


def policy(name: str, desired: Any, **spec: Any) -> dict[str, Any]:
    """A policy."""
    return {"metadata": {"name": name}, "spec": {"desiredState": desired, **spec}}


def asked(new: Any, old: Any = None) -> AdmissionRequest:
    """The API server's question."""
    return AdmissionRequest(
        "1", object=msgspec.Raw(msgspec.json.encode(new)), old_object=msgspec.Raw(msgspec.json.encode(old))
    )


def judged(
    desired: Any, *, others: list[Any] | None = None, allow_dispatch: bool | None = False, **spec: Any
) -> Verdict:
    """The verdict on a new policy, in a cluster that has these Nodes, NodeNetworkStates and policies."""
    things = [Object.from_dict(thing, _RESOURCES[thing["kind"]]) for thing in others or ()]
    return validate(asked(policy("one", desired, **spec)), world(things, allow_dispatch))


def world(things: list[Object], allow_dispatch: bool | None = None) -> Others:
    """What else there is."""

    def of(kind: str) -> list[Object]:
        return [thing for thing in things if thing.to_dict()["kind"] == kind]

    return Others(of("NodeNetworkConfigurationPolicy"), of("Node"), of("NodeNetworkState"), allow_dispatch)


def other(name: str, desired: Any, **spec: Any) -> dict[str, Any]:
    """A policy that is there already."""
    return {"kind": "NodeNetworkConfigurationPolicy", **policy(name, desired, **spec)}


def node(name: str, *addresses: str, **labels: str) -> dict[str, Any]:
    """A Node."""
    told = [{"type": "InternalIP", "address": address} for address in addresses]
    return {"kind": "Node", "metadata": {"name": name, "labels": labels}, "status": {"addresses": told}}


def node_state(name: str, *interfaces: Any, **more: Any) -> dict[str, Any]:
    """What a node reports."""
    return {
        "kind": "NodeNetworkState",
        "metadata": {"name": name},
        "status": {"currentState": {"interfaces": list(interfaces), **more}},
    }


def card(name: str, address: str = "", **more: Any) -> dict[str, Any]:
    """A network card that is up."""
    config = {"ipv4": {"enabled": True, "address": [{"ip": address, "prefix-length": 24}]}} if address else {}
    return {"name": name, "type": "ethernet", "state": "up", **config, **more}


def eth1(**more: Any) -> dict[str, Any]:
    """A desired state of one card."""
    return {"interfaces": [{"name": "eth1", "type": "ethernet", "state": "up", **more}]}


def bond(*ports: str) -> dict[str, Any]:
    """A desired state of one bond."""
    link = {"mode": "balance-rr", "port": list(ports)}
    return {"interfaces": [{"name": "bond0", "type": "bond", "state": "up", "link-aggregation": link}]}


_RESOURCES = {"Node": NODES, "NodeNetworkState": NODE_STATES, "NodeNetworkConfigurationPolicy": POLICIES}
