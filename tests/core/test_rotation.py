"""The plan of certificates, over years of random but bounded lateness."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmstate_k8s.core.rotation import Authority, Durations, Leaf, Plan, Ring, Step, plan

START = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = st.integers(1, 2000).map(lambda hours: timedelta(hours=hours))


@dataclass
class World:
    """A ring, what was made of it, and how long each piece of it was the newest."""

    durations: Durations
    ring: Ring = field(default_factory=Ring)
    now: datetime = START
    made: int = 0
    bundles: list[tuple[datetime, frozenset[str]]] = field(default_factory=list)
    leaves: list[tuple[datetime, Leaf]] = field(default_factory=list)

    @property
    def bundle(self) -> frozenset[str]:
        """The newest one that callers have."""
        return self.bundles[-1][1] if self.bundles else frozenset()

    def inject(self) -> None:
        """Callers get the bundle."""
        ids = frozenset(each.id for each in self.ring.authorities)
        if ids != self.bundle:
            self.bundles.append((self.now, ids))

    def do(self, what: Plan) -> None:
        """A step, as the keyring does it."""
        authorities, leaf = self.ring.authorities, self.ring.leaf
        match what.step:
            case Step.MAKE_AUTHORITY:
                self.made += 1
                fresh = Authority(str(self.made), self.now, self.now + self.durations.ca_validity)
                authorities = (*authorities, fresh)
            case Step.NOTE_TRUST:
                authorities = self._with(what.authority, lambda each: replace(each, trusted_since=self.now))
            case Step.DROP_AUTHORITY:
                authorities = tuple(each for each in authorities if each.id != what.authority)
            case Step.MAKE_LEAF:
                used = lambda each: replace(each, used_since=each.used_since or self.now)  # noqa: E731
                authorities = self._with(what.authority, used)
                signer = next(each for each in authorities if each.id == what.authority)
                assert signer.can_sign
                leaf = Leaf(signer.id, self.now, min(self.now + self.durations.leaf_validity, signer.expires))
                self.leaves.append((self.now, leaf))
                older = authorities.index(signer)
                authorities = tuple(
                    replace(each, can_sign=each.can_sign and at >= older) for at, each in enumerate(authorities)
                )
        self.ring = Ring(authorities, leaf)

    def _with(self, name: str, change: Callable[[Authority], Authority]) -> tuple[Authority, ...]:
        return tuple(change(each) if each.id == name else each for each in self.ring.authorities)

    def settle(self, *, injected: bool) -> datetime:
        """All that is due now; when to look again."""
        for _ in range(20):
            found = plan(self.ring, self.now, self.durations, injected=injected)
            if found.step is None:
                assert found.look_at is not None
                assert found.look_at > self.now
                return found.look_at
            self.do(found)
            if injected:
                self.inject()
        raise AssertionError(f"the plan never ends: {self.ring}")

    def check(self, lag: timedelta) -> None:
        """Every leaf that may be served now is trusted by every bundle that may be in use now."""
        in_use = [
            ids
            for (_, ids), until in zip(self.bundles, [*(at for at, _ in self.bundles[1:]), None], strict=True)
            if until is None or self.now < until + lag
        ]
        served = [
            leaf
            for (_, leaf), until in zip(self.leaves, [*(at for at, _ in self.leaves[1:]), None], strict=True)
            if until is None or self.now < until + lag
        ]
        ends = {each.id: each.expires for each in self.ring.authorities}
        for leaf in served:
            assert self.now < leaf.expires, f"an expired leaf is served: {leaf}"
            assert self.now < ends.get(leaf.authority, leaf.expires), f"its CA has expired: {leaf}"
            assert all(leaf.authority in ids for ids in in_use), f"{leaf} is served, {in_use} are in use"
        assert len(self.ring.authorities) <= 2, "there are never more than two CAs"


@st.composite
def durations(draw: st.DrawFn) -> Durations:
    """Any that are positive."""
    return Durations(draw(HOURS), draw(HOURS), draw(HOURS), draw(HOURS))


@given(durations(), st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=20, max_size=60))
def test_what_is_served_is_trusted_at_all_times(durations: Durations, lateness: list[tuple[float, float]]) -> None:
    """If those who look and those who take up are late by no more than a third of the shorter overlap each."""
    world = World(durations)
    third = min(durations.ca_overlap, durations.cert_overlap) / 3
    look_at = world.settle(injected=True)
    world.inject()
    started = world.now + third  # callers of the first hour have no bundle yet
    for late, slow in lateness:
        world.now = look_at + third * late * 0.99
        if world.now >= started:
            world.check(third)
        world.settle(injected=False)  # the callers cannot be told yet
        world.now += third * slow * 0.99
        if world.now >= started:
            world.check(third)
        world.inject()
        look_at = world.settle(injected=True)
        if world.now >= started:
            world.check(third)
    assert world.made >= 1


def test_a_ca_is_replaced_with_overlap() -> None:
    """Made, trusted for an overlap before a leaf is of it, and the old one trusted for an overlap after."""
    hours = Durations(*(timedelta(hours=each) for each in (100, 10, 50, 5)))
    world = World(hours)
    seen: list[tuple[int, str]] = []
    while world.now < START + timedelta(hours=130):
        look_at = world.settle(injected=True)
        hour = round((world.now - START) / timedelta(hours=1))
        bundle = "+".join(each.id for each in world.ring.authorities)
        assert world.ring.leaf is not None
        entry = (hour, f"{bundle} leaf of {world.ring.leaf.authority} from {_hours(world.ring.leaf.made)}")
        if not seen or seen[-1][1] != entry[1]:
            seen.append(entry)
        world.now = look_at
    assert seen == [
        (0, "1 leaf of 1 from 0"),
        (50, "1 leaf of 1 from 50"),
        (100, "1+2 leaf of 1 from 100"),
        (110, "1+2 leaf of 2 from 110"),
        (120, "2 leaf of 2 from 110"),
    ]


def _hours(moment: datetime) -> int:
    return round((moment - START) / timedelta(hours=1))


def test_what_is_not_trusted_yet_does_not_sign() -> None:
    """As long as a caller could not be told of the first CA, there is no leaf."""
    world = World(Durations())
    world.settle(injected=False)
    assert world.ring.leaf is None
    assert len(world.ring.authorities) == 1
    world.settle(injected=True)
    assert world.ring.leaf is not None


def test_an_expired_ring_is_made_anew_at_once() -> None:
    """After a cluster was off for years; nothing can be lost any more."""
    world = World(Durations())
    world.settle(injected=True)
    world.now += timedelta(days=3650)
    world.settle(injected=True)
    assert world.ring.leaf is not None
    assert world.ring.leaf.authority == "2"
    assert [each.id for each in world.ring.authorities] == ["2"]


def test_durations_are_positive() -> None:
    """Zero would mean to rotate for ever."""
    with pytest.raises(ValueError, match="positive"):
        Durations(ca_rotate=timedelta(0))
