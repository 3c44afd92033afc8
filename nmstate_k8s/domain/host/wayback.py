"""The way back: the rows of the table that make the node as it was.

    find ─┬─ back ──── files ─ reprobe ─ compare ─┬─ flush ─ shut ─ END
          ├─ retry        │               │  ├─ mend
          └─ restart ─────┘               │  └─ settle
                │                      restart (once)
              revert

- The first way is NetworkManager's own rollback, to our checkpoint, by its path.
- Where that checkpoint is gone, or does not bring the node back, NetworkManager is restarted with the journal in
  place: the unit on the host puts back all files before it starts (`parachute/restore.sh`).
- Where there is no systemd, or the unit did not run, libnmstate applies what reverts the change.
- What lies outside the checkpoint (scripts, names, Open vSwitch's global settings) is put back apart; so are routes
  through nothing and rules, of which a NetworkManager that died knows nothing any more.
- The whole state is compared. What differs and is no matter of leases and timers is another reason to restart.
- The journal is closed when the node has what it had, on the disk too (NetworkManager does not sync what its
  rollback writes and removes); else it stays, and the next transaction goes on from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from nmstate_k8s.domain.desired.errors import is_transient
from nmstate_k8s.domain.host import compare
from nmstate_k8s.domain.host.journal import UNREADABLE, JournalTaken
from nmstate_k8s.domain.host.parachute.facts import touched
from nmstate_k8s.domain.host.parachute.outside import mending
from nmstate_k8s.domain.host.probes.result import ProbeResult
from nmstate_k8s.domain.host.requests import (
    CloseJournal,
    FindCheckpoints,
    Mend,
    PutBackFiles,
    ReadState,
    RestartNetworkManager,
    RetireJournal,
    Revert,
    RollBack,
    Standing,
    SyncProfiles,
    Wait,
)
from nmstate_k8s.domain.host.tablestate import (
    END,
    LOOK_AGAIN,
    PATIENCE,
    Next,
    State,
    Step,
    goes_on,
    lost,
    noting,
    pending,
    record,
    run_probes,
)

__all__ = ["BACK"]

COMPARISONS = 8
WAYS_BACK = 5
_PASSING = re.compile(r"routes\.running|dns-resolver\.running|\.ipv[46]\.address|\.lldp|\.mptcp")
"""What leases and advertisements decide: it comes by itself, and no restart brings it sooner."""
_INTERFACE = re.compile(r"interfaces\[([^] ]+)")


def _found(state: State, standing: Standing) -> Next:
    known = record(state)
    path = known.left_over(standing.networkmanager, known.boot_id)
    if path and not standing.taken:
        return replace(state, pending=RollBack(path)), "back"
    if standing.taken or standing.networkmanager.owner != known.networkmanager:
        return _for_that_reason(state, standing), "restart"
    return state, "files"


def _for_that_reason(state: State, standing: Standing) -> State:
    """Whatever an apply or a commit said when NetworkManager died under it, that it died is what went wrong."""
    if state.fault is None or state.fault.stage not in ("apply", "journal", "commit"):
        return state
    cause = lost(record(state), standing)
    details = "\n".join(filter(None, (state.fault.cause, state.fault.details)))
    return replace(state, fault=replace(cause, stage=state.fault.stage, details=details))


def _back(state: State, _: Any) -> Next:
    return replace(state, pending=None), "files"


def _not_back(state: State, error: Exception) -> Next:
    """Look again: NetworkManager may have been quicker (its own timeout), or be busy for a moment."""
    state = replace(noting(state, f"rollback: {error}"), pending=None, ways_back=state.ways_back + 1)
    return state, ("retry" if state.ways_back < WAYS_BACK else "restart")


def _restarted(state: State, _: Any) -> Next:
    return replace(state, restarted=True, mended=False, comparisons=0), "files"


def _not_restarted(state: State, error: Exception) -> Next:
    if not state.before:
        return _without_states(state, error)
    return replace(noting(state, f"restart of NetworkManager: {error}"), restarted=True), "revert"


def _without_states(state: State, error: Exception) -> Next:
    """Nothing to revert to. What passes is waited for; what does not is no reason to do nothing for ever."""
    if is_transient(error) and state.waits < PATIENCE:
        return replace(state, waits=state.waits + 1, pending=Wait(LOOK_AGAIN)), "linger"
    return replace(state, why=UNREADABLE, pending=None), "flush"


def _reverted(state: State, _: Any) -> Next:
    return replace(state, comparisons=0), "files"


def _stuck(state: State, error: Exception) -> Next:
    """No way back is left: the journal stays, and with it whoever goes on from it."""
    return replace(noting(state, f"revert: {error}"), stuck=True), END


def _probe_again(state: State, _: Any) -> Next:
    """Whether the node is reached again. In recovery nobody waits for that."""
    return state, ("reprobe" if state.task and state.touched else "compare")


def _reprobed(state: State, results: tuple[ProbeResult, ...]) -> Next:
    stranded = tuple(result.name for result in results if result.result == "Failed")
    return replace(state, stranded=stranded), "compare"


def _compared(state: State, after: bytes) -> Next:
    if not state.before:
        return state, "flush"  # nothing to compare with
    unlike = compare.differences(state.before, after)
    state = replace(state, unlike=unlike, comparisons=state.comparisons + 1)
    if not unlike:
        return state, "flush"
    if not state.mended and (left := mending(state.before, after, state.desired)):
        return replace(state, pending=Mend(left)), "mend"
    if state.comparisons < COMPARISONS:
        return state, "settle"
    return state, ("restart" if not state.restarted and _lasting(state, unlike) else "flush")


def _lasting(state: State, unlike: tuple[str, ...]) -> bool:
    """Whether the change itself is still there: pods come and go meanwhile, and are no reason to restart anything."""
    ours = touched(msgspec.json.decode(state.desired or b"null"))
    for path in unlike:
        interface = _INTERFACE.match(path)
        if not _PASSING.search(path) and (interface is None or interface[1] in ours):
            return True
    return False


def _mended(state: State, _: Any) -> Next:
    """What was in the way of a probe may have been just that."""
    return replace(state, mended=True, pending=None), ("reprobe" if state.stranded else "compare")


def _not_mended(state: State, error: Exception) -> Next:
    return replace(noting(state, f"outside the checkpoint: {error}"), mended=True, pending=None), "compare"


def _not_compared(state: State, error: Exception) -> Next:
    """Not known to be as before: once more, then the journal stays."""
    state = replace(noting(state, f"state after the rollback: {error}"), comparisons=state.comparisons + 1)
    return (state, "settle") if state.comparisons < COMPARISONS else (replace(state, stuck=True), END)


def _not_flushed(state: State, error: Exception) -> Next:
    """What the disk has after a power cut is not known: the journal stays."""
    return replace(noting(state, f"sync after the rollback: {error}"), stuck=True), END


def _not_shut(state: State, error: Exception) -> Next:
    """NetworkManager was started in this very moment: what it found must be found again."""
    state = noting(state, f"journal: {error}")
    if isinstance(error, JournalTaken) and not state.restarted:
        return state, "restart"
    return replace(state, stuck=True), END


def _end_journal(state: State) -> CloseJournal | RetireJournal:
    return CloseJournal() if state.task else RetireJournal(state.why)


def _ended(state: State, _: Any) -> Next:
    return state, END


BACK: Mapping[str, Step] = {
    "find": Step(lambda _: FindCheckpoints(), _found, _not_back),
    "back": Step(pending, _back, _not_back),
    "retry": Step(lambda _: Wait(1.0), lambda state, _: (state, "find"), _not_back),
    "restart": Step(lambda _: RestartNetworkManager(), _restarted, _not_restarted),
    "linger": Step(pending, lambda state, _: (replace(state, pending=None), "restart"), _not_restarted),
    "revert": Step(lambda state: Revert(state.desired, state.before), _reverted, _stuck),
    "files": Step(lambda _: PutBackFiles(), _probe_again, goes_on("compare", "files")),
    "reprobe": Step(run_probes, _reprobed, goes_on("compare", "probes")),
    "compare": Step(lambda _: ReadState(), _compared, _not_compared),
    "mend": Step(pending, _mended, _not_mended),
    "settle": Step(lambda _: Wait(1.0), lambda state, _: (state, "compare"), _not_compared),
    "flush": Step(lambda _: SyncProfiles(), lambda state, _: (state, "shut"), _not_flushed),
    "shut": Step(_end_journal, _ended, _not_shut),
}
