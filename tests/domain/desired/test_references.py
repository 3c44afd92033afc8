"""References to captures: filled in, all else untouched, and wrong ones told with their place."""

from __future__ import annotations

from typing import Any

import pytest

from nmstate_k8s.domain.desired.errors import DesiredStateError
from nmstate_k8s.domain.desired.references import filled, has_references

CAPTURED: dict[str, Any] = {
    "base": {
        "interfaces": [
            {"name": "eth0", "mtu": 1500, "ipv4": {"address": [{"ip": "192.0.2.2"}]}, "up": True},
            {"name": "eth1", "mtu": 9000},
        ]
    },
    "none": {"interfaces": []},
}


def one(text: str) -> Any:
    return filled({"interfaces": [{"name": "br1", "x": text}]}, CAPTURED)["interfaces"][0]["x"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ capture.base.interfaces.0.name }}", "eth0"),
        ("{{capture.base.interfaces.0.mtu}}", 1500),
        ("{{ capture.base.interfaces.0.ipv4 }}", {"address": [{"ip": "192.0.2.2"}]}),
        ("{{ capture.base.interfaces.0.ipv4.address.0.ip }}/24", "192.0.2.2/24"),
        ("{{ capture.base.interfaces.0.name }}.{{ capture.base.interfaces.1.mtu }}", "eth0.9000"),
        ("vlan-{{ capture.base.interfaces.0.up }}", "vlan-true"),
        ("{{ capture.base.interfaces.name }}", ["eth0", "eth1"]),
        ("{{ capture.none.interfaces }}", []),
        ("${x} and {json: 1}", "${x} and {json: 1}"),
        ("{{ of another tool", "{{ of another tool"),
        ("plain", "plain"),
    ],
)
def test_a_text_becomes_what_it_refers_to(text: str, value: Any) -> None:
    """A reference alone is the value itself, others are put into the text; braces of scripts are left alone."""
    assert one(text) == value


def test_all_else_is_the_users_own() -> None:
    """Numbers, lists, keys that nobody knows: unchanged, in their order, and the argument too."""
    desired = {"b": 1, "a": [None, True, {"x": "{{ capture.base.interfaces.0.name }}"}]}
    assert filled(desired, CAPTURED) == {"b": 1, "a": [None, True, {"x": "eth0"}]}
    assert list(filled(desired, CAPTURED)) == ["b", "a"]
    assert desired["a"][2] == {"x": "{{ capture.base.interfaces.0.name }}"}  # type: ignore[index]


def test_whether_there_are_any() -> None:
    """Most policies have none, and stay as they are without being walked through again."""
    assert has_references({"a": ["{{ capture.x.y }}"]})
    assert not has_references({"a": ["${x}", 1, None]})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ capture.bas.interfaces }}", 'there is no capture "bas" (did you mean "base"?)'),
        ("{{ capture.base.interfaces.2.name }}", "capture.base.interfaces has 2 entries, none at 2"),
        ("{{ capture.none.interfaces.0.name }}", "has no entries, none at 0"),
        ("{{ capture.base.interfaces.0.nam }}", 'has no "nam" (did you mean "name"?)'),
        ("{{ capture.base.interfaces.0.name.x }}", 'is "eth0", which has no "x"'),
        ("{{ capture.base.interfaces.nam }}", 'no entry of capture.base.interfaces has "nam" (did you mean "name"?)'),
        ("{{ base.interfaces.0.name }}", "is no reference (write capture.NAME.interfaces.0.name)"),
        ("{{ capture.base }}", "has no path"),
        ("{{ capture..name }}", "is no reference"),
        ("{{ capture.base.interfaces.0.name", '"}}" is missing'),
        ("{{ capture.base.interfaces.0.name }} {{", '"}}" is missing'),
        ("capture." + "{{" * 100_000, '"}}" is missing'),
        ("{{ capture.base.interfaces.² }}", 'has "²"'),
        ("{{ capture.base.interfaces." + "9" * 5_000 + " }}", 'no entry of capture.base.interfaces has "999'),
        ("x-{{ capture.base.interfaces.0.ipv4 }}", "is a mapping, which cannot stand inside a text"),
    ],
)
def test_a_wrong_reference_is_told_with_its_place(text: str, words: str) -> None:
    """Where in the policy, what is there instead."""
    with pytest.raises(DesiredStateError) as caught:
        one(text)
    assert caught.value.message.startswith("interfaces[br1].x: ")
    assert words in caught.value.message
    assert caught.value.interface == "br1"


def test_references_that_stand_for_too_much_are_refused_at_the_first_that_does() -> None:
    """Thousands of them, each of which stands for a large part of a state, never exist at once."""
    captured = {"all": {"interfaces": [{"name": "x" * 1_000}] * 100}}
    desired = {"interfaces": ["{{ capture.all.interfaces }}"] * 8_000}
    with pytest.raises(DesiredStateError, match="the references stand for more than 256 KiB") as caught:
        filled(desired, captured)
    assert caught.value.path == ("desiredState", "interfaces", 2)
    assert len(filled({"interfaces": desired["interfaces"][:2]}, captured)["interfaces"]) == 2
