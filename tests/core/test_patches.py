"""The smallest patch from one state to the next, checked against another implementation of RFC 6902."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch
import msgspec
from hypothesis import given
from hypothesis import strategies as st

from nmstate_k8s.core.patches import operations

KEYS = st.sampled_from(["name", "mtu", "a/b", "c~d", "ipv4"])
STATES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["up", "down"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(STATES, STATES)
def test_applied_to_the_old_state_it_gives_the_new_one(old: Any, new: Any) -> None:
    """Always, for any two states; and equal states need nothing."""
    document = {"state": copy.deepcopy(old)}
    patched = jsonpatch.apply_patch(document, operations(old, new, "/state"))
    assert msgspec.json.encode(patched["state"], order="sorted") == msgspec.json.encode(new, order="sorted")
    assert operations(new, new) == []


@given(STATES, STATES)
def test_it_is_never_longer_than_the_whole(old: Any, new: Any) -> None:
    """Replacing is always possible."""
    whole = [{"op": "replace", "path": "/state", "value": new}]
    assert len(msgspec.json.encode(operations(old, new, "/state"))) <= len(msgspec.json.encode(whole))


def test_one_changed_value_is_one_operation() -> None:
    """On a node with many interfaces a changed MTU does not send all of them."""
    old = {"interfaces": [{"name": f"eth{index}", "mtu": 1500, "state": "up"} for index in range(100)]}
    new = copy.deepcopy(old)
    new["interfaces"][42]["mtu"] = 9000
    assert operations(old, new, "/status/currentState") == [
        {"op": "replace", "path": "/status/currentState/interfaces/42/mtu", "value": 9000}
    ]
