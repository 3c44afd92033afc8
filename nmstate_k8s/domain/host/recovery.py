"""Recovery: the rows of the table that end what an earlier handler left open. Runs when a handler starts.

    recover ─┬─ END                                no journal, and nothing to tell
             ├─ aftermath ─ amend ─ END            put back without us: what the unit on the host cannot reach
             ├─ undo ─ files …                     our checkpoint is there: roll back to it
             ├─ review ─┬─ shut                    the node is as it was: NetworkManager's own timeout was quicker
             │          └─ hold ─ prove ─ sync ─ close ─ END     committed, but not closed: good, if it works
             └─ restart …                          else: NetworkManager is restarted with the journal in place

Except where the change is proven to be good, the attempt has failed, and its enactment is told so.

Where the states cannot be read any more, nothing can be compared or reverted: the checkpoint is rolled back, or
NetworkManager restarted with the journal in place. Where neither can be done the journal is closed, and the enactment
is told that it is not known how the node stands: no later handler would know more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nmstate_k8s.domain.host import compare
from nmstate_k8s.domain.host.parachute.outside import mending
from nmstate_k8s.domain.host.probes.result import ProbeResult
from nmstate_k8s.domain.host.requests import Difference, Leftover, Mend, Open, ReadState, RollBack, TakenBack
from nmstate_k8s.domain.host.tablestate import END, Next, State, Step, changing, pending, run_probes, stops

__all__ = ["RECOVERY"]


def _looked(state: State, left: Leftover | TakenBack | None) -> Next:
    if left is None:
        return state, END
    if isinstance(left, TakenBack):
        return replace(state, before=left.before, desired=left.desired), "aftermath"
    known, manager = left.record, left.networkmanager
    state = replace(
        state,
        record=known,
        before=bytes(left.states.before) if left.states else b"",
        desired=bytes(left.states.desired) if left.states else b"",
        selected=known.probes,
        touched=True,
        why=_why(left),
    )
    if (path := known.left_over(manager, left.boot_id)) and not left.taken:
        return replace(state, pending=RollBack(path)), "undo"
    return state, ("review" if state.why == "handler" and state.before else "restart")


def _seen(state: State, now: bytes) -> Next:
    """Open vSwitch's database and what the kernel has are not files that lie still before they start."""
    left = mending(state.before, now, state.desired)
    return (replace(state, pending=Mend(left)), "amend") if left else (state, END)


def _done(state: State, _: Any) -> Next:
    return state, END


def _why(left: Leftover) -> str:
    if left.record.boot_id != left.boot_id:
        return "boot"
    return "nm-restart" if left.taken or left.record.networkmanager != left.networkmanager.owner else "handler"


def _undone(state: State, _: Any) -> Next:
    return replace(state, pending=None), "files"


def _not_undone(state: State, _: Exception) -> Next:
    return replace(state, pending=None), "restart"


def _reviewed(state: State, now: bytes) -> Next:
    if not compare.differences(state.before, now):
        return state, "files"
    return replace(state, pending=Difference(state.desired, now)), "hold"


def _held(state: State, different: bool) -> Next:
    return state, ("restart" if different else "prove")


def _proven(state: State, results: tuple[ProbeResult, ...]) -> Next:
    good = all(result.result != "Failed" for result in results)
    return (replace(state, kept=True), "sync") if good else (state, "restart")


def _otherwise(state: State, _: Exception) -> Next:
    return state, "restart"


RECOVERY: Mapping[str, Step] = {
    "recover": Step(lambda _: Open(), _looked, stops("recover")),
    "aftermath": Step(lambda _: ReadState(), _seen, _done),
    "amend": Step(pending, _done, _done),
    "undo": Step(pending, _undone, _not_undone),
    "review": Step(lambda _: ReadState(), _reviewed, _otherwise),
    "hold": Step(pending, _held, _otherwise),
    "prove": Step(lambda state: run_probes(state, changing(state)), _proven, _otherwise),
}
