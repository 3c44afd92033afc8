"""Captures: what a policy's expressions find in the state of this node.

libnmstate evaluates them. Here is what it needs to do so well, and what people need where it cannot:

- They may refer to one another in any order and depth. libnmstate gives up after ten steps, and orders by only one
  of the two references that an expression can have (before the pipe, and as a value). So they are handed over in
  the order of their references, and a second one that lies deeper is replaced by the value that it stands for.
- A reference to a capture that is not there, and captures that refer to one another in a circle, are named.
- What is wrong in an expression is told with the capture's name, the expression and where in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

import msgspec

from nmstate_k8s.domain.desired.errors import DesiredStateError
from nmstate_k8s.domain.desired.explain import MAX_EXPLAINED, known_keys
from nmstate_k8s.domain.desired.libnmstate import Libnmstate
from nmstate_k8s.domain.desired.references import filled
from nmstate_k8s.domain.desired.suggest import did_you_mean, some

__all__ = ["MAX_CAPTURED_BYTES", "refuse_wrong_captures", "resolved"]

MAX_CAPTURED_BYTES = 256 * 1024
"""Of all captures together: the enactment that shows them must fit into etcd."""
KIND = "CaptureError"
MAX_CIRCLE = 8
"""Names of a circle that are shown."""
_NOTHING = b"{}"
_UNREADABLE = re.compile(
    r"PolicyError: |Unsupported capture keyword |Only support 'running' or 'config' keyword for route"
)
"""What libnmstate says of an expression before it looks at any state, or whatever the state."""

_REFERENCE = re.compile(r'"[^"]*"|\bcapture\.([\w-]+)')


async def resolved(libnmstate: Libnmstate, capture: Mapping[str, str], before: bytes) -> dict[str, Any]:
    """What each expression finds in the state `before`.

    :raises DesiredStateError: for an expression that is wrong or finds nothing.
    """
    references = {name: _references(expression) for name, expression in capture.items()}
    _refuse_unknown(capture, references)
    answer = await _evaluated(libnmstate, capture, references, before)
    if len(answer) > MAX_CAPTURED_BYTES:
        size, most = len(answer) // 1024, MAX_CAPTURED_BYTES // 1024
        raise DesiredStateError("TooLarge", f"the captures found {size} KiB, more than the {most} KiB allowed")
    found: dict[str, Any] = msgspec.json.decode(answer)
    return {name: found[name] for name in capture}


async def refuse_wrong_captures(libnmstate: Libnmstate, capture: Mapping[str, str]) -> None:
    """Raise for what no node can resolve, whatever its state: what is no expression, or speaks of no capture.

    :raises DesiredStateError: with the capture's path.
    """
    references = {name: _references(expression) for name, expression in capture.items()}
    _refuse_unknown(capture, references)
    _ordered(capture, references)
    for name, expression in capture.items():
        try:
            await libnmstate.captures(msgspec.json.encode({name: expression}), _NOTHING)
        except DesiredStateError as error:
            if _UNREADABLE.match(error.message):
                raise _explained(error, {name: expression}, _NOTHING) from error


def _references(expression: str) -> list[str]:
    """The captures that an expression speaks of, outside of quotes, in its order."""
    return [match.group(1) for match in _REFERENCE.finditer(expression) if match.group(1)]


def _refuse_unknown(capture: Mapping[str, str], references: Mapping[str, list[str]]) -> None:
    for name, named in references.items():
        for missing in (other for other in named if other not in capture):
            hint = did_you_mean(missing, capture.keys() - {name}) or f" (the policy has {some(sorted(capture))})"
            cause = f'capture {name}: there is no capture "{missing}"{hint}'
            raise DesiredStateError(KIND, cause, path=("capture", name))


def _ordered(capture: Mapping[str, str], references: Mapping[str, list[str]]) -> list[str]:
    try:
        return list(TopologicalSorter({name: references[name] for name in capture}).static_order())
    except CycleError as error:
        names = list(reversed(error.args[1]))
        shown = names if len(names) <= MAX_CIRCLE else [*names[: MAX_CIRCLE - 1], "…", names[-1]]
        cause = f"captures refer to one another in a circle: {' → '.join(shown)}"
        raise DesiredStateError(KIND, cause, path=("capture", names[0])) from error


async def _evaluated(
    libnmstate: Libnmstate, capture: Mapping[str, str], references: Mapping[str, list[str]], before: bytes
) -> bytes:
    expressions: dict[str, str] = {}
    depth: dict[str, int] = {}
    for name in _ordered(capture, references):
        expression, named = capture[name], references[name]
        if any(depth[other] > depth[named[0]] for other in named[1:]):
            found = msgspec.json.decode(await _asked(libnmstate, expressions, capture, before))
            expression = _with_values(name, expression, found)
        expressions[name] = expression
        depth[name] = 1 + max((depth[other] for other in named), default=0)
    return await _asked(libnmstate, expressions, capture, before)


async def _asked(
    libnmstate: Libnmstate, expressions: Mapping[str, str], capture: Mapping[str, str], before: bytes
) -> bytes:
    try:
        return await libnmstate.captures(msgspec.json.encode(expressions), before)
    except DesiredStateError as error:
        raise _explained(error, capture, before) from error


def _with_values(name: str, expression: str, found: Mapping[str, Any]) -> str:
    """With the value after the operator in place of a reference."""
    operator = max(expression.find("=="), expression.find(":="))
    head, value = expression[: operator + 2], expression[operator + 2 :].strip()
    try:
        literal = msgspec.json.encode(filled("{{ " + value + " }}", found)).decode()
    except DesiredStateError as error:
        raise DesiredStateError(KIND, f"capture {name}: {error.message}", error.log) from error
    return head + (literal if literal.startswith('"') else f'"{literal}"')


def _explained(error: DesiredStateError, capture: Mapping[str, str], before: bytes) -> DesiredStateError:
    message, expression, character = _parts(error.message[:MAX_EXPLAINED])
    name = next((name for name, text in capture.items() if expression and text.strip() == expression), "")
    about = f"capture {name}" if name else "the captures"
    if match := re.fullmatch(r"(\w+) with '(.*)=(.*)' not found", message, re.DOTALL):
        kind, keys, value = match.groups()
        known = known_keys(before)
        hint = "".join(did_you_mean(key, known) for key in keys.split(".") if key not in known)
        cause = f"{about} finds nothing: no {kind} has {keys} {value}{hint}"
    else:
        place = f"character {character} of " if character else ""
        cause = f"{about}: {_cause(message, expression)}" + (f" ({place}`{expression}`)" if expression else "")
    return DesiredStateError(KIND, cause, (*error.log, error.message), path=("capture", name) if name else ("capture",))


def _parts(message: str) -> tuple[str, str, int | None]:
    """libnmstate tells expression and position in two ways: message, expression, character from 1 on."""
    if match := re.fullmatch(r"(?:PolicyError: )?(.*?)\n\| (.*)\n\| (\.*)\^", message, re.DOTALL):
        return match.group(1), match.group(2), len(match.group(3)) + 1
    if match := re.fullmatch(r"(.*) in `(.*)` at character (\d+)", message, re.DOTALL):
        return match.group(1), match.group(2), int(match.group(3))
    return message, "", None


_CAUSES = (
    (r"Invalid equal action string after =.*", 'a comparison is written "=="'),
    (r"Invalid replace action string after.*", 'a replacement is written ":="'),
    (r"Invalid pipe action.*", 'after "|" comes a path with "==" or ":=", for example interfaces.state=="up"'),
    (r"Nmpolicy does not allows two pipe action", 'an expression can have one "|"; make a capture of each step'),
    (r"Unsupported capture keyword '(.*)'", r'"\1" cannot be searched, only interfaces, routes and route-rules'),
    (r"The equal action got no value defined afterwards", 'a value is missing after "=="'),
    (r"No ending double quote", "a quote does not end"),
)


def _cause(message: str, expression: str) -> str:
    if "Invalid equal action" in message and "!=" in expression:
        return '"!=" is no operator, only "==", ":=" and "|" are'
    if ":=" in expression and "should end with single value" in message:
        return 'a value is missing after ":="'
    if match := re.match(r"Failed to deserialize .* into (\w+): (.*)", message, re.DOTALL):
        return f"what it makes is no valid {match.group(1)}: {match.group(2)}"
    for pattern, text in _CAUSES:
        if match := re.fullmatch(pattern, message, re.DOTALL):
            return match.expand(text)
    return message
