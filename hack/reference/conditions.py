"""docs/reference/conditions.md: the phases of our kinds, as the tables of nmstate_k8s.api.conditions make them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from hack.reference.markdown import code, table
from nmstate_k8s.api.conditions import (
    ENACTMENT_TYPES,
    NMSTATE_TYPES,
    POLICY_TYPES,
    Condition,
    EnactmentPhase,
    NMStatePhase,
    PolicyPhase,
    enactment_conditions,
    nmstate_conditions,
    policy_conditions,
)
from nmstate_k8s.api.events import POLICY_STANDSTILLS
from nmstate_k8s.api.failures import LIBNMSTATE, REASONS
from nmstate_k8s.api.nodestate import TRUNCATED, nodestate_conditions
from nmstate_k8s.api.phases import MEANINGS

INTRODUCTION = """# Conditions

Each object of ours has a fixed list of conditions, in the order below: who takes the first that is True, as consoles
and `kubectl get` do, takes the phase. All of them are set in each phase, so nothing of an earlier one is left over.

Only conditions that are True have a message, and Ready, which sums up. A reason other than the phase's stands in
brackets. `lastTransitionTime` moves when the status changes, `lastHeartbeatTime` when status, reason or message do.
"""

FAILURES = """
### Failures
A failure in parts that programs can use is in [`status.failure`](fields.md#failure). Its `reason` is one of these, or
the name of an error of the operating system. [Troubleshooting](../troubleshooting.md) says what to do.

"""

KSTATUS = ("Ready", "Reconciling", "Stalled")
NOW = datetime(2000, 1, 1, tzinfo=UTC)

Make = Callable[..., Iterable[Condition]]


def page() -> str:
    """The whole page."""
    return (
        INTRODUCTION
        + "\n## NodeNetworkConfigurationPolicy\n"
        + "Computed from the policy's enactments of its current generation; the first that holds wins, as listed. The\n"
        + "last three are for tools that speak kstatus, and are there while they say something.\n\n"
        + _phases(PolicyPhase, (*POLICY_TYPES, *KSTATUS), policy_conditions, generation=1)
        + "\nWhere a rollout stands still, the reason says why, with the phase that it stands in "
        + "([rollout](../rollout.md)):\n\n"
        + table(("reason", "holds when"), [(code(each.reason), each.when) for each in POLICY_STANDSTILLS.values()])
        + "\n## NodeNetworkConfigurationEnactment\n"
        + "One policy on one node; written by the node from its admission on. Exactly these five.\n\n"
        + _phases(EnactmentPhase, ENACTMENT_TYPES, enactment_conditions)
        + FAILURES
        + table(("reason", "what went wrong"), [(code(name), text) for name, text in sorted(REASONS.items())])
        + "\nWhere libnmstate failed, in its words:\n\n"
        + table(("reason", "what went wrong"), [(code(name), text) for name, text in sorted(LIBNMSTATE.items())])
        + "\n## NMState\n\n"
        + _phases(NMStatePhase, (*NMSTATE_TYPES, *KSTATUS), nmstate_conditions, generation=1)
        + "\n## NodeNetworkState\n"
        + f"`{TRUNCATED}` alone, and only while a report leaves something out.\n\n"
        + table(("condition", "reason", "message"), [_truncated()])
    )


def _phases(phases: type[Enum], types: Sequence[str], make: Make, **more: Any) -> str:
    """Two tables: what a phase means, and what it makes of the conditions."""
    meanings, statuses = [], []
    for phase in phases:
        made = {condition.type: condition for condition in make(phase, now=NOW, **more)}
        meaning = MEANINGS[phase]  # type: ignore[index]
        reason, message = _summary(made.values())
        name = f"{phase.name.capitalize()}"
        meanings.append((name, reason and code(reason), meaning.when, meaning.says or (message and code(message))))
        statuses.append((name, *(_status(made.get(each), reason) for each in types)))
    return table(("phase", "reason", "holds when", "message"), meanings) + "\n" + table(("phase", *types), statuses)


def _summary(conditions: Iterable[Condition]) -> tuple[str, str]:
    """The reason and message that the phase is known by."""
    true = next((each for each in conditions if each.status == "True"), None)
    return (true.reason, true.message) if true else ("", "")


def _status(condition: Condition | None, reason: str) -> str:
    if condition is None:
        return ""
    return condition.status + (f" ({code(condition.reason)})" if condition.reason not in ("", reason) else "")


def _truncated() -> tuple[str, str, str]:
    (condition,) = nodestate_conditions("N of M entries of routes.running", now=NOW)
    return code(condition.type), code(condition.reason), code(condition.message)
