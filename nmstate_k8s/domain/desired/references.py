"""References to captures in a desired state: `"{{ capture.NAME.path }}"` becomes what the capture found. Pure.

- A text that is nothing but one reference becomes the value itself, whatever it is; inside a text it must be a
  text, a number or a truth value. Several in one text are fine.
- A path goes through keys and positions: `interfaces.0.name`. A key after a list asks each entry.
- All else stays as the user wrote it. The enactment shows the result.

libnmstate can fill in references, too, but with one a text, no braces in any other text (a script's `${x}`), and
without saying where in the policy a wrong one is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from nmstate_k8s.domain.desired.errors import DesiredStateError
from nmstate_k8s.domain.desired.limits import MAX_STATE_BYTES
from nmstate_k8s.domain.desired.paths import DESIRED, Path, interface_at, path_text
from nmstate_k8s.domain.desired.suggest import did_you_mean, quoted, some

__all__ = ["filled", "has_references", "is_reference", "refuse_wrong_references"]

_REFERENCE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_POSITION = re.compile(r"[0-9]{1,9}")
KIND = "CaptureReferenceError"


def has_references(state: Any) -> bool:
    """Whether any text of the state has the braces of a reference."""
    if isinstance(state, Mapping):
        return any(has_references(value) for value in state.values())
    if isinstance(state, list):
        return any(has_references(entry) for entry in state)
    return isinstance(state, str) and _looks_like_reference(state)


def filled(desired: Any, captured: Mapping[str, Any]) -> Any:
    """The state with its references replaced; the argument stays as it is.

    :raises DesiredStateError: for a reference to what is not there, with its place in the policy; and where what the
        references stand for is larger than a state may be.
    """
    return _Filling(desired, captured).value(desired, ())


def refuse_wrong_references(desired: Any, names: Collection[str]) -> None:
    """Raise for what no node can fill in: a reference that is none, or one to a capture that is not among `names`.

    :raises DesiredStateError: with its place in the policy.
    """
    _Reading(desired, dict.fromkeys(names)).value(desired, ())


def is_reference(text: Any) -> bool:
    """Whether this is a text that has the braces of a reference."""
    return isinstance(text, str) and _looks_like_reference(text)


class _Filling:
    def __init__(self, desired: Any, captured: Mapping[str, Any]) -> None:
        self._desired = desired
        self._captured = captured
        self._filled_bytes = 0

    def value(self, value: Any, path: Path) -> Any:
        if isinstance(value, Mapping):
            return {key: self.value(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.value(inner, (*path, position)) for position, inner in enumerate(value)]
        return self._text(value, path) if isinstance(value, str) else value

    def _text(self, text: str, path: Path) -> Any:
        if not _looks_like_reference(text):
            return text
        whole = _REFERENCE.fullmatch(text.strip())
        if whole and "{{" not in whole.group(1):
            return self._found(whole.group(1), path)
        # Before it is searched: of braces that do not end, each would be looked for to the end of the text.
        if not all("}}" in rest for rest in text.split("{{")[1:]):
            raise self._wrong(path, f'the reference in {quoted(text)} does not end: "}}}}" is missing')
        return _REFERENCE.sub(lambda match: self._inside(match.group(1), path), text)

    def _inside(self, reference: str, path: Path) -> str:
        found = self._found(reference, path)
        if isinstance(found, Mapping | list) or found is None:
            kind = "a mapping" if isinstance(found, Mapping) else "a list" if found is not None else "empty"
            raise self._wrong(path, f"{reference.strip()} is {kind}, which cannot stand inside a text")
        return str(found).lower() if isinstance(found, bool) else str(found)

    def _found(self, reference: str, path: Path) -> Any:
        name, steps = self._read(reference, path)
        found = self._walk(self._captured[name], steps, f"capture.{name}", path)
        self._filled_bytes += len(msgspec.json.encode(found))
        if self._filled_bytes > MAX_STATE_BYTES:  # at once: thousands of references may each stand for as much
            most = MAX_STATE_BYTES // 1024
            raise DesiredStateError("TooLarge", f"the references stand for more than {most} KiB", path=(DESIRED, *path))
        return found

    def _read(self, reference: str, path: Path) -> tuple[str, list[str]]:
        """The name of the capture, and the way in what it found."""
        reference = reference.strip()
        first, *steps = reference.split(".")
        if first != "capture" or not steps or not all(steps):
            raise self._wrong(path, f'"{reference}" is no reference (write capture.NAME.interfaces.0.name)')
        name, *steps = steps
        if name not in self._captured:
            there = some(sorted(self._captured)) if self._captured else "none"
            hint = did_you_mean(name, self._captured) or f" (the policy has {there})"
            raise self._wrong(path, f'there is no capture "{name}"{hint}')
        if not steps:
            raise self._wrong(path, f"{reference} has no path (write {reference}.interfaces.0.name)")
        return name, steps

    def _walk(self, value: Any, steps: list[str], so_far: str, path: Path) -> Any:
        for number, step in enumerate(steps):
            if isinstance(value, list):
                if not _POSITION.fullmatch(step):
                    return self._each(value, steps[number:], so_far, path)
                if int(step) >= len(value):
                    raise self._wrong(path, f"{so_far} has {_count(value)}, none at {step}")
                value = value[int(step)]
            elif isinstance(value, Mapping):
                if step not in value:
                    hint = did_you_mean(step, value) or (f" (only {some(list(value))})" if value else "")
                    raise self._wrong(path, f'{so_far} has no "{step}"{hint}')
                value = value[step]
            else:
                raise self._wrong(path, f'{so_far} is {quoted(value)}, which has no "{step}"')
            so_far += f".{step}"
        return value

    def _each(self, entries: list[Any], steps: list[str], so_far: str, path: Path) -> list[Any]:
        """The value in each entry that has it: `interfaces.name` is the list of all names."""
        having = [entry for entry in entries if isinstance(entry, Mapping) and steps[0] in entry]
        if entries and not having:
            keys = dict.fromkeys(key for entry in entries if isinstance(entry, Mapping) for key in entry)
            raise self._wrong(path, f'no entry of {so_far} has "{steps[0]}"{did_you_mean(steps[0], keys)}')
        return [self._walk(entry, steps, f"{so_far}[…]", path) for entry in having]

    def _wrong(self, path: Path, what: str) -> DesiredStateError:
        where = path_text(self._desired, path)
        cause = f"{where}: {what}" if where else what
        return DesiredStateError(KIND, cause, interface=interface_at(self._desired, path), path=(DESIRED, *path))


class _Reading(_Filling):
    """Reads the references, without anything to fill in."""

    def _inside(self, reference: str, path: Path) -> str:
        self._read(reference, path)
        return ""

    def _found(self, reference: str, path: Path) -> Any:
        self._read(reference, path)


def _looks_like_reference(text: str) -> bool:
    """Not every brace is one: `${x}` or a JSON text in a description is the user's own."""
    return "{{" in text and ("}}" in text or "capture." in text)


def _count(entries: list[Any]) -> str:
    return "no entries" if not entries else "1 entry" if len(entries) == 1 else f"{len(entries)} entries"
