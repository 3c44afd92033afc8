"""Who may talk to the pods of controller and operator, and whom they may talk to.

- In: the kubelet's health checks, and to the controller its webhook and its metrics, each at its port; from
  anywhere, since the API server and the kubelet are no pods that a policy could name, and webhook and metrics look
  themselves at who calls.
- Out: the API server at the ports where this cluster's one listens (the endpoints of the service `kubernetes`,
  which a policy sees after the service's own address was replaced), and names from the cluster's DNS. Where the
  endpoints are not known nothing is refused on its way out: a guess could cut us off.
- The handler has none: pods on the host's network are beyond such policies. It listens on loopback alone. Nor has
  the controller where it is on that network, too (``hostNetwork``).
"""

from __future__ import annotations

__all__ = ["API_NAMESPACE", "API_SERVICE_LABEL", "api_ports", "network_policies"]

from collections.abc import Iterable

from msgspec import Struct

from nmstate_k8s.api.meta import APP_LABEL, APP_OPERATOR, NAME_LABEL, WEBHOOK_COMPONENT
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.install.controller import CONTROLLER_NAME
from nmstate_k8s.domain.install.kinds import NETWORK_POLICIES
from nmstate_k8s.domain.install.monitoring import metrics_port
from nmstate_k8s.domain.install.pods import HEALTH_PORT, WEBHOOK_PORT
from nmstate_k8s.domain.install.stack import Body, Manifest, Stack

OPERATOR_NAME = "nmstate-operator"
API_NAMESPACE = "default"
API_SERVICE_LABEL = "kubernetes.io/service-name=kubernetes"
"""Where the EndpointSlices of the API server are, and what selects them."""

_SERVICE_PORT = 443
_DNS_PORTS = (53, 5353)  # the second is where OpenShift's DNS pods listen


class _Port(Struct, frozen=True):
    port: int | None = None


class _Slice(Struct, frozen=True):
    ports: tuple[_Port, ...] | None = ()


def api_ports(slices: Iterable[Object]) -> frozenset[int]:
    """The ports at which the API server listens, of its EndpointSlices; none if there are none."""
    return frozenset(one.port for each in slices for one in each.view(_Slice).ports or () if one.port)


def network_policies(stack: Stack, ports: frozenset[int]) -> Iterable[Manifest]:
    """The policies of the controller's and of the operator's pods; ``ports`` are the API server's."""
    metrics = metrics_port(stack.spec)
    served = (HEALTH_PORT, *((metrics,) if metrics else ()), WEBHOOK_PORT)
    if not stack.spec.host_network:
        yield _policy(stack, CONTROLLER_NAME, stack.selector(CONTROLLER_NAME, WEBHOOK_COMPONENT), served, ports)
    operator = {APP_LABEL: APP_OPERATOR, NAME_LABEL: OPERATOR_NAME}  # as its manifest has them: without a prefix
    yield _policy(stack, OPERATOR_NAME, operator, (HEALTH_PORT,), ports)


def _policy(
    stack: Stack, name: str, pods: dict[str, str], served: Iterable[int], api_server: frozenset[int]
) -> Manifest:
    allowed: Body = {"policyTypes": ["Ingress"], "ingress": [{"ports": _tcp(*served)}]}
    if api_server:
        names = [{"port": port, "protocol": protocol} for port in _DNS_PORTS for protocol in ("UDP", "TCP")]
        allowed["egress"] = [{"ports": _tcp(*sorted(api_server | {_SERVICE_PORT}))}, {"ports": names}]
        allowed["policyTypes"].append("Egress")
    spec = {"podSelector": {"matchLabels": pods}, **allowed}
    return stack.manifest(NETWORK_POLICIES, stack.name(name), {"spec": spec})


def _tcp(*ports: int) -> list[Body]:
    return [{"port": port, "protocol": "TCP"} for port in ports]
