"""The rollout, checked against a small cluster that does what it is told, badly."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmstate_k8s.api.conditions import FINISHED, EnactmentPhase
from nmstate_k8s.domain.enactment.naming import enactment_name
from nmstate_k8s.domain.enactment.rollout import Plan, plan
from nmstate_k8s.domain.policy.facts import EnactmentFacts, NodeFacts
from nmstate_k8s.domain.policy.maxunavailable import scaled

UID = "policy-uid"


class Cluster:
    """Nodes and the enactments of one policy, with a controller that carries out each plan at once."""

    def __init__(self, nodes: int, max_unavailable: int | str | None) -> None:
        self.generation = 1
        self.max_unavailable = max_unavailable
        self.nodes = {f"n{number:02}": NodeFacts(f"n{number:02}") for number in range(nodes)}
        self.enactments: dict[str, EnactmentFacts] = {}

    @property
    def limit(self) -> int:
        return scaled(self.max_unavailable, len(self.nodes))

    @property
    def working(self) -> set[str]:
        return {name for name, each in self.enactments.items() if each.working}

    @property
    def failed(self) -> set[str]:
        return self.named(EnactmentPhase.FAILED)

    def named(self, phase: EnactmentPhase) -> set[str]:
        """The nodes whose enactment is in this phase, in the current generation."""
        return {name for name, each in self.enactments.items() if each.phase_of(self.generation) is phase}

    def plan(self) -> Plan:
        return plan(
            generation=self.generation,
            policy_uid=UID,
            max_unavailable=self.max_unavailable,
            nodes=self.nodes,
            enactments=self.enactments.values(),
        )

    def control(self) -> Plan:
        """Plan, check what is always so, and write."""
        made = self.plan()
        self.check(made)
        for gone in made.delete:
            del self.enactments[gone.node]
        for each in made.create:
            self.enactments[each.node.name] = EnactmentFacts(
                name=enactment_name(each.node.name, "p"),
                node=each.node.name,
                policy="p",
                policy_uid=UID,
                admitted=self.generation if each.admitted else None,
            )
        for admitted in made.admit:
            self.enactments[admitted.node] = replace(admitted, admitted=self.generation)
        for hold in made.hold:
            self.say(hold.enactment.node, EnactmentPhase.PENDING)
        for abort in made.abort:
            self.say(abort.enactment.node, EnactmentPhase.ABORTED)
        return made

    def settle(self) -> None:
        """Control until nothing is left to do: soon."""
        for _ in range(4):
            if not self.control():
                return
        pytest.fail(f"the controller does not come to rest: {self.plan()}")

    def say(self, node: str, phase: EnactmentPhase) -> None:
        """The controller's word on an enactment that waits."""
        self.enactments[node] = replace(self.enactments[node], reported=self.generation, phase=phase)

    def report(self, node: str, phase: EnactmentPhase) -> None:
        """The node's word on the generation that it was admitted to."""
        enactment = self.enactments[node]
        self.enactments[node] = replace(enactment, reported=enactment.admitted, phase=phase)

    def check(self, made: Plan) -> None:
        """What holds for every plan, in every world."""
        fresh = {each.node for each in made.admit if not self.enactments[each.node].working}
        fresh |= {each.node.name for each in made.create if each.admitted}
        assert all(self.nodes[name].ready for name in fresh), "a node that is not Ready got a slot"
        if fresh:
            gone = {each.node for each in made.delete} - self.working
            assert len(((self.working | self.failed) - gone) | fresh) <= self.limit, "more at once than may be"
        touched = [
            *(each.node for each in made.delete),
            *(each.node.name for each in made.create),
            *(each.node for each in made.admit),
            *(each.enactment.node for each in made.hold),
            *(each.enactment.node for each in made.abort),
        ]
        assert len(touched) == len(set(touched)), "two writes for one enactment"
        if made.abort:
            assert len(self.failed) >= self.limit, "aborted too early"
            assert not {each.enactment.node for each in made.abort} & self.working, "aborted a node at work"


def test_nodes_are_admitted_one_after_the_other_where_one_may_be_unavailable() -> None:
    """In the order of their names; the others say that they wait."""
    cluster = Cluster(3, max_unavailable=1)
    for name in ("n00", "n01", "n02"):
        cluster.settle()
        assert cluster.working == {name}
        cluster.report(name, EnactmentPhase.AVAILABLE)
    cluster.settle()
    assert not cluster.plan()
    assert cluster.named(EnactmentPhase.AVAILABLE) == {"n00", "n01", "n02"}


def test_the_rest_aborts_when_as_many_failed_as_may_be_unavailable() -> None:
    """And says which failed, beginning with its own name."""
    cluster = Cluster(4, max_unavailable="50%")
    cluster.settle()
    cluster.report("n00", EnactmentPhase.FAILED)
    cluster.settle()
    assert not cluster.named(EnactmentPhase.ABORTED)
    cluster.report("n01", EnactmentPhase.FAILED)
    messages = [each.message for each in cluster.plan().abort]
    assert messages[0] == (
        "enactment n02.p aborted because n00.p, n01.p failed, and maxUnavailable allows no more than 2 unavailable"
    )
    cluster.settle()
    assert cluster.named(EnactmentPhase.ABORTED) == {"n02", "n03"}
    assert not cluster.plan(), "what is final stays"


def test_an_abort_names_some_of_many_that_failed() -> None:
    """It is written on each of those that abort: hundreds of names on hundreds of them are too much."""
    cluster = Cluster(12, max_unavailable=6)
    cluster.settle()
    for number in range(6):
        cluster.report(f"n{number:02}", EnactmentPhase.FAILED)
    assert {each.message.partition(" because ")[2] for each in cluster.plan().abort} == {
        "n00.p, n01.p, n02.p and 3 more failed, and maxUnavailable allows no more than 6 unavailable"
    }


def test_a_new_generation_moves_nodes_at_work_on_at_once_and_the_others_in_turn() -> None:
    """A node at work has its slot already."""
    cluster = Cluster(3, max_unavailable=1)
    cluster.settle()
    cluster.report("n00", EnactmentPhase.AVAILABLE)
    cluster.settle()
    assert cluster.working == {"n01"}
    cluster.generation = 2
    cluster.settle()
    assert cluster.working == {"n01"}
    assert cluster.enactments["n01"].admitted == 2
    assert cluster.named(EnactmentPhase.PENDING) == {"n00", "n02"}


def test_failures_of_an_older_generation_stop_nothing() -> None:
    """A new generation is a new attempt."""
    cluster = Cluster(2, max_unavailable=1)
    cluster.settle()
    cluster.report("n00", EnactmentPhase.FAILED)
    cluster.settle()
    cluster.generation = 2
    cluster.settle()
    assert cluster.working == {"n00"}


def test_a_node_that_is_not_ready_waits_without_blocking_and_one_at_work_keeps_its_slot() -> None:
    """Ready is asked at the admission only."""
    cluster = Cluster(3, max_unavailable=1)
    cluster.nodes["n00"] = replace(cluster.nodes["n00"], ready=False)
    cluster.settle()
    assert cluster.working == {"n01"}
    cluster.nodes["n01"] = replace(cluster.nodes["n01"], ready=False)
    cluster.settle()
    assert cluster.working == {"n01"}
    cluster.nodes["n00"] = replace(cluster.nodes["n00"], ready=True)
    cluster.report("n01", EnactmentPhase.AVAILABLE)
    cluster.settle()
    assert cluster.working == {"n00"}


def test_a_deleted_node_frees_its_slot() -> None:
    """Nothing is left that could hold it."""
    cluster = Cluster(2, max_unavailable=1)
    cluster.settle()
    del cluster.nodes["n00"]
    cluster.settle()
    assert "n00" not in cluster.enactments
    assert cluster.working == {"n01"}


def test_a_slot_is_free_when_its_enactment_is_gone_and_not_before() -> None:
    """A node that ceased to match may be at work still, and one of an earlier policy too."""
    cluster = Cluster(3, max_unavailable=1)
    cluster.settle()
    cluster.enactments["n00"] = replace(cluster.enactments["n00"], policy_uid="another")
    made = cluster.control()
    assert [each.node for each in made.delete] == ["n00"]
    assert not made.admit
    cluster.settle()
    assert cluster.working == {"n00"}


def test_enactments_of_a_policy_of_the_same_name_that_was_deleted_are_made_anew() -> None:
    """Their generation 1 is not the new one's."""
    cluster = Cluster(1, max_unavailable=1)
    cluster.settle()
    cluster.report("n00", EnactmentPhase.AVAILABLE)
    cluster.enactments["n00"] = replace(cluster.enactments["n00"], policy_uid="another")
    assert [each.node for each in cluster.plan().delete] == ["n00"]
    cluster.settle()
    assert cluster.working == {"n00"}


def test_an_enactment_that_is_going_is_waited_for() -> None:
    """Its successor has the same name."""
    cluster = Cluster(1, max_unavailable=1)
    cluster.settle()
    cluster.enactments["n00"] = replace(cluster.enactments["n00"], deleting=True)
    assert not cluster.plan()


def test_an_enactment_that_another_program_made_true_is_taken_over_in_its_turn() -> None:
    """It stays Available meanwhile."""
    cluster = Cluster(2, max_unavailable=1)
    for name in cluster.nodes:
        cluster.enactments[name] = EnactmentFacts(f"{name}.p", name, "p", reported=1, phase=EnactmentPhase.AVAILABLE)
    assert [each.node for each in cluster.plan().admit] == ["n00"]
    cluster.settle()
    assert cluster.named(EnactmentPhase.AVAILABLE) == {"n00", "n01"}


LIMITS = st.one_of(st.none(), st.integers(-1, 5), st.sampled_from(["1%", "30%", "100%", "nonsense"]))


@given(nodes=st.integers(0, 8), limit=LIMITS, seed=st.integers(0, 2**32), failing=st.floats(0, 0.5))
def test_whatever_happens_the_limit_holds_and_the_rollout_ends(
    nodes: int, limit: int | str | None, seed: int, failing: float
) -> None:
    """Edits, relabelled, joining, leaving, rebooting, flapping nodes; at rest, every ready node is at its end."""
    random = Random(seed)
    cluster = Cluster(nodes, limit)
    for _ in range(60):
        disturb(cluster, random, failing)
        cluster.control()
    cluster.nodes = {name: replace(node, ready=True) for name, node in cluster.nodes.items()}
    for _ in range(4 * (len(cluster.nodes) + 1)):
        cluster.settle()
        for name in cluster.working:
            cluster.report(name, EnactmentPhase.FAILED if random.random() < failing else EnactmentPhase.AVAILABLE)
    assert not cluster.plan()
    assert set(cluster.enactments) == set(cluster.nodes)
    assert all(each.phase_of(cluster.generation) in FINISHED for each in cluster.enactments.values())


def disturb(cluster: Cluster, random: Random, failing: float) -> None:
    """One thing that happens in a cluster."""
    names = sorted(cluster.nodes)
    what = random.randrange(7)
    if what == 0:
        cluster.generation += 1
    elif what == 1 and names:
        name = random.choice(names)
        cluster.nodes[name] = replace(cluster.nodes[name], ready=not cluster.nodes[name].ready)
    elif what == 2 and names:
        del cluster.nodes[random.choice(names)]
    elif what == 3:
        name = f"n{random.randrange(100):02}"
        cluster.nodes.setdefault(name, NodeFacts(name, ready=random.random() < 0.7))
    elif what == 4:
        for name in cluster.working:
            if cluster.enactments[name].reported != cluster.enactments[name].admitted:
                cluster.report(name, EnactmentPhase.PROGRESSING)
    else:
        for name in sorted(cluster.working):
            if random.random() < 0.5:
                cluster.report(name, EnactmentPhase.FAILED if random.random() < failing else EnactmentPhase.AVAILABLE)
