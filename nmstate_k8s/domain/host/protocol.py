"""The host as the rest of the program sees it: a small protocol, so that a fake can stand in.

States are JSON bytes: most of them are only handed on, kept or compared. All of it may raise `HostError`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from nmstate_k8s.domain.desired.libnmstate import Libnmstate

__all__ = ["Checkpoint", "Host", "NetworkManager"]


class Checkpoint(NamedTuple):
    """A checkpoint of NetworkManager. It has no owner: whose it is, only the one who made it can know."""

    path: str
    """Starts again at …/1 with each NetworkManager: means something only together with its bus name."""
    created: int
    """Milliseconds since boot."""
    devices: tuple[str, ...]
    rollback_timeout: int
    """Seconds from `created` on; 0: it never rolls back by itself."""


class NetworkManager(NamedTuple):
    """NetworkManager as D-Bus shows it."""

    owner: str
    """Its unique bus name: another one means that it was restarted."""
    version: str
    checkpoints: tuple[Checkpoint, ...]


class Host(Libnmstate, Protocol):
    """The network of this node. One call at a time reaches libnmstate; the event loop never waits for it.

    Cancelling an awaited call does not stop it: libnmstate goes on, and the next call waits for it.
    """

    async def show(self) -> bytes:
        """The current state."""

    async def diff(self, desired: bytes, current: bytes) -> bytes:
        """The part of the desired state that differs from the current one."""

    async def statistic(self, desired: bytes, current: bytes) -> bytes:
        """{"features": […], "topology": […]} of a desired state."""

    async def apply(self, desired: bytes, *, rollback_seconds: int) -> None:
        """Make it so without commit: a checkpoint stays, which takes it back after these seconds."""

    async def commit(self, checkpoint: str) -> None:
        """Keep what was applied since this checkpoint."""

    async def rollback(self, checkpoint: str) -> None:
        """Take back what was applied since this checkpoint."""

    async def revert(self, desired: bytes, before: bytes) -> bytes:
        """The state that, applied after `desired`, brings back what `before` had there."""

    async def restore(self, state: bytes) -> None:
        """Make it so for good, under no checkpoint of ours: for states that take something back."""

    async def set_hostname(self, *, running: str | None = None, config: str | None = None) -> None:
        """The machine's name: the kernel's, the one on the disk (empty: none), or both."""

    async def set_alternative_names(self, interfaces: Mapping[str, Mapping[str, bool]]) -> None:
        """By interface: the names that it is to have (true) and not to have (false), in the kernel alone."""

    async def take_out(self, remains: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """These `routes` through nothing and `route-rules`, as a state tells them, out of the kernel alone.

        :raises HostError: if the kernel refuses.
        """

    async def restart_networkmanager(self) -> None:
        """systemd starts NetworkManager anew; it answers when this returns.

        :raises HostError: if it does not start, or there is no systemd.
        """

    async def unit_wants(self, unit: str) -> list[str]:
        """The units that a unit of systemd wants, as systemd knows it now."""

    async def reload_units(self) -> None:
        """systemd reads its units anew."""

    async def networkmanager(self, *, device_names: bool = False) -> NetworkManager:
        """NetworkManager's bus name, version and checkpoints.

        :raises HostUnavailable: if it does not answer.
        """

    async def name_servers(self) -> list[str]:
        """The DNS servers in use, without waiting for other calls."""

    def signals(self) -> AsyncGenerator[str, None]:
        """What NetworkManager tells of by itself: "listening" once it is heard, then "dns" or "lldp", for ever.

        One at a time. Close it (`aclosing`) when done.

        :raises HostUnavailable: if there is no bus, or no more.
        """
