"""When certificates are renewed: a pure function of what there is, what is trusted, and the time.

The guarantee: **every certificate that may be served is trusted by every bundle that may be in use**, as long as what
is written is taken up, by servers and by callers, within the overlap.

1. A CA is made when the newest one is older than `ca_rotate`. Its certificate goes into the bundle, nothing else.
2. When every webhook configuration was seen to carry it, that moment is noted: it is trusted since then.
3. `ca_overlap` later, when no old bundle can be in use any more, a leaf of it is made: it is used since then.
4. The longer overlap later, when no leaf of an older CA can be served any more, older CAs leave the bundle.

A leaf is renewed when it is older than `cert_rotate` and is valid for `cert_overlap` longer. A CA is valid for three
overlaps longer than it is used: one each for steps 3 and 4, one for whatever is late. A new CA is not begun before
the last one has come through, so more than two CAs are never needed. Where there is no leaf that can be served, there
is nothing to lose, and one is made as soon as its CA is trusted.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, NamedTuple

__all__ = ["Authority", "Durations", "Leaf", "Plan", "Ring", "Step", "plan"]

BACKDATE: Final = timedelta(minutes=10)
"""Certificates are valid from a little before they are made: clocks differ."""
LONG: Final = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Durations:
    """How long what is used.

    :raises ValueError: if one of them is not positive.
    """

    ca_rotate: timedelta = timedelta(hours=8760)
    ca_overlap: timedelta = timedelta(hours=24)
    cert_rotate: timedelta = timedelta(hours=4380)
    cert_overlap: timedelta = timedelta(hours=24)

    def __post_init__(self) -> None:
        if min(self.ca_rotate, self.ca_overlap, self.cert_rotate, self.cert_overlap) <= timedelta(0):
            raise ValueError("the durations of certificates must be positive")

    @property
    def overlap(self) -> timedelta:
        """The longer of the two."""
        return max(self.ca_overlap, self.cert_overlap)

    @property
    def ca_validity(self) -> timedelta:
        """From making a CA to its end."""
        return max(self.ca_rotate, 2 * self.overlap) + 3 * self.overlap

    @property
    def leaf_validity(self) -> timedelta:
        """From making a leaf to its end, if its CA lives as long."""
        return self.cert_rotate + self.cert_overlap


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA in the bundle."""

    id: str
    made: datetime
    expires: datetime
    can_sign: bool = True
    """Its key is there."""
    trusted_since: datetime | None = None
    used_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Leaf:
    """The certificate that is served."""

    authority: str
    made: datetime
    expires: datetime


@dataclass(frozen=True, slots=True)
class Ring:
    """All there is, authorities from the oldest to the newest. No leaf: none that could be served."""

    authorities: tuple[Authority, ...] = ()
    leaf: Leaf | None = None


class Step(Enum):
    """What is to be done."""

    MAKE_AUTHORITY = "make a CA"
    NOTE_TRUST = "note that the newest CA is trusted"
    MAKE_LEAF = "make a leaf"
    DROP_AUTHORITY = "drop a CA"


class Plan(NamedTuple):
    """The next step, with the CA that it concerns; without one: when to look again."""

    step: Step | None
    authority: str = ""
    look_at: datetime | None = None


def plan(ring: Ring, now: datetime, durations: Durations, *, injected: bool) -> Plan:
    """What is to be done now. `injected`: every configuration carries all authorities of the ring."""
    newest = ring.authorities[-1] if ring.authorities else None
    if newest is None or not newest.can_sign or now >= newest.expires:
        return Plan(Step.MAKE_AUTHORITY)
    if newest.trusted_since is None:
        if injected:
            return Plan(Step.NOTE_TRUST, newest.id)
        return (
            _leaf(ring, now, durations)
            or _drop(ring, now, durations)
            or Plan(None, look_at=_wake(ring, now, durations))
        )
    found = _leaf(ring, now, durations) or _drop(ring, now, durations)
    if found is not None:
        return found
    came_through = len(ring.authorities) == 1 and newest.used_since is not None
    if came_through and now >= _end_of_authority(newest, durations):
        return Plan(Step.MAKE_AUTHORITY)
    return Plan(None, look_at=_wake(ring, now, durations))


def _leaf(ring: Ring, now: datetime, durations: Durations) -> Plan | None:
    """A leaf, if one is due and there is a CA that may sign it."""
    known = {each.id for each in ring.authorities if now < each.expires}
    servable = ring.leaf is not None and ring.leaf.authority in known and now < ring.leaf.expires
    signer = _signer(ring, now, durations, at_once=not servable)
    if signer is None:
        return None
    if ring.leaf is None or not servable or ring.leaf.authority != signer.id:
        return Plan(Step.MAKE_LEAF, signer.id)
    if now >= _end_of_leaf(ring.leaf, signer, durations):
        return Plan(Step.MAKE_LEAF, signer.id)
    return None


def _signer(ring: Ring, now: datetime, durations: Durations, *, at_once: bool) -> Authority | None:
    """The newest CA that every bundle in use has, or that signed before; `at_once`: that the newest bundle has."""
    wait = timedelta(0) if at_once else durations.ca_overlap
    for each in reversed(ring.authorities):
        if not each.can_sign or now >= each.expires or each.trusted_since is None:
            continue
        # One whose leaf is served already may sign the next: with short durations that is due within the overlap.
        if each.used_since is not None or now >= each.trusted_since + wait:
            return each
    return None


def _drop(ring: Ring, now: datetime, durations: Durations) -> Plan | None:
    """A CA that is over, or older than the one whose leaves are the only ones that can be served."""
    for each in ring.authorities:
        if now >= each.expires:
            return Plan(Step.DROP_AUTHORITY, each.id)
    used = _used(ring)
    if used is not None and now >= _end_of_older(ring.authorities[used], durations) and used > 0:
        return Plan(Step.DROP_AUTHORITY, ring.authorities[0].id)
    return None


def _used(ring: Ring) -> int | None:
    """The place of the newest CA of which leaves were made."""
    places = [place for place, each in enumerate(ring.authorities) if each.used_since is not None]
    return places[-1] if places else None


def _end_of_older(authority: Authority, durations: Durations) -> datetime:
    assert authority.used_since is not None
    return authority.used_since + durations.overlap


def _end_of_authority(authority: Authority, durations: Durations) -> datetime:
    return min(authority.made + durations.ca_rotate, authority.expires - 3 * durations.overlap)


def _end_of_leaf(leaf: Leaf, signer: Authority, durations: Durations) -> datetime:
    """By its age; or before its end, if another one would live longer."""
    by_age = leaf.made + durations.cert_rotate
    return min(by_age, leaf.expires - durations.cert_overlap) if leaf.expires < signer.expires else by_age


def _wake(ring: Ring, now: datetime, durations: Durations) -> datetime:
    """The next moment at which something may be due."""
    moments = [each.expires for each in ring.authorities]
    for each in ring.authorities:
        moments.append(_end_of_authority(each, durations))
        if each.trusted_since is not None:
            moments.append(each.trusted_since + durations.ca_overlap)
        if each.used_since is not None:
            moments.append(_end_of_older(each, durations))
    if ring.leaf is not None:
        moments += [
            ring.leaf.expires,
            ring.leaf.made + durations.cert_rotate,
            ring.leaf.expires - durations.cert_overlap,
        ]
    return min((moment for moment in moments if moment > now), default=now + LONG)
