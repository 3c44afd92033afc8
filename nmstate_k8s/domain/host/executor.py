"""Carries out what the steps of a transaction ask for. All of the transaction's I/O is here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import structlog

from nmstate_k8s.api.events import FOREIGN_CHECKPOINT, FOREIGN_CHECKPOINT_ROLLED_BACK, SETTINGS_SKIPPED, EventKind
from nmstate_k8s.core.clock import Clock
from nmstate_k8s.domain.desired.errors import HostError
from nmstate_k8s.domain.host import requests
from nmstate_k8s.domain.host.boot import boot_id, milliseconds_since_boot
from nmstate_k8s.domain.host.disk import refuse_bad_disks
from nmstate_k8s.domain.host.journal import Interrupted, Journal
from nmstate_k8s.domain.host.parachute.copies import KEPT, OUTSIDE, differing, put_back, sync_places
from nmstate_k8s.domain.host.prepare import Prepared, prepare
from nmstate_k8s.domain.host.probes.plan import ProbePlan
from nmstate_k8s.domain.host.probes.runner import ProbeRunner, Selection
from nmstate_k8s.domain.host.protocol import Host
from nmstate_k8s.domain.host.reading import StateReader

__all__ = ["Executor", "Notify"]

_log = structlog.get_logger(__name__)

LONG_AWAY_MILLISECONDS = 1_000


Notify = Callable[[EventKind, str], None]
"""Tells people what is not part of the enactment's status: the kind of event, and a sentence."""


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
        reader: StateReader | None = None,
        network_changed: Callable[[], None] = lambda: None,
        allow_dispatch: bool = False,
        boot: Callable[[], str] = boot_id,
        now: Callable[[], int] = milliseconds_since_boot,
    ) -> None:
        self._host = host
        self._reader = reader or StateReader(host)
        self._probes = probes
        self._journal = journal
        self._clock = clock
        self._notify = notify
        self._network_changed = network_changed
        self._allow_dispatch = allow_dispatch
        self._boot = boot
        self._now = now
        self._told: set[str] = set()
        self._table: Mapping[type, Callable[[Any], Awaitable[Any]]] = {
            requests.ReadState: self._read_state,
            requests.Prepare: self._prepare,
            requests.Inspect: self._inspect,
            requests.Wait: self._wait,
            requests.Open: self._open,
            requests.WriteJournal: self._write_journal,
            requests.NoteCheckpoint: self._note_checkpoint,
            requests.CloseJournal: self._close_journal,
            requests.RetireJournal: self._retire_journal,
            requests.Apply: self._apply,
            requests.FindCheckpoints: self._find_checkpoints,
            requests.RunProbes: self._run_probes,
            requests.Commit: self._commit,
            requests.RollBack: self._roll_back,
            requests.SyncProfiles: self._sync_profiles,
            requests.RestartNetworkManager: self._restart_networkmanager,
            requests.Revert: self._revert,
            requests.PutBackFiles: self._put_back_files,
            requests.Mend: self._mend,
            requests.Difference: self._difference,
        }

    async def carry_out(self, request: requests.Request) -> Any:
        """The answer to a request.

        :raises HostError: what the host says.
        :raises OSError: what the disk says.
        """
        return await self._table[type(request)](request)

    async def is_open(self) -> bool:
        """Whether a journal is open."""
        return await asyncio.to_thread(self._journal.folder.exists)

    async def interrupted(self) -> Interrupted | None:
        """A change that was taken back without its handler, and not told yet."""
        return await asyncio.to_thread(self._journal.interrupted)

    async def told(self) -> None:
        """Its enactment says so."""
        await asyncio.to_thread(self._journal.told)

    # --- Before anything is changed ---------------------------------------------------------------------------

    async def _read_state(self, _: requests.ReadState) -> bytes:
        return await self._reader.read()

    async def _prepare(self, request: requests.Prepare) -> tuple[Prepared, Selection]:
        """What to do and which probes work, side by side; where there is nothing to do, nobody waits for probes."""
        task = request.task
        selecting = asyncio.ensure_future(self._probes(task.probes).select())
        try:
            prepared = await prepare(
                self._host,
                task.desired,
                task.capture,
                task.captured,
                request.before,
                allow_dispatch=self._allow_dispatch,
            )
            if prepared.skipped:
                self._notify(SETTINGS_SKIPPED, f"policy {task.policy}: skipped {'; '.join(prepared.skipped)}")
            return prepared, (await selecting if prepared.change and not prepared.fault else Selection())
        finally:
            selecting.cancel()
            await asyncio.gather(selecting, return_exceptions=True)

    async def _inspect(self, _: requests.Inspect) -> requests.Inspection:
        await asyncio.to_thread(refuse_bad_disks, self._journal.root, self._journal.folder.parent)
        manager = await self._host.networkmanager(device_names=True)
        return requests.Inspection(manager, self._now(), self._boot())

    async def _wait(self, request: requests.Wait) -> None:
        if request.checkpoint and request.checkpoint not in self._told:
            self._told.add(request.checkpoint)
            devices = ", ".join(request.devices) or "no device"
            note = f"waiting for the checkpoint {request.checkpoint} of another process ({devices})"
            self._notify(FOREIGN_CHECKPOINT, note)
        await self._clock.sleep(request.seconds)

    # --- The journal ------------------------------------------------------------------------------------------

    async def _open(self, _: requests.Open) -> requests.Leftover | requests.TakenBack | None:
        record = await asyncio.to_thread(self._journal.read)
        if record is None:
            states = await asyncio.to_thread(self._journal.states_taken_back)
            return requests.TakenBack(bytes(states.before), bytes(states.desired)) if states else None
        states = await asyncio.to_thread(self._journal.states)
        manager = await self._host.networkmanager()
        taken = await asyncio.to_thread(self._journal.taken)
        return requests.Leftover(record, states, manager, taken, self._boot())

    async def _write_journal(self, request: requests.WriteJournal) -> None:
        await asyncio.to_thread(self._journal.open, request.record, request.before, request.desired)

    async def _note_checkpoint(self, request: requests.NoteCheckpoint) -> None:
        await asyncio.to_thread(self._journal.note, request.record)

    async def _close_journal(self, _: requests.CloseJournal) -> None:
        await asyncio.to_thread(self._journal.close)

    async def _retire_journal(self, request: requests.RetireJournal) -> None:
        await asyncio.to_thread(self._journal.retire, request.why)

    # --- The change -------------------------------------------------------------------------------------------

    async def _apply(self, request: requests.Apply) -> None:
        try:
            await self._host.apply(request.desired, rollback_seconds=request.rollback_seconds)
        finally:
            # The address may have moved under our feet: nothing that is connected now can be trusted.
            self._network_changed()

    async def _find_checkpoints(self, _: requests.FindCheckpoints) -> requests.Standing:
        manager = await self._host.networkmanager()
        return requests.Standing(manager, await asyncio.to_thread(self._journal.taken))

    async def _run_probes(self, request: requests.RunProbes) -> Any:
        runner, seconds = self._probes(request.plan), request.plan.total_seconds
        results = await runner.run(request.names, total_seconds=seconds, change=request.change)
        if any(result.milliseconds > LONG_AWAY_MILLISECONDS for result in results):
            # The network is back only now: whoever gave up meanwhile need not wait for his next try.
            self._network_changed()
        return results

    async def _commit(self, request: requests.Commit) -> None:
        await self._host.commit(request.checkpoint)

    async def _sync_profiles(self, _: requests.SyncProfiles) -> None:
        count = await asyncio.to_thread(sync_places, self._journal.root, KEPT)
        _log.debug("profiles synced", count=count)

    # --- The way back -----------------------------------------------------------------------------------------

    async def _roll_back(self, request: requests.RollBack) -> None:
        if request.foreign:
            self._told.discard(request.checkpoint)
            note = f"rolling back the checkpoint {request.checkpoint}, which another process left behind"
            self._notify(FOREIGN_CHECKPOINT_ROLLED_BACK, note)
        try:
            await self._host.rollback(request.checkpoint)
        finally:
            self._network_changed()

    async def _restart_networkmanager(self, _: requests.RestartNetworkManager) -> None:
        await asyncio.to_thread(self._journal.rearm, self._boot())
        try:
            await self._host.restart_networkmanager()
        finally:
            self._network_changed()
        if not await asyncio.to_thread(self._journal.restored):
            raise HostError("NotRestored", "NetworkManager was restarted, but the restore unit did not run before it")

    async def _revert(self, request: requests.Revert) -> None:
        try:
            await self._host.restore(await self._host.revert(request.desired, request.before))
        finally:
            self._network_changed()

    async def _put_back_files(self, _: requests.PutBackFiles) -> None:
        root, copies = self._journal.root, self._journal.folder / "files"
        if not await asyncio.to_thread(copies.is_dir):
            raise HostError("JournalIncomplete", "the copies of files are missing in the journal, none is put back")
        if paths := await asyncio.to_thread(differing, root, OUTSIDE, copies):
            _log.info("files put back", files=[str(path) for path in paths])
            await asyncio.to_thread(put_back, root, paths, copies)

    async def _mend(self, request: requests.Mend) -> None:
        _log.info("put back what lies outside the checkpoint", parts=list(request.parts))
        parts = dict(request.parts)
        if hostname := parts.pop("hostname", None):
            await self._host.set_hostname(**hostname)
        if names := parts.pop("alt-names", None):
            await self._host.set_alternative_names(names)
        remains: dict[str, Any] = {key: parts.pop(key) for key in ("routes", "route-rules") if key in parts}
        if remains:
            await self._host.take_out(remains)
            self._network_changed()
        if parts:
            await self._host.restore(msgspec.json.encode(parts))

    async def _difference(self, request: requests.Difference) -> bool:
        difference = msgspec.json.decode(await self._host.diff(request.desired, request.current))
        return any(difference.values())
