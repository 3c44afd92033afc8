"""How a policy stands: the contract's table, first rule that holds wins."""

import pytest

from nmstate_k8s.api.conditions import EnactmentPhase, PolicyPhase
from nmstate_k8s.domain.policy.facts import EnactmentFacts, NodeFacts
from nmstate_k8s.domain.policy.summary import overdue, summarise

GENERATION = 4
ONE = ", 1 nodes ignored due to NotReady state"
PHASES = {
    "A": EnactmentPhase.AVAILABLE,
    "F": EnactmentPhase.FAILED,
    "X": EnactmentPhase.ABORTED,
    "P": EnactmentPhase.PENDING,
    "W": EnactmentPhase.PROGRESSING,
    "R": EnactmentPhase.RETRYING,
}


def world(nodes: str) -> tuple[dict[str, NodeFacts], dict[str, EnactmentFacts]]:
    """A word a node: its enactment's phase (- for none, o for one of an older generation), ! for NotReady."""
    facts, enactments = {}, {}
    for number, word in enumerate(nodes.split()):
        name = f"node{number}"
        facts[name] = NodeFacts(name, ready="!" not in word)
        phase, old = PHASES.get(word[0]), word[0] == "o"
        if phase or old:
            enactments[name] = EnactmentFacts(
                name=f"{name}.p",
                node=name,
                policy="p",
                reported=GENERATION - old,
                phase=phase or EnactmentPhase.AVAILABLE,
            )
    return facts, enactments


@pytest.mark.parametrize(
    ("nodes", "phase", "message"),
    [
        ("", PolicyPhase.IGNORED, "Policy does not match any node"),
        ("F", PolicyPhase.DEGRADED, "1/1 nodes failed to configure"),
        ("F X A", PolicyPhase.DEGRADED, "1/3 nodes failed to configure, 1 nodes aborted configuration"),
        ("F W P", PolicyPhase.DEGRADED, "1/3 nodes failed to configure"),
        ("X A", PolicyPhase.DEGRADED, "0/2 nodes failed to configure, 1 nodes aborted configuration"),
        ("- -", PolicyPhase.PROGRESSING, "Policy is progressing 0/2 nodes finished"),
        ("o o", PolicyPhase.PROGRESSING, "Policy is progressing 0/2 nodes finished"),
        ("A W", PolicyPhase.PROGRESSING, "Policy is progressing 1/2 nodes finished"),
        ("A R", PolicyPhase.PROGRESSING, "Policy is progressing 1/2 nodes finished"),
        ("A W P!", PolicyPhase.PROGRESSING, "Policy is progressing 1/2 nodes finished" + ONE),
        ("A! A P", PolicyPhase.PROGRESSING, "Policy is progressing 2/2 nodes finished, 1 pending"),
        ("A! A W", PolicyPhase.PROGRESSING, "Policy is progressing 1/2 nodes finished" + ONE),
        ("A A", PolicyPhase.AVAILABLE, "2/2 nodes successfully configured"),
        ("A P!", PolicyPhase.AVAILABLE, "1/2 nodes successfully configured" + ONE),
        ("A -!", PolicyPhase.AVAILABLE, "1/2 nodes successfully configured" + ONE),
        ("A! A!", PolicyPhase.AVAILABLE, "2/2 nodes successfully configured" + ONE.replace("1", "2")),
    ],
)  # fmt: skip
def test_the_first_rule_that_holds_wins(nodes: str, phase: PolicyPhase, message: str) -> None:
    """With the contract's words."""
    summary = summarise(GENERATION, *world(nodes))
    assert (summary.phase, summary.message) == (phase, message)


def test_enactments_of_nodes_that_do_not_match_count_for_nothing() -> None:
    """They are about to be deleted."""
    nodes, enactments = world("A F")
    del nodes["node1"]
    assert summarise(GENERATION, nodes, enactments).phase is PolicyPhase.AVAILABLE


def test_nodes_at_work_or_failed_are_unavailable() -> None:
    """Also those at work on an older generation."""
    nodes, enactments = world("A F P W")
    enactments["node3"] = EnactmentFacts("node3.p", "node3", "p", admitted=3, reported=3, phase=PHASES["W"])
    assert summarise(GENERATION, nodes, enactments).counts.unavailable == 2


def test_the_words_of_a_node_are_one_short_line_that_commands_no_terminal() -> None:
    """What a node says stands in the policy's message: it is data there, whatever it is."""
    words = "\x1b[2J\r\nall is well\u202e " + "x" * 500
    nodes = {"a": NodeFacts("a")}
    silent = EnactmentFacts("a.p", "a", "p", admitted=1, reported=1, phase=EnactmentPhase.PROGRESSING, message=words)
    enactments = {"a": silent}
    told = overdue(summarise(1, nodes, enactments), 1, nodes, enactments, 600).message
    assert told.startswith(
        r"0/1 nodes finished, no progress for 600 s: node a is Progressing: \x1b[2J all is well\u202e"
    )
    assert told.isprintable()
    assert len(told) < 200
