"""The table of what is tried: a policy, a moment, a strike, and how the node may look afterwards.

The rule behind `by_itself`: up to and with the point before the journal is closed the node is to be as it was;
after it, as desired. Only where the moment is a random one may it be either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from e2e.faults.points import HOLDS, WAY_BACK
from e2e.faults.policies import POLICIES, Policy
from e2e.faults.strikes import STRIKES, Strike

__all__ = ["CASES", "Case", "named"]

CLOSING = ("before-sync", "before-close")
"""Committed: a handler that dies here leaves behind what is good, a power cut what may not be on the disk."""
OLD, NEW, EITHER = frozenset({"old"}), frozenset({"new"}), frozenset({"old", "new"})


@dataclass(frozen=True)
class Case:
    group: str
    policy: Policy
    strike: Strike
    point: str = ""
    """The transaction is held here; empty: it is not held (`after`), or the strike comes before the policy."""
    during: tuple[float, float] = (0.0, 0.0)
    """Then it goes on, and the strike comes this many seconds later, at random."""
    after: tuple[float, float] | None = None
    """The strike comes so many seconds after the policy has ended on this node, at random."""
    by_itself: frozenset[str] = EITHER
    """How the node may look by itself: after a boot, or left alone, before any handler runs."""
    without: str = ""
    """What is switched off: then the node must not come back whole. See `controls`."""
    slow: bool = False

    @property
    def name(self) -> str:
        moment = self.point or ("after" if self.after else "from-the-start")
        return "/".join(filter(None, (self.group, self.policy.name, moment + ("+" if self.during[1] else ""))))

    @property
    def tells(self) -> str:
        """What the enactment has to say afterwards."""
        open_journal = self.point in (*HOLDS[1 : HOLDS.index("before-sync")], *WAY_BACK)
        kept_anyway = not self.strike.cuts and self.point in CLOSING
        return self.strike.tells if (open_journal or self.point in CLOSING) and not kept_anyway else ""

    @property
    def needs(self) -> frozenset[str]:
        return self.policy.needs


def _policies(*names: str) -> Iterator[Policy]:
    return (POLICIES[name] for name in names)


def _kills() -> Iterator[Case]:
    strike = STRIKES["kill-handler"]
    for policy in _policies("bond", "mute-bridge"):
        for point in HOLDS if not policy.cuts_off else HOLDS[: HOLDS.index("before-check")]:
            yield Case("kill", policy, strike, point)
    for point in WAY_BACK:
        yield Case("kill", POLICIES["mute-bridge"], strike, point)


def _networkmanager() -> Iterator[Case]:
    for policy in _policies("bond", "mute-bridge", "hole"):
        for point in ("before-probe", "before-check", "before-commit"):
            if not (policy.cuts_off and point != "before-probe"):
                yield Case("nm-kill", policy, STRIKES["kill-networkmanager"], point)
                yield Case("nm-stop", policy, STRIKES["stop-networkmanager"], point)
        yield Case("nm-hang", policy, STRIKES["hang-networkmanager"], "before-probe")
        yield Case("nm-and-handler-kill", policy, STRIKES["kill-both"], "before-probe")
        yield Case("nm-kill", policy, STRIKES["kill-networkmanager"], "before-apply", during=(0.05, 3.0))


def _left_alone() -> Iterator[Case]:
    for policy in _policies("bond", "mute-bridge", "pit"):
        yield Case("left-alone", policy, STRIKES["kill-both-for-long"], "before-probe", by_itself=OLD)


def _cuts() -> Iterator[Case]:
    strike = STRIKES["cut"]
    for policy in _policies("bond", "mute-bridge"):
        for point in HOLDS if not policy.cuts_off else HOLDS[: HOLDS.index("before-check")]:
            yield Case("cut", policy, strike, point, by_itself=OLD)
    for point in WAY_BACK:
        yield Case("cut", POLICIES["mute-bridge"], strike, point, by_itself=OLD)
    for policy in _policies(
        "dummy", "hostname", "dns", "alt-name", "dispatch", "ovs",
        "mute", "hole", "wrong-address", "mute-bond", "mute-and-more", "mute-and-dispatch", "mute-and-ovs",
    ):  # fmt: skip
        yield Case("cut", policy, strike, "before-probe", by_itself=OLD)
    for policy in _policies("bond", "dummy", "wrong-address", "mute-bridge"):
        by_itself = OLD if policy.cuts_off else EITHER
        yield Case("cut", policy, strike, "before-apply", during=(0.0, 4.0), by_itself=by_itself)
    for policy in _policies("bond", "dummy", "mute-bridge"):
        yield Case("cut", policy, strike, after=(0.0, 40.0), by_itself=OLD if policy.cuts_off else NEW, slow=True)
        yield Case("cut-at-once", policy, strike, after=(0.0, 0.0), by_itself=OLD if policy.cuts_off else NEW)


def _others() -> Iterator[Case]:
    for policy in _policies("bond", "mute-bridge"):
        at = "before-commit" if not policy.cuts_off else "before-probe"
        yield Case("sigstop", policy, STRIKES["stop-handler-past-timeout"], at)
        # The kubelet of a node that is cut off hears of no deletion, but may itself want to end a pod.
        ends, forced = ("terminate", "-unheard") if policy.cuts_off else ("delete-pod", "")
        yield Case("sigterm", policy, STRIKES[ends], "before-probe")
        yield Case("force-delete", policy, STRIKES["force-delete-pod" + forced], "before-probe")
        yield Case("oom", policy, STRIKES["out-of-memory"], "before-apply", during=(0.1, 2.0))
        yield Case("clock-forward", policy, STRIKES["clock-forward"], "before-probe")
        yield Case("clock-back", policy, STRIKES["clock-back"], "before-probe")
    for strike in (STRIKES["disk-full"], STRIKES["disk-read-only"]):
        yield Case(strike.name, POLICIES["bond"], strike)
    yield Case("disk-full", POLICIES["bond"], STRIKES["disk-full"], "before-apply")
    for name in ("kill-handler", "kill-both"):
        yield Case(name, POLICIES["mute-and-more"], STRIKES[name], "before-probe")


def _controls() -> Iterator[Case]:
    """The same strikes with a safeguard off: what the other cases prove must not be provable here."""
    cut = STRIKES["cut"]
    yield Case("without-parachute", POLICIES["mute-bridge"], cut, "before-probe", by_itself=OLD, without="parachute")
    yield Case("without-parachute", POLICIES["bond"], cut, "before-probe", by_itself=OLD, without="parachute")
    yield Case("without-sync", POLICIES["bond"], cut, after=(0.0, 0.0), by_itself=NEW, without="sync")


CASES: tuple[Case, ...] = (*_kills(), *_networkmanager(), *_left_alone(), *_cuts(), *_others(), *_controls())


def named(name: str) -> Case:
    """The case of exactly this name."""
    (found,) = (case for case in CASES if case.name == name)
    return found
