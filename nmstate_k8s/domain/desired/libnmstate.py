"""libnmstate, as far as it reads and judges states without looking at a host. A small protocol, so that a fake can
stand in."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Libnmstate"]


class Libnmstate(Protocol):
    """States are JSON bytes. All of it may raise `HostError`."""

    async def parse(self, desired: bytes) -> None:
        """Read a desired state, nothing else.

        :raises DesiredStateError: if it cannot be read.
        """

    async def captures(self, expressions: bytes, current: bytes) -> bytes:
        """{name: expression} resolved against a current state: {name: state}.

        :raises DesiredStateError: if an expression is wrong.
        """

    async def validate(self, desired: bytes, current: bytes) -> None:
        """Raise where `apply` would refuse before it changes anything."""
