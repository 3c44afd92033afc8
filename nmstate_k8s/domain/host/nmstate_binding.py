"""The host through libnmstate.

- libnmstate runs in one worker thread, one call at a time, with the GIL released.
- Beside it NetworkManager is asked for its name servers, and listened to, each in a thread of its own: these need
  no libnmstate.
- It is imported in that thread with the first call: starting up needs no NetworkManager and no 15 MB.
- Its errors become `HostError`; its log lines go to our log, and with an error to whoever catches it (`binding`).
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any, TypeVar

from nmstate_k8s.domain.desired.binding import Work, carry_out
from nmstate_k8s.domain.desired.errors import DesiredStateError, HostError
from nmstate_k8s.domain.host.kernel import take_out
from nmstate_k8s.domain.host.memory import give_back
from nmstate_k8s.domain.host.parachute.unit import NETWORKMANAGER
from nmstate_k8s.domain.host.protocol import Checkpoint, NetworkManager

__all__ = ["LibnmstateHost", "nmstate_version"]

_T = TypeVar("_T")

NAME_SERVERS_SECONDS = 2.0
"""A probe that waits for longer is over anyway."""
_CHANGES = frozenset(
    {"apply", "commit", "rollback", "restore", "set_hostname", "set_alternative_names", "restart_unit"}
)
"""Calls whose log is told. What the others say, every minute or thrice in a transaction, is for debugging."""
_LARGE = frozenset({"show", "apply"})
"""Calls that read the whole state: what they used is handed back."""


def nmstate_version() -> str:
    """The version of libnmstate in this program."""
    import libnmstate

    return libnmstate.NMSTATE_VERSION


class LibnmstateHost:
    """The network of the machine that this process runs on."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="libnmstate")
        self._asker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="dbus")
        """For what is asked of NetworkManager while libnmstate is at work."""
        self._ear = ThreadPoolExecutor(max_workers=1, thread_name_prefix="signals")

    async def show(self) -> bytes:
        return await self._call("show", lambda raw, log: raw.show(log=log))

    async def parse(self, desired: bytes) -> None:
        # No captures of a state: it is read, and nothing else.
        await self._meant("parse", lambda raw, log: raw.captures(b"{}", desired, log=log))

    async def captures(self, expressions: bytes, current: bytes) -> bytes:
        return await self._meant("captures", lambda raw, log: raw.captures(expressions, current, log=log))

    async def validate(self, desired: bytes, current: bytes) -> None:
        await self._call("validate", lambda raw, log: raw.validate(desired, current, log=log))

    async def diff(self, desired: bytes, current: bytes) -> bytes:
        return await self._call("diff", lambda raw, log: raw.diff(desired, current, log=log))

    async def statistic(self, desired: bytes, current: bytes) -> bytes:
        return await self._call("statistic", lambda raw, log: raw.statistic(desired, current, log=log))

    async def apply(self, desired: bytes, *, rollback_seconds: int) -> None:
        await self._call(
            "apply", lambda raw, log: raw.apply(desired, commit=False, rollback_timeout=rollback_seconds, log=log)
        )

    async def commit(self, checkpoint: str) -> None:
        await self._call("commit", lambda raw, log: raw.commit(checkpoint, log=log))

    async def rollback(self, checkpoint: str) -> None:
        await self._call("rollback", lambda raw, log: raw.rollback(checkpoint, log=log))

    async def revert(self, desired: bytes, before: bytes) -> bytes:
        return await self._call("revert", lambda raw, log: raw.revert(desired, before, log=log))

    async def restore(self, state: bytes) -> None:
        await self._call("restore", lambda raw, log: raw.apply(state, verify=False, log=log))

    async def set_hostname(self, *, running: str | None = None, config: str | None = None) -> None:
        await self._call("set_hostname", lambda raw, log: raw.set_hostname(running=running, config=config, log=log))

    async def set_alternative_names(self, interfaces: Mapping[str, Mapping[str, bool]]) -> None:
        await self._call("set_alternative_names", lambda raw, log: raw.set_alternative_names(interfaces, log=log))

    async def take_out(self, remains: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        await asyncio.to_thread(take_out, remains)

    async def restart_networkmanager(self) -> None:
        result = await self._call("restart_unit", lambda raw, log: raw.restart_unit(NETWORKMANAGER, log=log))
        if result != "done":
            raise HostError("NetworkManagerNotStarted", f"the restart of NetworkManager ended as {result}")

    async def unit_wants(self, unit: str) -> list[str]:
        return await self._call("unit_wants", lambda raw, log: raw.unit_wants(unit, log=log))

    async def reload_units(self) -> None:
        await self._call("reload_units", lambda raw, log: raw.reload_units(log=log))

    async def networkmanager(self, *, device_names: bool = False) -> NetworkManager:
        found = await self._call("networkmanager", lambda raw, log: raw.networkmanager(device_names=device_names))
        checkpoints = tuple(Checkpoint(*checkpoint) for checkpoint in found.checkpoints)
        return NetworkManager(found.owner, found.version, checkpoints)

    async def name_servers(self) -> list[str]:
        def ask(raw: ModuleType, log: list[Any]) -> list[str]:
            found: list[str] = raw.name_servers(timeout_seconds=NAME_SERVERS_SECONDS, log=log)
            return found

        return await asyncio.get_running_loop().run_in_executor(self._asker, _carry_out, "name_servers", ask)

    async def signals(self) -> AsyncGenerator[str, None]:
        loop = asyncio.get_running_loop()
        heard = await loop.run_in_executor(self._ear, _carry_out, "signals", lambda raw, log: raw.Signals())
        try:
            yield "listening"
            while True:
                # A thread cannot be cancelled: `close` ends its wait.
                if told := await loop.run_in_executor(
                    self._ear, _carry_out, "wait", lambda raw, log: heard.wait(log=log)
                ):
                    yield told
        finally:
            heard.close()

    def close(self) -> None:
        """Let the worker end after the call that it is at. Nothing can be asked any more."""
        self._worker.shutdown(wait=False)
        self._asker.shutdown(wait=False)
        self._ear.shutdown(wait=False)

    async def _meant(self, name: str, work: Work[_T]) -> _T:
        try:
            return await self._call(name, work)
        except HostError as error:
            raise DesiredStateError(error.kind, error.message, error.log) from error

    async def _call(self, name: str, work: Work[_T]) -> _T:
        # With the caller's context: libnmstate's lines then carry the id of the transaction that it is called for.
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._worker, context.run, _carry_out, name, work)


def _carry_out(name: str, work: Work[_T]) -> _T:
    try:
        return carry_out(name, work, quiet=name not in _CHANGES)
    finally:
        if name in _LARGE:
            give_back()
