"""libnmstate for Python: declared network states shown, compared, applied, taken back.

The functions here speak Python data; `libnmstate.raw` has the same ones in JSON bytes, and
`libnmstate.errors` the tree of what they raise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from libnmstate import _native, errors, raw
from libnmstate.errors import LogLine, NmstateError
from libnmstate.raw import (
    Checkpoint,
    NetworkManager,
    commit,
    name_servers,
    networkmanager,
    rollback,
    set_log_level,
)

__all__ = [
    "NMSTATE_VERSION",
    "__version__",
    "Checkpoint",
    "LogLine",
    "NetworkManager",
    "NmstateError",
    "show",
    "apply",
    "commit",
    "rollback",
    "diff",
    "revert",
    "statistic",
    "validate",
    "captures",
    "fill",
    "networkmanager",
    "name_servers",
    "set_log_level",
    "errors",
    "raw",
]

NMSTATE_VERSION: str = _native.NMSTATE_VERSION
"""The version of libnmstate (the nmstate crate)."""
__version__: str = _native.VERSION
"""The version of this package."""

State = dict[str, Any]
_Log = list[LogLine] | None


def _encoded(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()


def show(
    *,
    kernel_only: bool = False,
    running_config_only: bool = False,
    include_secrets: bool = False,
    log: _Log = None,
) -> State:
    """The state of this host."""
    found: State = json.loads(
        raw.show(
            kernel_only=kernel_only,
            running_config_only=running_config_only,
            include_secrets=include_secrets,
            log=log,
        )
    )
    return found


def apply(
    desired: Mapping[str, Any],
    *,
    kernel_only: bool = False,
    verify: bool = True,
    commit: bool = True,
    rollback_timeout: int | None = None,
    memory_only: bool = False,
    log: _Log = None,
) -> None:
    """Make it so. With commit=False a checkpoint stays, which takes it back after `rollback_timeout` seconds."""
    raw.apply(
        _encoded(desired),
        kernel_only=kernel_only,
        verify=verify,
        commit=commit,
        rollback_timeout=rollback_timeout,
        memory_only=memory_only,
        log=log,
    )


def diff(desired: Mapping[str, Any], current: Mapping[str, Any], *, log: _Log = None) -> State:
    """The part of the desired state that differs from the current one."""
    changed: State = json.loads(raw.diff(_encoded(desired), _encoded(current), log=log))
    return changed


def revert(desired: Mapping[str, Any], current: Mapping[str, Any], *, log: _Log = None) -> State:
    """The state that, applied after `desired`, brings back what `current` had there."""
    back: State = json.loads(raw.revert(_encoded(desired), _encoded(current), log=log))
    return back


def statistic(desired: Mapping[str, Any], current: Mapping[str, Any], *, log: _Log = None) -> State:
    """Which features the desired state uses, and its topology: {"topology": […], "features": […]}."""
    found: State = json.loads(raw.statistic(_encoded(desired), _encoded(current), log=log))
    return found


def validate(desired: Mapping[str, Any], current: Mapping[str, Any] | None = None, *, log: _Log = None) -> None:
    """Raise where `apply` would refuse before it changes anything; without a current state, as far as can be."""
    raw.validate(_encoded(desired), None if current is None else _encoded(current), log=log)


def captures(expressions: Mapping[str, str], current: Mapping[str, Any], *, log: _Log = None) -> dict[str, State]:
    """{name: expression} resolved against a current state: {name: state}."""
    captured: dict[str, State] = json.loads(raw.captures(_encoded(expressions), _encoded(current), log=log))
    return captured


def fill(template: Mapping[str, Any], captured: Mapping[str, State], *, log: _Log = None) -> State:
    """A desired state whose `{{ capture.NAME.path }}` are replaced from {name: state}."""
    filled: State = json.loads(raw.fill(_encoded(template), _encoded(captured), log=log))
    return filled
