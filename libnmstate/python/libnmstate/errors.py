"""What libnmstate refuses or fails at, a class for each of its error kinds.

NmstateError                    .kind .message .log
├── InvalidArgument             the state says what libnmstate cannot mean: typo, wrong type, contradiction
├── VerificationError           applied, but the host does not show it
├── PluginFailure               NetworkManager, Open vSwitch or the kernel failed
├── Bug                         libnmstate's own, also: NetworkManager answered what it did not expect
├── NotImplemented_             libnmstate cannot do this yet
├── NotSupported                this host cannot do it
├── KernelIntegerRounded        the kernel keeps another number than the one given
├── DependencyError             something is missing on the host, or too old
├── PolicyError                 a capture expression or a reference to one; .line .position
├── PermissionDenied            NetworkManager does not allow it
├── SrIovVfNotFound             a virtual function is not there (yet)
└── DBusError                   ours: the system bus or NetworkManager does not answer
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

__all__ = [
    "LogLine",
    "NmstateError",
    "InvalidArgument",
    "VerificationError",
    "PluginFailure",
    "Bug",
    "NotImplemented_",
    "NotSupported",
    "KernelIntegerRounded",
    "DependencyError",
    "PolicyError",
    "PermissionDenied",
    "SrIovVfNotFound",
    "DBusError",
    "from_kind",
]


class LogLine(NamedTuple):
    """A line that libnmstate logged during a call."""

    level: int
    """As Python's logging counts: 40 error, 30 warning, 20 info, 10 debug, 5 trace."""
    target: str
    """The Rust module that said it."""
    message: str


class NmstateError(Exception):
    """Anything that libnmstate reports. `kind` is its own word, also where this package has no class for it."""

    def __init__(self, kind: str, message: str, log: Iterable[LogLine] = ()) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message
        self.log = tuple(log)

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


class InvalidArgument(NmstateError):
    """The state cannot be meant: an unknown key, a wrong type, a contradiction."""


class VerificationError(NmstateError):
    """It was applied, but what the host shows afterwards differs."""


class PluginFailure(NmstateError):
    """NetworkManager, Open vSwitch or the kernel failed."""


class Bug(NmstateError):
    """Something that libnmstate did not expect, often an answer of NetworkManager."""


class NotImplemented_(NmstateError):  # noqa: N801  (NotImplemented is Python's own)
    """libnmstate cannot do this yet."""


class NotSupported(NmstateError):
    """This host cannot do it."""


class KernelIntegerRounded(NmstateError):
    """The kernel keeps another number than the one given."""


class DependencyError(NmstateError):
    """Something is missing on the host or too old."""


class PermissionDenied(NmstateError):
    """NetworkManager does not allow it."""


class SrIovVfNotFound(NmstateError):
    """A virtual function is not there, or not yet."""


class DBusError(NmstateError):
    """The system bus, or NetworkManager on it, does not answer."""


class PolicyError(NmstateError):
    """A capture expression, or a reference to a capture, is wrong: in `line`, at `position`."""

    def __init__(self, kind: str, message: str, log: Iterable[LogLine] = (), line: str = "", position: int = 0) -> None:
        super().__init__(kind, message, log)
        self.line = line
        self.position = position

    def __str__(self) -> str:
        if not self.line:
            return super().__str__()
        return f"{self.kind}: {self.message}\n| {self.line}\n| {'.' * self.position}^"


_BY_KIND: dict[str, type[NmstateError]] = {
    "InvalidArgument": InvalidArgument,
    "PluginFailure": PluginFailure,
    "Bug": Bug,
    "VerificationError": VerificationError,
    "NotImplementedError": NotImplemented_,
    "NotSupportedError": NotSupported,
    "KernelIntegerRoundedError": KernelIntegerRounded,
    "DependencyError": DependencyError,
    "PermissionError": PermissionDenied,
    "SrIovVfNotFound": SrIovVfNotFound,
    "DBus": DBusError,
}


def from_kind(kind: str, message: str, line: str, position: int, log: Iterable[tuple[int, str, str]]) -> NmstateError:
    """The error of this kind. The extension module calls this."""
    lines = [LogLine(*entry) for entry in log]
    if kind == "PolicyError":
        return PolicyError(kind, message, lines, line, position)
    return _BY_KIND.get(kind, NmstateError)(kind, message, lines)
