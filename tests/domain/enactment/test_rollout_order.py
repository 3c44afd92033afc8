"""Who goes first, and with whom: steps, the control plane, the leader's node, what all policies share."""

from dataclasses import replace

from nmstate_k8s.api.conditions import EnactmentPhase
from nmstate_k8s.domain.enactment.gate import OPEN, Gate
from nmstate_k8s.domain.enactment.rollout import NEXT_STEP, OTHERS, Plan, Shared, plan
from nmstate_k8s.domain.policy.facts import EnactmentFacts, NodeFacts

MASTER = {"node-role.kubernetes.io/control-plane": ""}
AT_WORK = EnactmentPhase.PROGRESSING


def nodes(*names: str) -> dict[str, NodeFacts]:
    """Ready nodes; those whose name begins with m are of the control plane."""
    return {name: NodeFacts(name, labels=MASTER if name.startswith("m") else {}) for name in names}


def enactment(node: str, phase: EnactmentPhase = AT_WORK, generation: int = 1) -> EnactmentFacts:
    """One that was admitted."""
    return EnactmentFacts(f"{node}.p", node, "p", policy_uid="u", admitted=generation, reported=generation, phase=phase)


def planned(
    there: dict[str, NodeFacts],
    *enactments: EnactmentFacts,
    limit: int | str = "100%",
    gate: Gate = OPEN,
    generation: int = 1,
    budget: int | None = None,
    **shared: object,
) -> Plan:
    """The plan, with what is shared."""
    control_plane = {name for name, each in there.items() if each.control_plane}
    return plan(
        generation=generation,
        policy_uid="u",
        max_unavailable=limit,
        nodes=there,
        enactments=enactments,
        gate=gate,
        shared=replace(Shared(control_plane=control_plane, limit=budget), **shared),  # type: ignore[arg-type]
    )


def test_one_node_of_the_control_plane_after_the_other() -> None:
    """The others are not kept back."""
    three = nodes("m1", "m2", "m3", "w1", "w2")
    made = planned(three)
    assert made.admitted == ["m1", "w1", "w2"]
    assert made.waits_for_others
    assert {each.message for each in made.create if not each.admitted} == {OTHERS}
    assert planned(three, enactment("m1"), enactment("w1")).admitted == ["w2"]
    assert planned(three, enactment("m1", EnactmentPhase.AVAILABLE)).admitted == ["m2", "w1", "w2"]


def test_a_single_node_of_the_control_plane_is_one_like_any_other() -> None:
    """maxUnavailable alone decides."""
    made = planned(nodes("m1", "w1"))
    assert made.admitted == ["m1", "w1"]
    assert not made.waits_for_others


def test_never_two_of_the_control_plane_for_two_policies_either() -> None:
    """The same one may be at work for both: it does one thing after the other."""
    two = nodes("m1", "m2")
    assert planned(two, busy={"m1"}).admitted == ["m1"]
    assert planned(two, busy={"m9"}, control_plane={"m1", "m2", "m9"}).admitted == []


def test_the_leaders_own_node_comes_last() -> None:
    """But it comes."""
    assert planned(nodes("a", "b", "c"), limit=1, last="a").admitted == ["b"]
    done = [enactment(name, EnactmentPhase.AVAILABLE) for name in ("b", "c")]
    assert planned(nodes("a", "b", "c"), *done, limit=1, last="a").admitted == ["a"]


def test_all_policies_share_one_budget() -> None:
    """A node that is at work for another policy takes no more of it."""
    four = nodes("a", "b", "c", "d")
    made = planned(four, busy={"d"}, budget=2)
    assert made.admitted == ["a", "d"]
    assert made.waits_for_others
    assert not planned(four, busy={"d"}, limit=1, budget=2).waits_for_others


def test_no_more_nodes_begin_than_the_step_says() -> None:
    """The others are told that they wait for the next one."""
    made = planned(nodes("a", "b", "c"), gate=Gate(limit=1, step=1))
    assert made.admitted == ["a"]
    assert [each.message for each in made.create] == ["", NEXT_STEP, NEXT_STEP]
    assert planned(nodes("a", "b", "c"), enactment("b"), gate=Gate(limit=1, step=1)).admitted == []
    assert planned(nodes("a", "b"), enactment("b", EnactmentPhase.AVAILABLE), gate=Gate(1, 1)).admitted == []


def test_nodes_at_work_on_an_older_generation_go_on_as_far_as_the_step_lets_them() -> None:
    """The others finish what they are at."""
    old = [enactment(name) for name in ("a", "b", "c")]
    assert planned(nodes("a", "b", "c"), *old, generation=2).admitted == ["a", "b", "c"]
    assert planned(nodes("a", "b", "c"), *old, generation=2, gate=Gate(1, 1)).admitted == ["a"]
    paused = planned(nodes("a", "b", "c"), *old, generation=2, gate=Gate(0, 0, "RolloutPaused"))
    assert not paused


def test_a_node_that_fails_at_a_step_ends_the_rollout() -> None:
    """Whatever maxUnavailable would allow."""
    waits = EnactmentFacts("b.p", "b", "p", policy_uid="u")
    failed = enactment("a", EnactmentPhase.FAILED)
    made = planned(nodes("a", "b"), failed, waits, gate=Gate(limit=1, step=1))
    assert [each.message for each in made.abort] == [
        "enactment b.p aborted because a.p failed at step 1 of the rollout"
    ]
    assert planned(nodes("a", "b"), failed, waits).admitted == ["b"]


def test_an_abort_ends_it_for_those_that_wait() -> None:
    """Nodes at work finish."""
    waits = EnactmentFacts("b.p", "b", "p", policy_uid="u")
    made = planned(nodes("a", "b"), enactment("a"), waits, gate=Gate(limit=0, abort="somebody said so"))
    assert made.admitted == []
    assert [each.message for each in made.abort] == ["enactment b.p aborted because somebody said so"]
