"""The checker of the rollout's promises: each promise, broken by hand, is found, and nothing else is."""

from typing import Any

import pytest

from nmstate_k8s.testing.rollout.checker import Checker

Json = dict[str, Any]


class Story:
    """Objects as an API server would tell of them, a second apart."""

    def __init__(self, *nodes: str, **spec: Any) -> None:
        self.checker = Checker(lag=5.0)
        self.version = 0
        self.at = 0.0
        self.generation = 0
        for name in nodes:
            self.node(name)
            self.handler(name)
        self.policy(**spec)

    def tell(self, kind: str, body: Json, what: str = "MODIFIED") -> None:
        """The next version of the cluster."""
        self.version += 1
        self.at += 1
        body["metadata"]["resourceVersion"] = str(self.version)
        self.checker.see(kind, what, body, self.at)

    def node(self, name: str, *, ready: bool = True, what: str = "MODIFIED", **labels: str) -> None:
        """A Node."""
        conditions = [{"type": "Ready", "status": str(ready)}]
        self.tell("Node", {"metadata": {"name": name, "labels": labels}, "status": {"conditions": conditions}}, what)

    def handler(self, node: str, what: str = "MODIFIED", component: str = "kubernetes-nmstate-handler") -> None:
        """A node's handler pod."""
        metadata = {"name": f"handler-{node}", "namespace": "nmstate", "labels": {"component": component}}
        self.tell("Pod", {"metadata": metadata, "spec": {"nodeName": node}}, what)

    def policy(self, uid: str = "u", **spec: Any) -> None:
        """The policy's next generation."""
        self.generation += 1
        spec.setdefault("desiredState", {"generation": self.generation})
        self.spec, self.uid = spec, uid
        self.words()

    def words(self, what: str = "MODIFIED", **words: str) -> None:
        """What users say of the policy's rollout."""
        annotations = {f"nmstate.io/rollout-{verb}": value for verb, value in words.items()}
        metadata = {"name": "p", "uid": self.uid, "generation": self.generation, "annotations": annotations}
        self.tell("NodeNetworkConfigurationPolicy", {"metadata": metadata, "spec": self.spec}, what)

    def budget(self, limit: int | str | None) -> None:
        """The NMState's."""
        self.tell("NMState", {"metadata": {"name": "nmstate"}, "spec": {"rollout": {"maxUnavailable": limit}}})

    def enactment(self, node: str, phase: str = "", **fields: Any) -> None:
        """An enactment: admitted to, reported, uid, policy_uid, name, desired, message, what."""
        admitted, reported = fields.get("admitted"), fields.get("reported")
        metadata: Json = {
            "name": fields.get("name", f"{node}.p"),
            "uid": fields.get("uid", f"uid-{node}"),
            "labels": {"nmstate.io/policy": "p", "nmstate.io/node": node},
            "annotations": {"nmstate.io/policy-uid": fields.get("policy_uid", "u")},
        }
        body: Json = {"metadata": metadata}
        if admitted:
            desired = fields.get("desired", {"generation": admitted})
            body["spec"] = {"policyGeneration": admitted, "desiredState": desired}
        if phase:
            condition = {"type": phase, "status": "True", "reason": "R", "message": fields.get("message", "so it is")}
            body["status"] = {"policyGeneration": reported or admitted, "conditions": [condition]}
        self.tell("NodeNetworkConfigurationEnactment", body, fields.get("what", "MODIFIED"))

    @property
    def broken(self) -> list[str]:
        """The promises that were found broken."""
        return [each.rule for each in self.checker.violations]


def test_a_rollout_as_it_should_be_is_no_violation() -> None:
    """One after the other, an edit at work, a failure, the rest aborts."""
    story = Story("a", "b", "c", maxUnavailable=1)
    story.enactment("a", admitted=1)
    story.enactment("b", "Pending", reported=1)
    story.enactment("a", "Available", admitted=1)
    story.enactment("b", "Pending", admitted=1, reported=1)
    story.policy(maxUnavailable=1)
    story.enactment("b", "Progressing", admitted=1)
    story.enactment("b", "Progressing", admitted=2, reported=1)
    story.enactment("b", "Failing", admitted=2)
    story.enactment("a", "Aborted", admitted=1, reported=2)
    story.enactment("c", "Aborted", reported=2)
    assert story.broken == []
    assert story.checker.admissions == 3


@pytest.mark.parametrize("before", ["", "Progressing", "Retrying", "Failing"])
def test_one_node_too_many_is_found(before: str) -> None:
    """Whatever the other one is at: not begun, at work, failed."""
    story = Story("a", "b", maxUnavailable=1)
    story.enactment("a", before, admitted=1)
    story.enactment("b", admitted=1)
    assert story.broken == ["limit"]


def test_an_enactment_that_is_gone_has_no_slot() -> None:
    """Its node was deleted."""
    story = Story("a", "b", maxUnavailable=1)
    story.enactment("a", admitted=1)
    story.enactment("a", admitted=1, what="DELETED")
    story.enactment("b", admitted=1)
    assert story.broken == []


def test_one_of_an_earlier_policy_that_is_at_work_has_a_slot() -> None:
    """Until it is gone."""
    story = Story("a", "b", maxUnavailable=1)
    story.enactment("a", admitted=1)
    story.generation = 0
    story.policy("another", maxUnavailable=1)
    story.enactment("b", admitted=1, policy_uid="another")
    assert story.broken == ["limit"]


@pytest.mark.parametrize(("phase", "broken"), [("", []), ("Available", []), ("Progressing", ["an end is waited for"])])
def test_the_end_of_a_change_is_waited_for_when_the_policy_goes(phase: str, broken: list[str]) -> None:
    """What has not begun, or has ended, goes at once."""
    story = Story("a", maxUnavailable=1)
    story.at += 10
    story.enactment("a", phase, admitted=1)
    story.words(what="DELETED")
    story.enactment("a", phase, admitted=1, what="DELETED")
    assert story.broken == broken


def test_a_node_that_is_gone_or_changes_for_long_is_not_waited_for() -> None:
    """Kubernetes collects what the one had; the other's enactment goes in the end."""
    story = Story("a", "b", maxUnavailable=2)
    for name in "ab":
        story.enactment(name, "Progressing", admitted=1)
    story.words(what="DELETED")
    story.node("a", what="DELETED")
    story.enactment("a", "Progressing", admitted=1, what="DELETED")
    story.at += 20
    story.enactment("b", "Progressing", admitted=1, what="DELETED")
    assert story.broken == []


def test_a_node_that_is_not_ready_gets_no_slot() -> None:
    """What it was a moment ago may be all that the controller knew."""
    story = Story("a", "b", maxUnavailable="100%")
    story.node("a", ready=False)
    story.enactment("a", admitted=1)
    assert story.broken == []
    story.node("b", ready=False)
    story.at += 10
    story.enactment("b", admitted=1)
    assert story.broken == ["ready"]


def test_a_node_that_is_not_selected_gets_no_slot() -> None:
    """By its labels."""
    story = Story("a", nodeSelector={"zone": "x"})
    story.enactment("a", admitted=1)
    assert story.broken == ["ready"]


def test_a_generation_that_never_was_says_something_else_or_is_overtaken_is_found() -> None:
    """Or an older one than the node had."""
    story = Story("a", "b", "c", maxUnavailable="100%")
    story.enactment("a", admitted=7)
    story.enactment("b", admitted=1, desired={"another": "state"})
    story.policy(maxUnavailable="100%")
    story.enactment("b", admitted=2)
    story.enactment("b", admitted=1)
    story.at += 10
    story.enactment("c", admitted=1)
    assert story.broken == ["one order"] * 4


def test_two_enactments_for_one_node_are_found() -> None:
    """Whatever they are called."""
    story = Story("a")
    story.enactment("a")
    story.enactment("a", name="a.p-2", uid="second")
    assert story.broken == ["one enactment"]


def test_what_failed_is_not_tried_again() -> None:
    """Neither by the controller nor by the node."""
    story = Story("a", "b", maxUnavailable=2)
    story.enactment("a", "Failing", admitted=1)
    story.enactment("a", "Progressing", admitted=1)
    story.enactment("b", "Aborted", reported=1)
    story.enactment("b", "Aborted", reported=1, admitted=1)
    assert story.broken == ["final stays", "aborted only with cause", "final stays"]


def test_nobody_at_work_is_aborted() -> None:
    """Though enough failed."""
    story = Story("a", "b", maxUnavailable=2)
    story.enactment("a", "Failing", admitted=1)
    story.enactment("b", "Progressing", admitted=1)
    story.enactment("b", "Aborted", reported=1)
    assert story.broken == ["aborted only with cause", "aborted only with cause"]


@pytest.mark.parametrize(("later", "broken"), [(0, []), (10, ["aborted only with cause"])])
def test_a_node_that_failed_and_is_gone_is_a_cause_for_a_while(later: int, broken: list[str]) -> None:
    """The controller may not have heard of its end."""
    story = Story("a", "b", maxUnavailable=1)
    story.enactment("b", "Pending", reported=1)
    story.enactment("a", "Failing", admitted=1)
    story.enactment("a", "Failing", admitted=1, what="DELETED")
    story.at += later
    story.enactment("b", "Aborted", reported=1)
    assert story.broken == broken


def test_who_waits_says_why() -> None:
    """People read it."""
    story = Story("a")
    story.enactment("a", "Pending", reported=1, message="")
    assert story.broken == ["a wait has a reason"]


CONTROL_PLANE = {"node-role.kubernetes.io/control-plane": ""}


def test_two_nodes_of_the_control_plane_at_once_are_found() -> None:
    """Whatever maxUnavailable says."""
    story = Story("w", maxUnavailable="100%")
    for name in ("m1", "m2"):
        story.node(name, **CONTROL_PLANE)
        story.handler(name)
    story.at += 10
    story.enactment("m1", admitted=1)
    story.enactment("w", admitted=1)
    assert story.broken == []
    story.enactment("m2", admitted=1)
    assert story.broken == ["control plane"]


def test_more_nodes_than_all_policies_share_are_found() -> None:
    """A budget that was given out a moment ago may not be known yet."""
    story = Story("a", "b", "c", maxUnavailable="100%")
    story.budget(1)
    story.enactment("a", admitted=1)
    story.enactment("b", admitted=1)
    assert story.broken == []
    story.at += 10
    story.enactment("c", admitted=1)
    assert story.broken == ["budget"]


STEPS = {"steps": [{"nodes": 1, "pause": {}}, {"percent": 50, "pause": {"duration": "60s"}}], "soakSeconds": 10}


def test_a_node_that_begins_before_its_step_is_found() -> None:
    """Before the canary is Available, before it is promoted, before its time is over."""
    story = Story("a", "b", "c", "d", maxUnavailable="100%", rollout=STEPS)
    story.at += 10
    story.enactment("a", admitted=1)
    story.enactment("b", admitted=1)
    story.at += 10
    story.enactment("b", admitted=1, what="DELETED")
    story.enactment("a", "Available", admitted=1)
    story.at += 100
    story.enactment("b", admitted=1)
    assert story.broken == ["steps", "steps"]
    story.words(promote="1/1")
    story.enactment("b", "Available", admitted=1)
    story.at += 60
    story.enactment("c", admitted=1)
    assert story.broken == ["steps", "steps", "steps"]
    story.at += 10
    story.enactment("d", admitted=1)
    assert story.broken == ["steps", "steps", "steps"]


def test_a_node_without_a_handler_gives_its_step_up() -> None:
    """It is none of the policy's, whatever its enactment says, which goes a moment later."""
    story = Story("a", "b", maxUnavailable="100%", rollout=STEPS)
    story.at += 10
    story.enactment("a", admitted=1)
    story.handler("a", what="DELETED")
    story.enactment("b", admitted=1)
    assert story.broken == []


@pytest.mark.parametrize(("handlers", "broken"), [("abc", []), ("ab", ["steps"])])
def test_a_share_is_of_the_nodes_that_run_a_handler(handlers: str, broken: list[str]) -> None:
    """40 % of three is two, and of two it is one."""
    story = Story("a", "b", "c", "d", "e", maxUnavailable="100%", rollout={"steps": [{"percent": 40, "pause": {}}]})
    for name in set("abcde") - set(handlers):
        story.handler(name, what="DELETED")
    story.at += 10
    story.enactment("a", admitted=1)
    story.enactment("b", admitted=1)
    assert story.broken == broken


def test_a_node_that_runs_no_handler_gets_no_slot() -> None:
    """Nobody would carry it out; but a handler that is replaced takes nothing away from a node that waits."""
    story = Story("a", "b", maxUnavailable="100%")
    story.enactment("a", "Pending", reported=1)
    for name in "ab":
        story.handler(name, what="DELETED")
    story.node("c")
    story.handler("c", component="kubernetes-nmstate-webhook")
    story.at += 10
    story.enactment("a", "Pending", admitted=1, reported=1)
    assert story.broken == []
    story.enactment("b", admitted=1)
    story.enactment("c", admitted=1)
    assert story.broken == ["ready", "ready"]


@pytest.mark.parametrize("verb", ["pause", "abort"])
def test_a_node_that_begins_though_somebody_stopped_the_rollout_is_found(verb: str) -> None:
    """Not one that begins in the first moment; not in another generation."""
    story = Story("a", "b", "c", maxUnavailable="100%")
    story.words(**{verb: "1"})
    story.enactment("a", admitted=1)
    assert story.broken == []
    story.at += 10
    story.enactment("b", admitted=1)
    assert story.broken == ["steps"]
    story.policy(maxUnavailable="100%")
    story.words(**{verb: "1"})
    story.at += 10
    story.enactment("c", admitted=2)
    assert story.broken == ["steps"]


def test_an_abort_has_a_cause_where_somebody_said_so_or_a_canary_failed() -> None:
    """And only then."""
    story = Story("a", "b", "c", maxUnavailable="100%", rollout=STEPS)
    story.enactment("b", "Aborted", reported=1)
    assert story.broken == ["aborted only with cause"]
    story.enactment("a", "Failing", admitted=1)
    story.enactment("c", "Aborted", reported=1)
    assert len(story.broken) == 1
    story = Story("a", maxUnavailable="100%")
    story.words(abort="1")
    story.enactment("a", "Aborted", reported=1)
    assert story.broken == []


def test_what_was_before_we_looked_is_not_judged() -> None:
    """It may be of another program."""
    story = Story("a", "b", maxUnavailable=1)
    for name in ("a", "b"):
        story.version += 1
        body = {
            "metadata": {
                "name": f"{name}.p",
                "uid": name,
                "resourceVersion": str(story.version),
                "labels": {"nmstate.io/policy": "p", "nmstate.io/node": name},
            },
            "spec": {"policyGeneration": 1, "desiredState": {"generation": 1}},
        }
        story.checker.see("NodeNetworkConfigurationEnactment", "ADDED", body, story.at, judge=False)
    assert story.broken == []


def test_another_kind_is_refused() -> None:
    """It is a mistake of whoever feeds the checker."""
    with pytest.raises(ValueError, match="not about a Secret"):
        Checker().see("Secret", "ADDED", {"metadata": {"name": "x", "resourceVersion": "1"}}, 0.0)
