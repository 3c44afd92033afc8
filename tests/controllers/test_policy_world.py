"""What the controller knows of the cluster."""

from datetime import UTC, datetime

import pytest

from nmstate_k8s.api.meta import POLICY_UID_ANNOTATION
from nmstate_k8s.controllers.world import CONFIRM_WITHIN, HANDLER_GRACE, World
from nmstate_k8s.core.informer import Event
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.policy.facts import PolicyFacts, policy_facts
from nmstate_k8s.testing.clock import LoopClock


class Hand(LoopClock):
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 1000.0

    def monotonic(self) -> float:
        return self.time


def node(name: str, **labels: str) -> Object:
    """A ready Node."""
    return Object.from_dict(
        {
            "metadata": {"name": name, "uid": f"uid-{name}", "labels": labels},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }
    )


def pod(where: str, name: str = "handler") -> Object:
    """A handler's pod."""
    return Object.from_dict({"metadata": {"name": f"{name}-{where}", "namespace": "n"}, "spec": {"nodeName": where}})


def policy(name: str, uid: str = "p-uid", **selector: str) -> PolicyFacts:
    """A policy for the nodes with these labels."""
    body = {"metadata": {"name": name, "uid": uid, "generation": 1}, "spec": {"nodeSelector": selector}}
    return policy_facts(Object.from_dict(body))


def enactment(where: str, version: int, admitted: int | None = None, uid: str = "u", policy_uid: str = "") -> Object:
    """An enactment of the policy p."""
    return Object.from_dict(
        {
            "metadata": {
                "name": f"{where}.p",
                "uid": uid,
                "resourceVersion": str(version),
                "labels": {"nmstate.io/policy": "p", "nmstate.io/node": where},
                "annotations": {POLICY_UID_ANNOTATION: policy_uid} if policy_uid else {},
            },
            **({"spec": {"policyGeneration": admitted}} if admitted else {}),
        }
    )


@pytest.fixture
def hand() -> Hand:
    """The time."""
    return Hand()


@pytest.fixture
def world(hand: Hand) -> World:
    """One node with a handler."""
    world = World(hand)
    world.on_node(Event(None, node("a", zone="x")))
    world.on_pod(Event(None, pod("a")))
    return world


def test_a_node_matches_by_its_labels_and_a_handler(world: World) -> None:
    """Both."""
    world.on_node(Event(None, node("b", zone="x")))
    assert set(world.matching(policy("p", zone="x")).nodes) == {"a"}
    assert set(world.matching(policy("p", zone="y")).nodes) == set()
    assert set(world.matching(policy("p")).nodes) == {"a"}


def test_a_handler_that_is_replaced_takes_nothing_away(world: World, hand: Hand) -> None:
    """Where there are enactments, and for a while; then the policy is told to look again."""
    world.on_enactment(Event(None, enactment("a", 1)))
    world.on_pod(Event(pod("a"), None))
    hand.time += HANDLER_GRACE - 1
    matching = world.matching(policy("p"))
    assert set(matching.nodes) == {"a"}
    assert matching.recheck_after == pytest.approx(1)
    assert set(world.matching(policy("another")).nodes) == set()
    hand.time += 1
    assert set(world.matching(policy("p")).nodes) == set()
    world.on_pod(Event(None, pod("a", "newer")))
    assert world.matching(policy("p")).recheck_after is None


def test_what_is_left_of_an_earlier_policy_of_that_name_makes_no_node_this_ones(world: World) -> None:
    """It goes in the next moment: a node that counted until then would let one more of the others begin."""
    world.on_enactment(Event(None, enactment("a", 1, policy_uid="before")))
    world.on_pod(Event(pod("a"), None))
    assert set(world.matching(policy("p", "before")).nodes) == {"a"}
    assert set(world.matching(policy("p", "after")).nodes) == set()


def test_the_old_pod_of_a_node_may_go_after_the_new_one_came(world: World) -> None:
    """There is a handler all the time."""
    world.on_pod(Event(None, pod("a", "newer")))
    world.on_pod(Event(pod("a"), None))
    assert set(world.matching(policy("another")).nodes) == {"a"}


def test_a_deleted_node_matches_nothing_at_once(world: World) -> None:
    """Though its handler's pod is still written down."""
    world.on_enactment(Event(None, enactment("a", 1)))
    world.on_node(Event(node("a"), None))
    assert not world.matching(policy("p")).nodes


def test_what_we_wrote_counts_before_the_watch_tells_of_it(world: World) -> None:
    """And older news do not undo it."""
    world.on_enactment(Event(None, enactment("a", 5)))
    world.wrote(enactment("a", 8, admitted=1))
    world.on_enactment(Event(enactment("a", 5), enactment("a", 6)))
    assert [each.admitted for each in world.enactments("p")] == [1]
    assert world.unconfirmed("p")
    world.on_enactment(Event(enactment("a", 6), enactment("a", 8, admitted=1)))
    assert not world.unconfirmed("p")
    world.on_enactment(Event(enactment("a", 8), enactment("a", 9)))
    assert [each.admitted for each in world.enactments("p")] == [None]


def test_an_enactment_goes_whatever_its_node_wrote(world: World) -> None:
    """A status that cannot be read does not leave its slot taken for ever."""
    world.on_enactment(Event(None, enactment("a", 1, admitted=1)))
    spoilt = enactment("a", 2, admitted=1).to_dict() | {"status": {"conditions": [{"type": "x", "status": "maybe"}]}}
    world.on_enactment(Event(enactment("a", 1), Object.from_dict(spoilt)))
    assert world.shared("another").busy == {"a"}
    world.on_enactment(Event(Object.from_dict(spoilt), None))
    assert not world.enactments("p")
    assert not world.shared("another").busy


def test_news_of_a_predecessors_end_do_not_remove_its_successor(world: World) -> None:
    """The same name, another object."""
    world.wrote(enactment("a", 8, uid="new"))
    world.on_enactment(Event(enactment("a", 7, uid="old"), None))
    assert [each.uid for each in world.enactments("p")] == ["new"]


def test_a_write_that_is_never_confirmed_is_asked_for_and_leaves_nothing_behind(world: World, hand: Hand) -> None:
    """It may have been deleted before the watch could tell."""
    world.wrote(enactment("a", 8, admitted=1))
    hand.time += CONFIRM_WITHIN
    ((facts, seconds),) = world.unconfirmed("p")
    assert seconds >= CONFIRM_WITHIN
    world.confirm(facts, None)
    assert not world.enactments("p")
    assert not world.unconfirmed("p")


def test_an_answer_that_came_after_the_news_changes_nothing(world: World) -> None:
    """The news were newer."""
    world.wrote(enactment("a", 8, admitted=1))
    ((facts, _),) = world.unconfirmed("p")
    world.on_enactment(Event(None, enactment("a", 9, admitted=2)))
    world.confirm(facts, None)
    assert [each.admitted for each in world.enactments("p")] == [2]


def test_nodes_at_work_for_other_policies_are_what_must_be_left_to_them(world: World) -> None:
    """From the moment that they are about to be admitted, until they have ended."""
    assert not world.shared("p").busy
    world.on_enactment(Event(None, enactment("a", 1, admitted=1)))
    assert not world.shared("p").busy
    assert world.shared("another").busy == {"a"}
    with world.admitting("third", ["b"]):
        assert world.shared("p").busy == {"b"}
        assert world.shared("third").busy == {"a"}
    world.on_enactment(Event(enactment("a", 1, admitted=1), None))
    assert not world.shared("another").busy


def test_the_budget_is_the_oldest_nmstates_and_of_nodes_that_run_a_handler(world: World) -> None:
    """A second NMState is about to be deleted."""

    def nmstate(name: str, day: int, limit: int | str | None) -> Object:
        spec = {"rollout": {"maxUnavailable": limit}} if limit is not None else {}
        made = f"2026-01-{day:02}T00:00:00Z"
        return Object.from_dict({"metadata": {"name": name, "creationTimestamp": made}, "spec": spec})

    assert world.shared("p").limit is None
    for name in "bcd":
        world.on_node(Event(None, node(name)))
        world.on_pod(Event(None, pod(name)))
    world.on_node(Event(None, node("without")))
    world.on_nmstate(Event(None, nmstate("second", 2, 1)))
    assert world.shared("p").limit == 1
    world.on_nmstate(Event(None, nmstate("first", 1, "30%")))
    assert world.shared("p").limit == 2
    world.on_nmstate(Event(nmstate("first", 1, "30%"), nmstate("first", 1, None)))
    assert world.shared("p").limit is None
    world.on_nmstate(Event(nmstate("first", 1, None), None))
    assert world.shared("p").limit == 1


def test_nodes_of_the_control_plane_are_known_by_their_labels(world: World) -> None:
    """As long as they have them."""
    label = "node-role.kubernetes.io/control-plane"
    world.on_node(Event(None, Object.from_dict({"metadata": {"name": "m", "uid": "m", "labels": {label: ""}}})))
    assert world.shared("p").control_plane == {"m"}
    world.on_node(Event(None, node("m")))
    assert not world.shared("p").control_plane


def available(version: int, since: str) -> Object:
    """An enactment that says since when it is Available, by its node's clock."""
    condition = {"type": "Available", "status": "True", "reason": "R", "lastTransitionTime": since}
    status = {"policyGeneration": 1, "conditions": [condition]}
    return Object.from_dict({**enactment("a", version, admitted=1).to_dict(), "status": status})


def test_since_when_a_node_is_available_is_told_by_our_own_clock(world: World, hand: Hand) -> None:
    """Where we saw it come to it; of what was so before we came its node tells, but never that it will be."""
    ahead, behind = "2027-01-01T00:00:00Z", "2025-01-01T00:00:00Z"
    world.on_enactment(Event(None, available(5, behind), initial=True))
    assert [each.since for each in world.enactments("p")] == [datetime(2025, 1, 1, tzinfo=UTC)]
    world.on_enactment(Event(None, available(6, ahead), initial=True))
    world.on_enactment(Event(None, enactment("a", 7, admitted=2)))
    world.on_enactment(Event(None, available(8, ahead)))
    seen = hand.now()
    assert [each.since for each in world.enactments("p")] == [seen]
    hand.time += 60
    world.on_enactment(Event(None, available(9, behind)))
    assert [each.since for each in world.enactments("p")] == [seen]
    world.on_enactment(Event(available(9, behind), None))
    world.on_enactment(Event(None, available(10, ahead), initial=True))
    assert [each.since for each in world.enactments("p")] == [hand.now()]
