"""What is refused at `kubectl apply`: by libnmstate itself. Needs the wheel, not a network."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.kit.mistakes import Mistake, catalogue
from nmstate_k8s.domain.admission.review import validate
from nmstate_k8s.domain.desired.limits import MAX_CAPTURE_BYTES, MAX_DEPTH, MAX_KEYS, MAX_STATE_BYTES
from nmstate_k8s.domain.desired.secrets import MASK
from tests.domain.admission.asking import asked, card, judged, node, node_state, policy, world
from tests.domain.admission.test_what_passes import GATEWAY

pytest.importorskip("libnmstate", reason="hack/wheel --install .venv/bin/python")

ETH1 = {"name": "eth1", "type": "ethernet", "state": "up"}

# --- The catalogue of mistakes ----------------------------------------------------------------------------------

ONLY_THE_NODE_KNOWS = {
    "missing-interface": "it may be there on another node, or come",
    "missing-interfaces": "as before",
    "forgotten-type": "bond0 may be there",
    "unmanageable-type": "wg0 may be there",
    "wrong-type": "what eth1 is",
    "mtu-beyond-the-card": "what the card can do",
    "missing-port": "it may be there",
    "bond-without-mode": "bond0 may be there with one",
    "missing-base": "it may be there",
    "vrf-without-table": "the VRF may be there with one",
    "missing-ovs-bridge": "it may be there",
    "route-through-nothing": "it may be there",
    "capture-finds-nothing": "what there is to be found",
    "wrong-path": "what the capture finds",
}
MISTAKES = [mistake for subject in catalogue() for mistake in subject.mistakes]
WRONG_ANYWHERE = [each for each in MISTAKES if each.changes_nothing and each.name not in ONLY_THE_NODE_KNOWS]
PASSING = [each for each in MISTAKES if each not in WRONG_ANYWHERE]


def spec_of(mistake: Mistake) -> dict[str, Any]:
    spec = mistake.spec
    return {"desired": spec.pop("desiredState"), **spec}


@pytest.mark.parametrize("mistake", [pytest.param(each, id=each.name) for each in WRONG_ANYWHERE])
def test_a_mistake_that_needs_no_node_is_refused_early(mistake: Mistake) -> None:
    """In the words that the node would use, after the path."""
    verdict = judged(**spec_of(mistake))
    assert not verdict.allowed
    path, _, said = verdict.message.partition(": ")
    assert path.startswith(("spec.desiredState.", "spec.capture."))
    cause = mistake.message.partition("NODE: ")[2].partition(": ")[2].partition("; nothing was changed")[0]
    assert said.startswith(cause)


@pytest.mark.parametrize("mistake", [pytest.param(each, id=each.name) for each in PASSING])
def test_a_mistake_that_only_a_node_can_know_passes(mistake: Mistake) -> None:
    """Never refused is what some node would take."""
    assert judged(**spec_of(mistake)).allowed


def test_of_the_catalogue_each_mistake_is_judged_here() -> None:
    """And what only the node knows is a part of it."""
    assert ONLY_THE_NODE_KNOWS.keys() <= {mistake.name for mistake in PASSING}
    assert len(WRONG_ANYWHERE) >= 35


# --- Captures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("desired", "path"),
    [
        (
            {"interfaces": [{"name": "{{ capture.base.interfaces.0.name }}", "type": "ethernet", "mttu": 9000}]},
            'spec.desiredState.interfaces[0].mttu: unknown key "mttu" in interfaces[0] (did you mean "mtu"?)',
        ),
        (
            {"interfaces": [{"name": "{{ capture.base.interfaces.0.name }}", "type": "vlan",
                             "vlan": {"base-iface": "{{ capture.base.interfaces.0.name }}", "id": 5000}}]},
            "spec.desiredState.interfaces[0].vlan.id: ",
        ),
        (
            {"interfaces": [ETH1, {"name": "{{ capture.bass.interfaces.0.name }}", "state": "up"}]},
            'spec.desiredState.interfaces[1].name: interfaces[1].name: there is no capture "bass" (did you mean "base"',
        ),
        (
            {"interfaces": [{"name": "{{ base.interfaces.0.name }}", "state": "up"}]},
            "spec.desiredState.interfaces[0].name: ",
        ),
        (
            {"interfaces": [{"name": "x", "description": "{{ capture.base.interfaces.0.name"}]},
            "spec.desiredState.interfaces[0].description: ",
        ),
    ],
)  # fmt: skip
def test_beside_references_what_is_wrong_anyway_is_refused(desired: Any, path: str) -> None:
    """What a person wrote is judged; what a capture will find is not."""
    verdict = judged(desired, capture=GATEWAY)
    assert not verdict.allowed
    assert verdict.message.startswith(path)


def test_a_capture_that_is_wrong_is_refused_though_nothing_refers_to_it() -> None:
    """The node would resolve it, too."""
    verdict = judged({"interfaces": [ETH1]}, capture={"a": 'interfaces.name=="eth0"', "b": 'routes.runing.x=="1"'})
    assert verdict.message.startswith("spec.capture.b: ")


def test_with_an_empty_state_captures_do_not_matter() -> None:
    """The node does not look at them either."""
    assert judged({}, capture={"a": "nonsense=1"}).allowed


# --- Refused as such ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("desired", "message"),
    [
        (
            {"interfaces": [ETH1, {"name": "bond0", "type": "bond", "link-aggregation": {"mode": "balance-rrr"}}]},
            'spec.desiredState.interfaces[1].link-aggregation.mode: "balance-rrr" is no value for '
            'interfaces[bond0].link-aggregation.mode (did you mean "balance-rr"?)',
        ),
        (
            {"interfaces": [{**ETH1, "mtu": [1500]}]},
            "spec.desiredState.interfaces[0].mtu: interfaces[eth1].mtu is a list, not a number",
        ),
        ({"interfces": []}, 'spec.desiredState.interfces: unknown key "interfces" (did you mean "interfaces"?)'),
        (
            {"interfaces": [{**ETH1, "ipv4": "192.0.2.1"}], "routes": {"config": "none"}},
            'spec.desiredState.interfaces[0].ipv4: interfaces[eth1].ipv4 is "192.0.2.1", not a mapping',
        ),
        (
            {"interfaces": [{"type": "ethernet", "ipv4": {"enabled": True, "address": [7]}, "nam": "eth1"}]},
            "spec.desiredState.interfaces[0].ipv4.address[0]: interfaces[0].ipv4.address[0] is 7, not a mapping",
        ),
        (
            {"interfaces": [{**ETH1, "mtu": "jumbo", "ipv4": 7, "ipv6": 7}], "hostname": "node-a"},
            'spec.desiredState.interfaces[0].mtu: interfaces[eth1].mtu is "jumbo", not a number',
        ),
        ("interfaces: []", "spec.desiredState: desiredState is text, not a mapping"),
        (
            {"interfaces": [{**ETH1, "802.1x": {"identity": "me", "passwrd": "s3cret-s3cret"}}]},
            'spec.desiredState.interfaces[0].802.1x.passwrd: unknown key "passwrd" in interfaces[eth1].802.1x '
            '(did you mean "password"?)',
        ),
        (
            {"ovn": {"bridge-mappings": [{"localnet": "net", "brige": "br-ex"}]}},
            'spec.desiredState.ovn.bridge-mappings[0].brige: unknown key "brige" in ovn.bridge-mappings[0] '
            '(did you mean "bridge"?)',
        ),
    ],
)
def test_a_refusal_names_the_path_and_what_was_meant(desired: Any, message: str) -> None:
    """As the API server writes paths; then in the policy's own names."""
    verdict = judged(desired)
    assert not verdict.allowed
    assert verdict.message.startswith(message)


def test_a_secret_is_in_no_refusal() -> None:
    """Errors quote what they do not like."""
    verdict = judged({"interfaces": [{**ETH1, "802.1x": {"password": 73577357, "identity": "me"}}]})
    assert not verdict.allowed
    assert "73577357" not in verdict.message


def large(size: int) -> dict[str, Any]:
    return {"interfaces": [{**ETH1, "description": "x" * size}]}


def test_more_than_256_kib_is_refused_unread() -> None:
    """With both figures."""
    assert judged(large(MAX_STATE_BYTES - 1_000)).allowed
    verdict = judged(large(MAX_STATE_BYTES))
    assert verdict.message.startswith("spec.desiredState: desiredState has 256 KiB, more than the 256 KiB allowed")
    assert not judged({"interfaces": [ETH1]}, capture={"a": "x" * MAX_CAPTURE_BYTES}).allowed


def test_what_is_nested_too_deeply_is_refused_unread() -> None:
    """Nothing that reads it by recursion gets it."""
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    verdict = judged({"interfaces": [{**ETH1, "mtu": deep}]})
    assert verdict.message == f"spec.desiredState: desiredState has more than {MAX_DEPTH} levels of mappings and lists"


# --- What depends on the cluster ----------------------------------------------------------------------------------

SCRIPTS = {"post-activation": "echo up"}
LOGIN = {"identity": "me", "eap-methods": ["peap"], "password": MASK}


def test_scripts_are_refused_where_the_nmstate_does_not_allow_them() -> None:
    """With what to do; where nothing is known of the NMState, the node judges."""
    desired = {"interfaces": [{**ETH1, "dispatch": SCRIPTS}]}
    verdict = judged(desired)
    assert verdict.message.startswith("spec.desiredState.interfaces[0].dispatch: ")
    assert "allowDispatch: true" in verdict.message
    assert judged(desired, allow_dispatch=True).allowed
    assert judged(desired, allow_dispatch=None).allowed


@pytest.mark.parametrize("more", [{"dispatch": SCRIPTS}, {"802.1x": LOGIN}])
def test_what_a_node_has_already_may_be_said_again(more: dict[str, Any]) -> None:
    """A policy made from a node's report changes nothing there."""
    desired = {"interfaces": [{**ETH1, **more}]}
    there = [node("n1"), node_state("n1", card("eth1", **more))]
    assert not judged(desired).allowed
    assert not judged(desired, others=[node("n1"), node_state("n1", card("eth1"))]).allowed
    assert judged(desired, others=there).allowed


# --- Whoever wants to get out of trouble can ----------------------------------------------------------------------

BROKEN = {"interfaces": [{**ETH1, "mttu": 9000}]}


def test_a_broken_policy_can_be_selected_away_labelled_and_deleted() -> None:
    """It came while admission was away; what it says is not new, and told as a warning."""
    old = policy("one", BROKEN)
    moved = validate(asked(policy("one", BROKEN, nodeSelector={"a": "b"}), old), world([]))
    assert moved.allowed
    assert "mttu" in moved.warnings[0]
    labelled = {**old, "metadata": {"name": "one", "labels": {"a": "b"}}}
    assert validate(asked(labelled, old), world([])).allowed
    gone = {**old, "metadata": {"name": "one", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": []}}
    assert validate(asked(gone, old), world([])).allowed
    assert validate(asked(None, old), world([])).allowed


def test_who_knows_better_is_not_stopped() -> None:
    """The annotation turns a refusal into a warning; any other value does not."""
    for value, allowed in (("true", True), ("false", False)):
        broken = policy("one", BROKEN)
        broken["metadata"]["annotations"] = {"nmstate.io/skip-validation": value}
        verdict = validate(asked(broken), world([]))
        assert verdict.allowed is allowed
        assert "mttu" in (verdict.warnings[0] if allowed else verdict.message)


def test_a_broken_policy_is_not_made_worse() -> None:
    """A new desired state is judged as one."""
    worse = {"interfaces": [{**ETH1, "mttu": 9001}]}
    verdict = validate(asked(policy("one", worse), policy("one", BROKEN)), world([]))
    assert not verdict.allowed


def test_a_mapping_of_thousands_of_keys_is_refused_unread() -> None:
    """libnmstate would refuse it, too, after seconds."""
    verdict = judged({"interfaces": [{**ETH1, **{f"k{number}": 1 for number in range(MAX_KEYS)}}]})
    assert "more than the 1000 allowed" in verdict.message
