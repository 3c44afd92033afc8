"""What can go wrong on the host, in the domain's own words.

HostError             libnmstate, NetworkManager or the host said no; .kind .message .log
├── DesiredStateError the desired state or its captures cannot be meant, on any node and any day
└── HostUnavailable   NetworkManager or the system bus does not answer
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["HostError", "DesiredStateError", "HostUnavailable", "is_transient"]

_PASSING = (
    "org.freedesktop.DBus.Error.NoReply",
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.Timeout",
    "CheckpointConflict",
)
"""What libnmstate says where NetworkManager is starting, busy, or in somebody else's checkpoint."""


class HostError(Exception):
    """Something on the host failed. `kind` is libnmstate's word for it where libnmstate said it."""

    def __init__(self, kind: str, message: str, log: Iterable[str] = ()) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message
        self.log = tuple(log)

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


class DesiredStateError(HostError):
    """The state cannot be meant: a misspelt key, a wrong type, a capture that finds nothing. Lasting."""

    def __init__(
        self,
        kind: str,
        message: str,
        log: Iterable[str] = (),
        interface: str = "",
        advice: str = "",
        path: tuple[str | int, ...] = (),
    ) -> None:
        super().__init__(kind, message, log)
        self.interface = interface
        self.advice = advice
        self.path = path
        """Of the mistake in the policy's spec, where it is known."""


class HostUnavailable(HostError):
    """NetworkManager or the system bus does not answer."""


def is_transient(error: Exception) -> bool:
    """Whether it may pass by itself in a moment, whatever the policy says."""
    return isinstance(error, HostUnavailable) or (
        isinstance(error, HostError) and any(text in error.message for text in _PASSING)
    )
