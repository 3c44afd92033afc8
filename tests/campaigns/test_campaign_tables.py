"""What the campaigns try: libnmstate can read all of it, and a walk meets every pair."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from e2e.campaigns.kinds import KINDS, Kind
from e2e.campaigns.moves import MOVES
from e2e.campaigns.states import MADE, STATES
from e2e.campaigns.uplink import Uplink
from e2e.campaigns.walk import every_pair

libnmstate = pytest.importorskip("libnmstate", reason="hack/wheel --install .venv/bin/python")

UPLINK = Uplink("10.11.0.12", 24, "10.11.0.1", "52:54:00:11:00:02")
_AUTO = {"enabled": True, "dhcp": True, "auto-dns": True, "auto-gateway": True, "auto-routes": True}
CURRENT: dict[str, Any] = {
    "interfaces": [
        {
            "name": f"eth{number}",
            "type": "ethernet",
            "state": "up",
            "mtu": 1500,
            "mac-address": f"52:54:00:11:0{number}:02",
            "ipv4": {**_AUTO, "address": [{"ip": UPLINK.address, "prefix-length": 24}]} if number == 0 else {},
            "ipv6": {**_AUTO, "autoconf": True} if number == 0 else {},
        }
        for number in range(3)
    ],
}


def valid(desired: Any) -> None:
    libnmstate.raw.validate(msgspec.json.encode(desired), msgspec.json.encode(CURRENT))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind_that_cuts_off_is_no_mistake_in_libnmstates_eyes(kind: Kind) -> None:
    """It is carried out, and only then found out: a refused policy would try nothing."""
    valid(kind.desired(UPLINK))


@pytest.mark.parametrize("name", STATES)
def test_a_state_is_valid_and_names_all_that_any_of_them_makes(name: str) -> None:
    """Else something of another state could stay beside it."""
    valid(STATES[name])
    assert {"eth1", "eth2", *MADE} <= {interface["name"] for interface in STATES[name]["interfaces"]}


@pytest.mark.parametrize("name", MOVES)
def test_a_move_is_valid(name: str) -> None:
    """The uplink goes under something else."""
    valid(MOVES[name](UPLINK))


def test_there_are_at_least_thirty_kinds_and_fifteen_states() -> None:
    """Each under a name of its own."""
    assert len({kind.name for kind in KINDS}) == len(KINDS) >= 30
    assert len(STATES) >= 15


@pytest.mark.parametrize("count", [2, 3, 15])
@pytest.mark.parametrize("seed", range(5))
def test_a_walk_goes_from_each_state_to_each_other_once(count: int, seed: int) -> None:
    """No pair is left out, none is met twice."""
    names = [str(number) for number in range(count)]
    met = Counter(pairwise(every_pair(names, seed=seed)))
    assert set(met.values()) == {1}
    assert set(met) == {(a, b) for a in names for b in names if a != b}
