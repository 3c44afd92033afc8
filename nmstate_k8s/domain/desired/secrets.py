"""What must never be shown: passwords and keys in a desired state.

- `masked` is the same state with `<_password_hid_by_nmstate>` in their place, as libnmstate reports them.
- A `Redactor` takes them out of any text, once it has been told the state: errors quote what they do not like.
- A key counts as secret also where it is misspelt: libnmstate would skip `passwrd`, and the status would show it.

Which parts of a state are secret is libnmstate's word: passwords of 802.1x, the CAK of MACsec, the PSK of IPsec.
A policy itself shows its secrets to whoever may read it.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

__all__ = ["MASK", "Redactor", "is_secret", "masked"]

MASK = "<_password_hid_by_nmstate>"
MAX_KNOWN = 512
"""Secrets that a redactor remembers; the oldest are forgotten first."""
_SHORT = 4
"""Shorter ones are taken out only where they stand as a word: a password `1` must not eat every 1."""

_SECRET_KEYS = ("password", "private-key-password", "mka-cak", "psk")
_SECRET_PARTS = ("password", "passwd", "passphrase", "secret")
_NOT_SECRET = frozenset({"mka-ckn"})
"""One letter away from a secret key, but only the name of it."""
_PATH_OR_SECRET = frozenset({"private-key"})
"""A path as a rule; NetworkManager takes the key itself, too."""


def is_secret(key: str, value: Any = "") -> bool:
    """Whether what stands under this key must not be shown."""
    if key in _PATH_OR_SECRET:
        return not str(value).startswith(("/", "file:///"))
    return _secret_key(key)


@lru_cache(maxsize=1024)
def _secret_key(key: str) -> bool:
    """Likeness is costly, and a state has the same few keys thousands of times."""
    if key in _NOT_SECRET:
        return False
    lowered = key.lower().replace("_", "-")
    return any(part in lowered for part in _SECRET_PARTS) or bool(
        len(lowered) > 2 and get_close_matches(lowered, _SECRET_KEYS, n=1, cutoff=0.75)
    )


def masked(state: Any) -> Any:
    """The state with its secrets masked; the argument stays as it is."""
    if isinstance(state, Mapping):
        return {key: _masked_value(key, value) for key, value in state.items()}
    if isinstance(state, list):
        return [masked(entry) for entry in state]
    return state


class Redactor:
    """Knows the secrets of the states that it was told, and takes them out of texts."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, None] = OrderedDict()

    def learn(self, state: Any) -> None:
        """From now on the secrets of this state appear in no text that was given to `text`."""
        for secret in _secrets(state):
            for form in _forms(secret):
                self._known[form] = None
                self._known.move_to_end(form)
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def text(self, text: str) -> str:
        """The text without any secret. The longest are taken out first: one may contain another."""
        for secret in sorted(filter(text.__contains__, self._known), key=len, reverse=True):
            text = _without(text, secret)
        return text

    def log_processor(self, _logger: object, _method: str, event: Any) -> Any:
        """The same for all that structlog writes."""
        if not self._known:
            return event
        return {key: self.text(value) if isinstance(value, str) else self._any(value) for key, value in event.items()}

    def _any(self, value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value
        text = str(value)
        clean = self.text(text)
        return value if clean == text else clean


def _masked_value(key: str, value: Any) -> Any:
    if isinstance(value, Mapping | list):
        return masked(value) if not is_secret(key) else MASK
    return MASK if value not in (None, "") and not isinstance(value, bool) and is_secret(key, value) else value


def _secrets(state: Any) -> Iterator[str]:
    if isinstance(state, Mapping):
        for key, value in state.items():
            if not isinstance(value, Mapping | list):
                if _masked_value(key, value) == MASK != value:
                    yield str(value)
            elif is_secret(key):
                yield from _leaves(value)
            else:
                yield from _secrets(value)
    elif isinstance(state, list):
        for entry in state:
            yield from _secrets(entry)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif value not in (None, "") and not isinstance(value, bool):
        yield str(value)


def _forms(secret: str) -> set[str]:
    """The secret as it is, and as a quoting error message or JSON writes it."""
    return {
        secret,
        repr(secret)[1:-1],
        *(json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)),
    }


def _without(text: str, secret: str) -> str:
    if len(secret) >= _SHORT:
        return text.replace(secret, MASK)
    done, rest = "", text
    while (at := rest.find(secret)) >= 0:
        end = at + len(secret)
        before, after = (done + rest[:at])[-1:], rest[end : end + 1]
        alone = not (before.isalnum() or after.isalnum())
        done, rest = done + rest[:at] + (MASK if alone else rest[at:end]), rest[end:]
    return done + rest
