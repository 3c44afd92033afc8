"""Words for people: what was probably meant, what there is instead, and how much of it to show. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

__all__ = ["did_you_mean", "quoted", "some", "there"]

MAX_NAMES = 6
MAX_VALUE = 40
MAX_WORD = 64
"""Characters: a longer word is no misspelt one, and likeness is costly."""
MAX_WORDS = 500

_OTHER_WORDS: Mapping[str, tuple[str, ...]] = {
    "slaves": ("port",),
    "ports": ("port",),
    "addresses": ("address",),
    "ip-address": ("ip", "address"),
    "gateway": ("next-hop-address",),
    "via": ("next-hop-address",),
    "dev": ("next-hop-interface",),
    "dest": ("destination",),
    "netmask": ("prefix-length",),
    "nameserver": ("server",),
    "nameservers": ("server",),
    "dns": ("dns-resolver",),
    "bridge": ("linux-bridge",),
    "macvlan": ("mac-vlan",),
    "macvtap": ("mac-vtap",),
    "team": ("bond",),
    "eth": ("ethernet",),
    "ovs": ("ovs-bridge",),
    "mac": ("mac-address",),
}
"""What people call things that nmstate calls otherwise: no likeness of letters finds these."""


def did_you_mean(found: str, known: Iterable[str]) -> str:
    """` (did you mean "mtu"?)` where one of the known words is close enough, else nothing."""
    words = [word for word in dict.fromkeys(known) if len(word) <= MAX_WORD][:MAX_WORDS]
    if len(found) > MAX_WORD:
        return ""
    for word in _OTHER_WORDS.get(found, ()):
        if word in words:
            return f' (did you mean "{word}"?)'
    close = get_close_matches(found, words, n=1, cutoff=0.7)
    return f' (did you mean "{close[0]}"?)' if close else ""


def some(names: list[str], limit: int = MAX_NAMES) -> str:
    """The first of them, and how many more there are."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")


def there(name: str, names: list[str]) -> str:
    """` (there are eth0, eth1)`: what exists instead; of many, those that are like the name."""
    if not names:
        return " (there is none)"
    close = get_close_matches(name, names, n=MAX_NAMES, cutoff=0.4)
    if len(names) > MAX_NAMES and close:
        return f" (there are {', '.join(sorted(close))} and {len(names) - len(close)} more)"
    return f" (there {'is' if len(names) == 1 else 'are'} {some(names)})"


def quoted(value: Any) -> str:
    """A value as the policy has it, not longer than a few words."""
    if value is None:
        return "empty"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"
