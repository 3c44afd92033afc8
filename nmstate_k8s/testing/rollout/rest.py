"""Whether a rollout that has come to rest is where it had to come to: a second reading of the contract.

At rest means: for a while nothing happened to the cluster, a controller leads, handlers run on all Ready nodes, and
nodes at work have ended. Then each policy has an enactment on each node that it selects and on no other, every Ready
node has ended or waits for a slot that does not get free, and the policy's status tells just that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from nmstate_k8s.testing.rollout.checker import Checker
from nmstate_k8s.testing.rollout.seen import SeenEnactment, SeenNode, SeenPolicy, allowed, selects
from nmstate_k8s.testing.rollout.steps import most_begun

__all__ = ["unrest"]


def unrest(checker: Checker, at: float) -> list[str]:
    """What is not as it must be at rest, which it is since long before `at`; nothing: all is well."""
    found = [
        f"{each.name} is left over of a policy that is gone"
        for name, of_policy in checker.enactments.items()
        for each in of_policy.values()
        if name not in checker.policies
    ]
    for policy in checker.policies.values():
        if not policy.deleting:
            found += _of(policy, checker, at)
    return found


def _of(policy: SeenPolicy, checker: Checker, at: float) -> Iterator[str]:
    nodes = {name: node for name, node in checker.lately.now.items() if node.handler and selects(policy.spec, node)}
    enactments = {each.node: each for each in checker.enactments.get(policy.name, {}).values()}
    for name in enactments.keys() - nodes.keys():
        yield f"{enactments[name].name} is on a node that {policy.name} does not select"
    for name in nodes.keys() - enactments.keys():
        yield f"{policy.name} has no enactment on {name}"
    for each in enactments.values():
        if each.policy_uid not in ("", policy.uid):
            yield f"{each.name} is of an earlier {policy.name}"
        if each.at_work and each.node in nodes and nodes[each.node].ready:
            yield f"{each.name} is still at work"
    yield from _stalls(policy, nodes, enactments, _closed(policy, nodes, enactments, checker, at))
    yield from _status(policy, nodes, enactments)


def _closed(
    policy: SeenPolicy,
    nodes: dict[str, SeenNode],
    enactments: dict[str, SeenEnactment],
    checker: Checker,
    at: float,
) -> Callable[[str], bool]:
    """Whether a node may not begin for another reason than its policy's own slots."""
    of_all = [each for of_policy in checker.enactments.values() for each in of_policy.values()]
    busy = {each.node for each in of_all if each.at_work}
    roles = {name for name in busy if name in checker.lately.now and checker.lately.now[name].control_plane}
    begun = [
        each
        for each in enactments.values()
        if each.admitted == policy.generation or each.ended(policy.generation) in ("Available", "Failing")
    ]
    since = [checker.available_since[each.uid] for each in begun if each.ended(policy.generation) == "Available"]
    promoted = {policy.words.get("promote", "")}
    most = most_begun(policy.spec, promoted, policy.generation, len(nodes), since, at)
    handlers = sum(node.handler for node in checker.lately.now.values())
    full = checker.budget is not None and len(busy) >= allowed({"maxUnavailable": checker.budget}, handlers)

    def closed(name: str) -> bool:
        if policy.said("pause") or len(begun) >= most:
            return True
        return (full and name not in busy) or (nodes[name].control_plane and bool(roles - {name}))

    return closed


def _stalls(
    policy: SeenPolicy,
    nodes: dict[str, SeenNode],
    enactments: dict[str, SeenEnactment],
    closed: Callable[[str], bool],
) -> Iterator[str]:
    """Nodes that could go on and do not."""
    failed = [each for each in enactments.values() if each.ended(policy.generation) == "Failing"]
    taken = len(failed) + sum(each.at_work for each in enactments.values())
    limit = allowed(policy.spec, len(nodes))
    for name, node in nodes.items():
        each = enactments.get(name)
        if each is None or each.ended(policy.generation) or each.at_work or not node.ready:
            continue
        if policy.said("abort"):
            yield f"{each.name} waits although the rollout was aborted"
        elif taken < limit and not closed(name):
            yield f"{each.name} waits although {taken} of {limit} slots are taken"
        elif len(failed) >= limit:
            yield f"{each.name} waits although {len(failed)} failed: it should have aborted"
        elif each.phase != "Pending" or each.reported != policy.generation:
            yield f"{each.name} waits and says {each.phase or 'nothing'} of {each.reported}"


def _status(policy: SeenPolicy, nodes: dict[str, SeenNode], enactments: dict[str, SeenEnactment]) -> Iterator[str]:
    """The policy's own word against the contract's table."""
    true = [each["type"] for each in policy.status.get("conditions") or () if each["status"] == "True"]
    observed = policy.status.get("observedGeneration")
    if observed != policy.generation:
        yield f"the status of {policy.name} is of {observed}, not of {policy.generation}"
    ends = Counter(each.ended(policy.generation) for name, each in enactments.items() if name in nodes)
    going = [
        name
        for name, node in nodes.items()
        if (each := enactments.get(name)) is None
        or ((node.ready or each.at_work) and not each.ended(policy.generation))
    ]
    if not nodes:
        wanted = "Ignored"
    elif ends["Failing"] or ends["Aborted"]:
        wanted = "Degraded"
    else:
        wanted = "Progressing" if going else "Available"
    overdue = wanted == "Progressing" and 0 < policy.spec.get("progressDeadlineSeconds", 600) < 60
    if overdue and true[:1] == ["Degraded"]:
        return
    if true[:1] != [wanted]:
        yield f"{policy.name} says {true[:1]}, and is {wanted}"
