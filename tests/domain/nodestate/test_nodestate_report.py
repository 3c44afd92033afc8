"""A report in pieces is the same report: compared, kept and patched."""

from __future__ import annotations

import copy
import tracemalloc
from typing import Any

import jsonpatch
import msgspec
from hypothesis import given
from hypothesis import strategies as st

from nmstate_k8s.domain.nodestate.filter import filtered
from nmstate_k8s.domain.nodestate.report import Report, reported, shown

NAMES = st.sampled_from(["eth0", "eth1", "br0", "veth1", "veth2", "a/b"])
INTERFACES = st.fixed_dictionaries(
    {"name": NAMES, "type": st.sampled_from(["ethernet", "veth", "linux-bridge"])},
    optional={
        "state": st.sampled_from(["up", "ignore"]),
        "mtu": st.integers(1, 3),
        "ipv4": st.fixed_dictionaries({"address": st.lists(st.fixed_dictionaries({"ip": NAMES}), max_size=2)}),
        "bridge": st.fixed_dictionaries({"port": st.lists(st.fixed_dictionaries({"name": NAMES}), max_size=3)}),
    },
)
ROUTES = st.lists(
    st.fixed_dictionaries({"destination": NAMES, "next-hop-interface": NAMES, "metric": st.integers(1, 2)}), max_size=3
)
STATES = st.fixed_dictionaries(
    {"interfaces": st.lists(INTERFACES, max_size=5)},
    optional={"routes": st.fixed_dictionaries({"running": ROUTES}), "hostname": st.sampled_from(["a", "b"])},
)


def encoded(state: Any) -> bytes:
    return msgspec.json.encode(state, order="sorted")


def many(count: int) -> dict[str, Any]:
    """A node with so many interfaces, as libnmstate describes each."""
    features = {f"tx-feature-{index}": True for index in range(30)}
    return {
        "interfaces": [
            {
                "name": f"dummy{index:04}",
                "type": "dummy",
                "state": "up",
                "mtu": 1500,
                "ethtool": {"feature": features},
                "ipv4": {
                    "enabled": True,
                    "address": [{"ip": f"10.0.{index // 250}.{index % 250}", "prefix-length": 24}],
                },
            }
            for index in range(count)
        ],
        "routes": {"running": [], "config": []},
    }


def applied(old: Report, new: Report) -> Any:
    document = {"s": msgspec.json.decode(encoded(old.value))}
    changes = msgspec.json.encode(old.changes(new, "/s")).decode()
    return jsonpatch.apply_patch(document, changes)["s"]


@given(STATES)
def test_a_report_is_the_filtered_state(state: Any) -> None:
    """In pieces or as a whole, read from the host or from the server."""
    report = reported(encoded(state))
    assert encoded(report.value) == encoded(filtered(encoded(state)))
    assert shown(encoded(report.value)) == report


@given(STATES, STATES)
def test_the_patch_leads_from_one_report_to_the_next(old: Any, new: Any) -> None:
    """Whatever they are; equal ones need nothing."""
    first, second = reported(encoded(old)), reported(encoded(new))
    assert encoded(applied(first, second)) == encoded(second.value)
    assert first.changes(reported(encoded(old)), "/s") == []


def test_among_many_interfaces_one_that_comes_is_one_operation() -> None:
    """And one that goes, and one that changes."""
    state = many(200)
    before = reported(encoded(state))
    after = copy.deepcopy(state)
    del after["interfaces"][150]
    after["interfaces"].insert(20, {"name": "dummy0019a", "type": "dummy"})
    after["interfaces"][100]["mtu"] = 9000
    changes = before.changes(reported(encoded(after)), "/s")
    assert [(each["op"], each["path"]) for each in changes] == [
        ("remove", "/s/interfaces/150"),
        ("add", "/s/interfaces/20"),
        ("replace", "/s/interfaces/100/mtu"),
    ]


def test_a_thousand_interfaces_cost_little_more_than_their_bytes() -> None:
    """Looking at them, comparing and patching takes less than six times the state's size at any moment."""
    state = many(1000)
    data = encoded(state)
    state["interfaces"][500]["mtu"] = 9000
    changed = encoded(state)
    before = reported(data)
    tracemalloc.start()
    try:
        after = reported(changed)
        changes = msgspec.json.encode(before.changes(after, "/s"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(changes) < 200
    assert peak < 6 * len(data)
