"""Which probes a node has, by the words of the policy and of the NMState."""

from __future__ import annotations

from typing import Any

import pytest

from nmstate_k8s.api.probes import DNSProbe, HTTPProbe, PingProbe, Probes, TCPProbe
from nmstate_k8s.apps.node_settings import NodeSettings
from nmstate_k8s.apps.settings import Environment, SettingsError
from nmstate_k8s.domain.host.probes.node import NodeProbes
from nmstate_k8s.domain.host.probes.plan import DEFAULT_PLAN, ProbePlan, plan_for
from nmstate_k8s.testing.clock import LoopClock


async def no_servers() -> list[str]:
    return []


def names(plan: ProbePlan) -> list[str]:
    client: Any = object()
    runner = NodeProbes(client, "n1", name_servers=no_servers, clock=LoopClock())(plan)
    return [probe.name for probe in runner.probes]


CLUSTER = ["api-server", "node-readiness"]


def test_without_a_word_there_are_both_families_and_the_cluster() -> None:
    """The contract's four, each family by itself."""
    assert names(DEFAULT_PLAN) == ["ping-ipv4", "ping-ipv6", "dns-ipv4", "dns-ipv6", *CLUSTER]


def test_a_policy_overrides_field_by_field() -> None:
    """What it does not say is the NMState's."""
    node = plan_for(
        Probes(
            timeout_seconds=60,
            dns=DNSProbe(host="a.example", families=("ipv4",)),
            tcp=(TCPProbe(host="10.0.0.1", port=22),),
            disable=("ping",),
        ),
        DEFAULT_PLAN,
    )
    assert names(node) == ["dns-ipv4", "tcp 10.0.0.1:22", *CLUSTER]
    own = plan_for(Probes(dns=DNSProbe(host="b.example"), ping=PingProbe(families=("ipv6",)), disable=(), tcp=()), node)
    assert names(own) == ["ping-ipv6", "dns-ipv4", *CLUSTER]
    assert (own.dns_host, own.total_seconds) == ("b.example", 60.0)
    assert plan_for(None, node) is node


def test_two_targets_are_told_apart() -> None:
    """The same one twice is one."""
    plan = plan_for(
        Probes(
            http=(
                HTTPProbe(url="http://a.example/x?1"),
                HTTPProbe(url="http://a.example/x?2"),
                HTTPProbe(url="http://a.example/x?1"),
            ),
            disable=("ping", "dns", "api-server", "node-readiness"),
        ),
        DEFAULT_PLAN,
    )
    assert names(plan) == ["http a.example/x", "http a.example/x (2)"]


def test_the_nmstates_words_come_by_the_environment() -> None:
    """As JSON; what cannot be read ends the handler by name."""
    read = NodeSettings.from_environment
    assert read(Environment({"NODE_NAME": "n"})).probes == DEFAULT_PLAN
    assert read(Environment({"NODE_NAME": "n", "PROBES": '{"timeoutSeconds": 7}'})).probes.total_seconds == 7.0
    for text in ("{", '{"disable": ["all"]}'):
        with pytest.raises(SettingsError, match="PROBES"):
            read(Environment({"NODE_NAME": "n", "PROBES": text}))
