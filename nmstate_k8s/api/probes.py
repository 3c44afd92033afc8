"""Probes: how it is verified that a node is still reachable after a change.

One struct, for an NMState (the defaults of all nodes) and for a policy (which overrides them field by field).
"""

from __future__ import annotations

__all__ = ["LONGEST_PROBE_SECONDS", "DNSProbe", "Family", "HTTPProbe", "PingProbe", "ProbeKind", "Probes", "TCPProbe"]

from typing import Annotated, Literal

from nmstate_k8s.api.model import Model
from nmstate_k8s.api.schema import describe

LONGEST_PROBE_SECONDS = 200
"""What may be asked for at most: the checkpoint of a transaction must outlive apply and probes."""

Family = Literal["ipv4", "ipv6"]
ProbeKind = Literal["ping", "dns", "tcp", "http", "api-server", "node-readiness"]

_FAMILIES = "The address families that are probed, each by itself. Default: both, as far as they work before a change."
_SET = {"minItems": 1, "maxItems": 2, "x-kubernetes-list-type": "set"}
_MAX_TARGETS = 16


class PingProbe(Model, frozen=True):
    """The default gateway answers an echo."""

    families: Annotated[tuple[Family, ...] | None, describe(_FAMILIES, **_SET)] = None


class DNSProbe(Model, frozen=True):
    """A DNS server of the node answers."""

    host: Annotated[
        str | None,
        describe(
            "The name that a DNS server of the node must resolve. Default: root-servers.net, of which the name"
            " servers are asked for; of any other name its addresses.",
            minLength=1,
            maxLength=253,
        ),
    ] = None
    families: Annotated[
        tuple[Family, ...] | None,
        describe(f"{_FAMILIES} It is the family of the server's address that counts.", **_SET),
    ] = None


class TCPProbe(Model, frozen=True):
    """A port takes a connection."""

    host: Annotated[
        str,
        describe(
            "An address, or a name that the node's own DNS servers resolve.",
            maxLength=253,
            pattern=r"^[A-Za-z0-9_:][-A-Za-z0-9_.:]*$",
        ),
    ]
    port: Annotated[int, describe("The port.", minimum=1, maximum=65535)]


class HTTPProbe(Model, frozen=True):
    """A web server answers."""

    url: Annotated[
        str,
        describe(
            "What is asked for by GET. Certificates are not verified and redirects not followed: the question is"
            " whether the server is reached. A name is resolved by the node's own DNS servers.",
            maxLength=1024,
            pattern=r"^https?://([A-Za-z0-9_][-A-Za-z0-9_.]*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[!-~]*)?$",
        ),
    ]
    status: Annotated[
        int | None, describe("The status that it must answer. Default: any from 200 to 399.", minimum=100, maximum=599)
    ] = None


class Probes(Model, frozen=True):
    """How it is verified that a node is still reachable after a change."""

    ping: Annotated[PingProbe | None, describe("The default gateway of the main routing table answers an echo.")] = None
    dns: Annotated[DNSProbe | None, describe("Any of the DNS servers in use answers.")] = None
    tcp: Annotated[
        tuple[TCPProbe, ...] | None,
        describe("Ports that must take a connection, as far as they do before a change.", maxItems=_MAX_TARGETS),
    ] = None
    http: Annotated[
        tuple[HTTPProbe, ...] | None,
        describe("Web servers that must answer, as far as they do before a change.", maxItems=_MAX_TARGETS),
    ] = None
    timeout_seconds: Annotated[
        int | None,
        describe(
            "How long, after a change, the probes together may take until they all pass; then it is rolled back."
            " Default: 120.",
            minimum=1,
            maximum=LONGEST_PROBE_SECONDS,
        ),
    ] = None
    disable: Annotated[
        tuple[ProbeKind, ...] | None,
        describe(
            "Kinds of probes that are left out. Take care: without api-server and node-readiness a change that cuts"
            " the node off from the cluster is kept, and no other policy can then reach the node to mend it.",
            **{"maxItems": 6, "x-kubernetes-list-type": "set"},
        ),
    ] = None
