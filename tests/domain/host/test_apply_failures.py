"""What libnmstate and NetworkManager say when an apply fails, as they said it on a node, and what we make of it."""

from __future__ import annotations

import pytest

from nmstate_k8s.domain.desired.errors import DesiredStateError, HostError, HostUnavailable
from nmstate_k8s.domain.host.fault import GENERATE, fault_of, probes_failed
from nmstate_k8s.domain.host.probes.result import ProbeResult

DESIRED = {"interfaces": [{"name": "eth1"}, {"name": "br1"}]}


@pytest.mark.parametrize(
    ("message", "cause", "interface"),
    [
        (
            "Verification failure: eth1.interface.mtu desire '9000', current '1500'",
            "after the apply mtu of eth1 is 1500, not 9000",
            "eth1",
        ),
        (
            "Verification failure: eth1.interface.ethtool.ring desire '{\"rx\":4096}', current 'null'",
            'ethtool.ring {"rx":4096} had no effect on eth1',
            "eth1",
        ),
        (
            "Verification failure: ovn.bridge-mappings desire 'a', current 'b'",
            "after the apply ovn.bridge-mappings is b, not a",
            "",
        ),
        ("Failed to find desired interface br1 LinuxBridge", "br1 did not come up", "br1"),
        (
            "Absent/Down interface br1/linux-bridge still found as LinuxBridge(…)",
            "br1 is still there after it was to be taken away",
            "br1",
        ),
        (
            "Desired state contains OVS interfaces, but not able to connect OVS daemon at socket /run/x",
            "Open vSwitch does not run on this node",
            "",
        ),
        (
            "The VPN service 'org.freedesktop.NetworkManager.libreswan' was not installed.",
            "NetworkManager on this node lacks the VPN plugin libreswan",
            "",
        ),
        ("SR-IOV is not supported by interface eth1", "eth1 does not support SR-IOV", "eth1"),
        (
            "InvalidArgument:Unsupported ethtool feature feature-rx-cheksum",
            "ethtool.feature rx-cheksum is not one of this card's",
            "",
        ),
        (
            "MTU should be >= 1280 when IPv6 is enabled on interface eth1, but got mtu: 1000",
            "mtu 1000 of eth1 is smaller than the 1280 that IPv6 needs",
            "eth1",
        ),
        (
            "Connection(InvalidProperty):ipv4.route-data: failed to set property: Invalid IPv4 address 'fd00::1' (0)",
            "fd00::1, the next-hop-address of an IPv4 route, is no IPv4 address",
            "",
        ),
        (
            "Connection(InvalidProperty):802-1x.eap: property is invalid",
            "NetworkManager does not take it: 802-1x.eap: property is invalid",
            "",
        ),
        (
            "Setting(InvalidHostname): The hostname was too long or contained invalid characters",
            "the hostname is too long, or has characters that no hostname has",
            "",
        ),
        (
            "DbusConnectionError: org.freedesktop.DBus.Error.NoReply: Message recipient disconnected",
            "NetworkManager does not answer",
            "",
        ),
        ("Nobody ever saw eth1 do this.\nSecond line", "Nobody ever saw eth1 do this", "eth1"),
        ("", "no reason was given", ""),
    ],
)
def test_an_apply_that_failed_is_told_in_a_sentence(message: str, cause: str, interface: str) -> None:
    """And what was said is kept whole in the details; it is tried again."""
    fault = fault_of("apply", HostError("PluginFailure", message, ["error nmstate: x"]), DESIRED)
    assert (fault.cause, fault.interface) == (cause, interface)
    assert message in fault.details
    assert "error nmstate: x" in fault.details
    assert not fault.lasting


def test_the_details_leave_out_what_is_said_of_each_pod() -> None:
    """On a node with 200 pods these were 200 lines."""
    log = ["info nmstate::ifaces: Ignoring interface veth1 type ethernet", "info nmstate: Created checkpoint"]
    assert fault_of("apply", HostError("Bug", "x", log), None).details == "Bug: x\ninfo nmstate: Created checkpoint"


def test_who_does_not_answer_is_named() -> None:
    """With where to look."""
    fault = fault_of("inspect", HostUnavailable("NetworkManagerUnavailable", "I/O error: gone"), None)
    assert fault.cause == "NetworkManager does not answer: I/O error: gone"
    assert "systemctl status NetworkManager" in fault.advice


def test_a_mistake_of_the_policy_is_lasting_and_keeps_its_place() -> None:
    """Whatever the step was."""
    fault = fault_of("validate", DesiredStateError("TooLarge", "too large", (), "eth1", "Split it"), None)
    assert (fault.stage, fault.reason, fault.interface, fault.advice) == (GENERATE, "TooLarge", "eth1", "Split it")
    assert fault.lasting


def test_an_error_that_nobody_thought_of_is_told_by_its_kind() -> None:
    """The disk, for example."""
    fault = fault_of("journal", OSError(28, "No space left on device", "/var/x"), None)
    assert (fault.reason, fault.cause) == ("OSError", "No space left on device: /var/x")
    assert fault_of("journal", LookupError("odd"), None).cause == "odd"


def test_all_probes_that_failed_are_named_and_the_first_is_quoted() -> None:
    """The others often only follow from it."""
    failed = [
        ProbeResult("ping-ipv4", "ping", "Failed", 10, "no gateway"),
        ProbeResult("api-server", "api-server", "Failed", 10, "unreachable"),
    ]
    fault = probes_failed(failed)
    assert fault.cause == "ping-ipv4: no gateway, also api-server"
    assert fault.details == "ping-ipv4: no gateway\napi-server: unreachable"
    assert probes_failed(failed[:1]).cause == "ping-ipv4: no gateway"
