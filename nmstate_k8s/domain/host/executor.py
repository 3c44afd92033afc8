"""Carries out what the steps of a transaction ask for. All of the transaction's I/O is here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import structlog

from nmstate_k8s.core.clock import Clock
from nmstate_k8s.domain.host import requests
from nmstate_k8s.domain.host.boot import boot_id, milliseconds_since_boot
from nmstate_k8s.domain.host.journal import Journal, Record, sync_files
from nmstate_k8s.domain.host.prepare import Prepared, prepare
from nmstate_k8s.domain.host.probes.plan import ProbePlan
from nmstate_k8s.domain.host.probes.runner import ProbeRunner, Selection
from nmstate_k8s.domain.host.protocol import Host

__all__ = ["Executor", "Notify", "PROFILES"]

_log = structlog.get_logger(__name__)

LONG_AWAY_MILLISECONDS = 1_000
PROFILES = Path("/etc/NetworkManager/system-connections")


class Notify(Protocol):
    """Tells people what is not part of the enactment's status: an event."""

    def __call__(self, reason: str, note: str, *, warning: bool = True) -> None:
        """:param reason: one word; :param note: a sentence."""


class Executor:
    """The host, the probes, the journal and the clock behind a transaction."""

    def __init__(
        self,
        host: Host,
        probes: Callable[[ProbePlan], ProbeRunner],
        journal: Journal,
        *,
        clock: Clock,
        notify: Notify,
        network_changed: Callable[[], None] = lambda: None,
        allow_dispatch: bool = False,
        profiles: Path = PROFILES,
        boot: Callable[[], str] = boot_id,
        now: Callable[[], int] = milliseconds_since_boot,
    ) -> None:
        self._host = host
        self._probes = probes
        self._journal = journal
        self._clock = clock
        self._notify = notify
        self._network_changed = network_changed
        self._allow_dispatch = allow_dispatch
        self._profiles = profiles
        self._boot = boot
        self._now = now
        self._told: set[str] = set()
        self._table: Mapping[type, Callable[[Any], Awaitable[Any]]] = {
            requests.ReadState: self._read_state,
            requests.Prepare: self._prepare,
            requests.Inspect: self._inspect,
            requests.Wait: self._wait,
            requests.WriteJournal: self._write_journal,
            requests.CloseJournal: self._close_journal,
            requests.Apply: self._apply,
            requests.FindCheckpoints: self._find_checkpoints,
            requests.RunProbes: self._run_probes,
            requests.Commit: self._commit,
            requests.RollBack: self._roll_back,
            requests.SyncProfiles: self._sync_profiles,
        }

    async def carry_out(self, request: requests.Request) -> Any:
        """The answer to a request.

        :raises HostError: what the host says.
        :raises OSError: what the disk says.
        """
        return await self._table[type(request)](request)

    async def _read_state(self, _: requests.ReadState) -> bytes:
        return await self._host.show()

    async def _prepare(self, request: requests.Prepare) -> tuple[Prepared, Selection, Record | None]:
        """What to do and which probes work, side by side; where there is nothing to do, nobody waits for probes."""
        task = request.task
        selecting = asyncio.ensure_future(self._probes(task.probes).select())
        try:
            record = await asyncio.to_thread(self._journal.read)
            prepared = await prepare(
                self._host,
                task.desired,
                task.capture,
                task.captured,
                request.before,
                allow_dispatch=self._allow_dispatch,
            )
            selection = await selecting if prepared.change and not prepared.fault else Selection()
            return prepared, selection, record
        finally:
            selecting.cancel()
            await asyncio.gather(selecting, return_exceptions=True)

    async def _inspect(self, _: requests.Inspect) -> requests.Inspection:
        await asyncio.to_thread(self._journal.writable)
        manager = await self._host.networkmanager(device_names=True)
        record = await asyncio.to_thread(self._journal.read)
        return requests.Inspection(manager, record, self._now(), self._boot())

    async def _wait(self, request: requests.Wait) -> None:
        if request.checkpoint and request.checkpoint not in self._told:
            self._told.add(request.checkpoint)
            devices = ", ".join(request.devices) or "no device"
            note = f"waiting for the checkpoint {request.checkpoint} of another process ({devices})"
            self._notify("ForeignCheckpoint", note, warning=False)
        await self._clock.sleep(request.seconds)

    async def _write_journal(self, request: requests.WriteJournal) -> None:
        await asyncio.to_thread(self._journal.write, request.record)

    async def _close_journal(self, _: requests.CloseJournal) -> None:
        await asyncio.to_thread(self._journal.close)

    async def _apply(self, request: requests.Apply) -> None:
        try:
            await self._host.apply(request.desired, rollback_seconds=request.rollback_seconds)
        finally:
            # The address may have moved under our feet: nothing that is connected now can be trusted.
            self._network_changed()

    async def _find_checkpoints(self, _: requests.FindCheckpoints) -> Any:
        return await self._host.networkmanager()

    async def _run_probes(self, request: requests.RunProbes) -> Any:
        runner, seconds = self._probes(request.plan), request.plan.total_seconds
        results = await runner.run(request.names, total_seconds=seconds, change=request.change)
        if any(result.milliseconds > LONG_AWAY_MILLISECONDS for result in results):
            # The network is back only now: whoever gave up meanwhile need not wait for his next try.
            self._network_changed()
        return results

    async def _commit(self, request: requests.Commit) -> None:
        await self._host.commit(request.checkpoint)

    async def _roll_back(self, request: requests.RollBack) -> None:
        if request.foreign:
            self._told.discard(request.checkpoint)
            note = f"rolling back the checkpoint {request.checkpoint}, which another process left behind"
            self._notify("ForeignCheckpointRolledBack", note)
        try:
            await self._host.rollback(request.checkpoint)
        finally:
            self._network_changed()

    async def _sync_profiles(self, _: requests.SyncProfiles) -> None:
        count = await asyncio.to_thread(sync_files, self._profiles)
        _log.debug("profiles synced", count=count)
