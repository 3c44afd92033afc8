"""libnmstate in JSON bytes: for states that are passed on, compared or kept, but not looked into.

- Every function releases the GIL while libnmstate works; libnmstate wants one caller at a time.
- `log` is a list that gets the call's log lines, also when the call raises.
- Everything raised is an `NmstateError` of `libnmstate.errors`, with these lines in `.log`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from libnmstate import _native
from libnmstate.errors import LogLine, NmstateError

__all__ = [
    "Checkpoint",
    "NetworkManager",
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
    "set_alternative_names",
    "set_hostname",
    "unit_wants",
    "reload_units",
    "restart_unit",
    "Signals",
    "set_log_level",
]

Log = list[LogLine] | None
_T = TypeVar("_T")

set_log_level = _native.set_log_level
"""Keep log lines of this level and above: off, error, warn, info (default), debug, trace."""


class Checkpoint(NamedTuple):
    """A checkpoint of NetworkManager. It has no owner: whose it is, only the one who made it can know."""

    path: str
    """Starts again at …/1 with each NetworkManager: means something only together with its owner."""
    created: int
    """Milliseconds since boot (CLOCK_BOOTTIME)."""
    devices: tuple[str, ...]
    rollback_timeout: int
    """Seconds from `created` on (or from its last extension); 0: it never rolls back by itself."""


class NetworkManager(NamedTuple):
    """NetworkManager as D-Bus shows it."""

    owner: str
    """Its unique bus name: another one means that it was restarted."""
    version: str
    checkpoints: tuple[Checkpoint, ...]


def show(
    *,
    kernel_only: bool = False,
    running_config_only: bool = False,
    include_secrets: bool = False,
    log: Log = None,
) -> bytes:
    """The state of this host."""
    return _value(
        log,
        lambda: _native.show(
            kernel_only=kernel_only,
            running_config_only=running_config_only,
            include_secrets=include_secrets,
        ),
    )


def apply(
    desired: bytes,
    *,
    kernel_only: bool = False,
    verify: bool = True,
    commit: bool = True,
    rollback_timeout: int | None = None,
    memory_only: bool = False,
    log: Log = None,
) -> None:
    """Make it so. With commit=False a checkpoint stays, which takes it back after `rollback_timeout` seconds."""
    _call(
        log,
        lambda: _native.apply(
            desired,
            kernel_only=kernel_only,
            verify=verify,
            commit=commit,
            rollback_timeout=rollback_timeout,
            memory_only=memory_only,
        ),
    )


def commit(checkpoint: str, *, log: Log = None) -> None:
    """Keep what was applied since this checkpoint. The path must be given."""
    _call(log, lambda: _native.commit(checkpoint))


def rollback(checkpoint: str, *, log: Log = None) -> None:
    """Take back what was applied since this checkpoint, and wait for the devices. The path must be given."""
    _call(log, lambda: _native.rollback(checkpoint))


def diff(desired: bytes, current: bytes, *, log: Log = None) -> bytes:
    """The part of the desired state that differs from the current one."""
    return _value(log, lambda: _native.diff(desired, current))


def revert(desired: bytes, current: bytes, *, log: Log = None) -> bytes:
    """The state that, applied after `desired`, brings back what `current` had there."""
    return _value(log, lambda: _native.revert(desired, current))


def statistic(desired: bytes, current: bytes, *, log: Log = None) -> bytes:
    """Which features the desired state uses, and its topology: {"topology": […], "features": […]}."""
    return _value(log, lambda: _native.statistic(desired, current))


def validate(desired: bytes, current: bytes | None = None, *, log: Log = None) -> None:
    """Raise where `apply` would refuse before it changes anything; without a current state, as far as can be."""
    _call(log, lambda: _native.validate(desired, current))


def captures(expressions: bytes, current: bytes, *, log: Log = None) -> bytes:
    """{name: expression} resolved against a current state: {name: state}."""
    return _value(log, lambda: _native.captures(expressions, current))


def fill(template: bytes, captured: bytes, *, log: Log = None) -> bytes:
    """A desired state whose `{{ capture.NAME.path }}` are replaced from {name: state}."""
    return _value(log, lambda: _native.fill(template, captured))


def networkmanager(*, timeout_seconds: float = 10.0, device_names: bool = True, log: Log = None) -> NetworkManager:
    """NetworkManager's unique bus name, version and checkpoints. Raises DBusError when it does not answer.

    The names of a checkpoint's devices cost a question to the bus each: without `device_names` they are empty.
    """
    owner, version, checkpoints = _value(log, lambda: _native.networkmanager(timeout_seconds, device_names))
    return NetworkManager(
        owner,
        version,
        tuple(Checkpoint(path, created, tuple(devices), seconds) for path, created, devices, seconds in checkpoints),
    )


def name_servers(*, timeout_seconds: float = 10.0, log: Log = None) -> list[str]:
    """The name servers in use, in order. Asks NetworkManager alone: much quicker than `show`."""
    return _value(log, lambda: _native.name_servers(timeout_seconds))


def set_hostname(*, running: str | None = None, config: str | None = None, log: Log = None) -> None:
    """The machine's name: the kernel's, the one on the disk (empty: none), or both. What is None stays."""
    _call(log, lambda: _native.set_hostname(running, config))


def set_alternative_names(interfaces: Mapping[str, Mapping[str, bool]], *, log: Log = None) -> None:
    """By interface: the names that it is to have (true) and not to have (false). The kernel's alone, no profile's."""
    asked = {interface: dict(names) for interface, names in interfaces.items()}
    _call(log, lambda: _native.set_alternative_names(asked))


def unit_wants(unit: str, *, timeout_seconds: float = 10.0, log: Log = None) -> list[str]:
    """The units that a unit of systemd wants, as systemd knows it now. Raises DBusError without systemd."""
    return _value(log, lambda: _native.unit_wants(unit, timeout_seconds))


def reload_units(*, timeout_seconds: float = 60.0, log: Log = None) -> None:
    """systemd reads its units anew."""
    _call(log, lambda: _native.reload_units(timeout_seconds))


def restart_unit(unit: str, *, timeout_seconds: float = 120.0, log: Log = None) -> str:
    """Restart a unit of systemd and wait for the end: how it ended, `done` where all is well."""
    return _value(log, lambda: _native.restart_unit(unit, timeout_seconds))


class Signals:
    """What NetworkManager tells of by itself and the kernel does not, from now on until it is closed.

    One thread waits, any thread may close it. It needs no caller of libnmstate to be quiet.
    """

    def __init__(self, *, timeout_seconds: float = 10.0) -> None:
        """Raises a `DBusError` where there is no bus that answers within these seconds."""
        self._signals = _native.Signals(timeout_seconds)

    def wait(self, *, timeout_seconds: float = 600.0, log: Log = None) -> str:
        """What changed: "dns" or "lldp"; empty: nothing did within these seconds (at most 600), or it was closed.

        Raises a `DBusError` where the bus is gone: then whatever happened meanwhile is not told.
        """
        return _value(log, lambda: self._signals.wait(timeout_seconds))

    def close(self) -> None:
        """End the wait that is under way, or else the next one."""
        self._signals.close()


def _value(log: Log, work: Callable[[], tuple[_T, list[tuple[int, str, str]]]]) -> _T:
    try:
        value, lines = work()
    except NmstateError as error:
        if log is not None:
            log.extend(error.log)
        raise
    if log is not None:
        log.extend(LogLine(*line) for line in lines)
    return value


def _call(log: Log, work: Callable[[], list[tuple[int, str, str]]]) -> None:
    _value(log, lambda: (None, work()))
