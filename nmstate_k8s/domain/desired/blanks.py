"""A desired state whose references are not filled in yet, as one that libnmstate can read all the same. Pure.

Only what a person wrote can be judged: what a capture will find may be anything. So a reference gives way to a text
where nothing but a text can stand, to any value of the right kind where a value must stand, and else it is left out,
with its key or with the list that it is in. What stands at a path in the result stands there in the policy, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nmstate_k8s.domain.desired.references import is_reference

__all__ = ["without_references"]

_TEXT = "reference"
_TEXTS = frozenset(
    {
        "base-iface",
        "bridge",
        "controller",
        "copy-mac-from",
        "description",
        "destination",
        "localnet",
        "name",
        "next-hop-address",
        "next-hop-interface",
        "peer",
        "profile-name",
    }
)
_NEEDED: Mapping[str, str] = {"ip": "192.0.2.1", "prefix-length": "24", "id": "1", "from": "1", "to": "1"}
"""Values without which the mapping that they belong to cannot be read."""


def without_references(state: Any) -> Any:
    """The state without references; the argument stays as it is."""
    if isinstance(state, Mapping):
        return {
            key: _value(key, value)
            for key, value in state.items()
            if not is_reference(value) or key in _TEXTS or key in _NEEDED
        }
    if isinstance(state, list):
        # What a list is of, its entry may be: a name, or a whole interface.
        return [] if any(map(is_reference, state)) else [without_references(entry) for entry in state]
    return state


def _value(key: str, value: Any) -> Any:
    if is_reference(value):
        return _TEXT if key in _TEXTS else _NEEDED[key]
    return without_references(value)
