"""Keys that libnmstate skips without a word, in the few places where its reader is not strict. Pure.

Found by putting a key that nothing knows into every mapping of every state in libnmstate's own tests and manuals
(tests/domain/desired/test_unread_keys.py does so for the places below, so that a new libnmstate is noticed).
Elsewhere an unknown key is refused by libnmstate itself. What an interface in state `absent` has besides its name
is skipped, too: people turn `up` into `absent`, and leave the rest as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nmstate_k8s.domain.desired.paths import Path

__all__ = ["LENIENT", "unread_keys"]

_NAME = frozenset({"name"})
_QOS = frozenset({"from", "to"})
_8021X = frozenset(
    {
        "ca-cert",
        "client-cert",
        "eap-methods",
        "identity",
        "password",
        "phase2-auth",
        "private-key",
        "private-key-password",
    }
)

LENIENT: tuple[tuple[tuple[str, ...], frozenset[str]], ...] = (
    (("interfaces", "*", "802.1x"), _8021X),
    (("interfaces", "*", "dispatch"), frozenset({"post-activation", "post-deactivation"})),
    (("interfaces", "*", "veth"), frozenset({"peer"})),
    (("interfaces", "*", "vlan", "ingress-qos-map", "*"), _QOS),
    (("interfaces", "*", "vlan", "egress-qos-map", "*"), _QOS),
    (("interfaces", "*", "link-aggregation", "ports-config", "*"), frozenset({"name", "priority", "queue-id"})),
    (("interfaces", "*", "bridge", "port", "*", "link-aggregation", "port", "*"), _NAME),
    (("interfaces", "*", "bridge", "port", "*", "vlan", "trunk-tags", "*"), frozenset({"id", "id-range"})),
    (("ovn", "bridge-mappings", "*"), frozenset({"bridge", "localnet", "state"})),
)
"""Where, `*` being any entry of a list, and the keys that are read there."""


def unread_keys(desired: Any) -> Iterator[tuple[Path, frozenset[str]]]:
    """The path of each key that is skipped, and the keys that would be read in its place."""
    for path, mapping, known in _found(desired, _TREE, ()):
        yield from (((*path, key), known) for key in mapping if key not in known)


class _Branch(dict[str, "_Branch"]):
    """All places at once: most interfaces have none of them."""

    known: frozenset[str] | None = None


def _tree() -> _Branch:
    root = _Branch()
    for where, known in LENIENT:
        branch = root
        for step in where:
            branch = branch.setdefault(step, _Branch())
        branch.known = known
    return root


_TREE = _tree()


def _found(value: Any, branch: _Branch, path: Path) -> Iterator[tuple[Path, Mapping[str, Any], frozenset[str]]]:
    if isinstance(value, Mapping):
        if branch.known is not None:
            yield path, value, branch.known
        for step in branch.keys() & value.keys():
            yield from _found(value[step], branch[step], (*path, step))
    elif isinstance(value, list) and "*" in branch:
        for position, entry in enumerate(value):
            if not (len(path) == 1 and isinstance(entry, Mapping) and entry.get("state") == "absent"):
                yield from _found(entry, branch["*"], (*path, position))
