"""The journal: what a change is about to do and what the node looked like, on disk before anything changes.

    journal/            the change under way; not there: nothing is
      complete          what nmstate-k8s-restore.service looks for
      restore.sh        puts the node back; made with the journal, so that the two always fit
      transaction.json  the `Record`
      states.json       the state before, and the desired one
      facts, files/, volatile/, openvswitch   for the script (`parachute.facts`, `.copies`, `.openvswitch`)
      restoring         NetworkManager was started meanwhile, and the script has begun
      restored          … and has ended: `boot` or `nm-restart`
    restored/           a change that was taken back without its handler: waits to be told on the enactment

- One change at most, because there is one transaction at most (`lock.NodeLock`).
- `open` returns when all of it is on the disk: it is written beside, synced, and renamed. After a power cut there is
  a whole journal or none.
- A record names NetworkManager's bus name, the boot, and the checkpoints that were there before. With these a
  handler that was killed finds, when it starts again, the checkpoint that it left behind, and no other one.
- `close` and `retire` end it by one rename, and refuse where the script has begun: what is active then is not what
  was probed. The script in turn touches nothing before its mark is set in a journal that is still there.
- A journal of an unknown version, or one whose record cannot be read, is kept aside and reported, never acted upon:
  whose change it was is not known, so that it counts as whichever enactment says that it is under way. Where only the
  states cannot be read, they are kept aside, and the rest is good for a way back.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec

from nmstate_k8s.domain.desired.errors import HostError
from nmstate_k8s.domain.host.aside import remove, set_aside
from nmstate_k8s.domain.host.parachute.copies import KEPT, VOLATILE, copy_tree, sync_all, sync_folders, watched
from nmstate_k8s.domain.host.parachute.facts import Links, configured_hostname, facts
from nmstate_k8s.domain.host.parachute.openvswitch import openvswitch
from nmstate_k8s.domain.host.parachute.remains import foreseen
from nmstate_k8s.domain.host.protocol import Checkpoint, NetworkManager

__all__ = ["UNREADABLE", "Interrupted", "Journal", "JournalTaken", "Record", "States"]

VERSION = 2
UNREADABLE = "unreadable"
"""Why an attempt has failed of which nothing more is known."""
_CORRUPT = (FileNotFoundError, NotADirectoryError, IsADirectoryError, msgspec.MsgspecError)
"""What reading says of something that is not what we wrote; a disk that does not answer is another matter."""


class JournalTaken(HostError):
    """NetworkManager was started with the journal in place: the node is being put back, or has been."""

    def __init__(self) -> None:
        super().__init__("NetworkManagerRestarted", "NetworkManager was restarted, and the node put back as it was")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction under way."""

    version: Annotated[int, msgspec.Meta(ge=VERSION, le=VERSION)] = VERSION
    transaction: str
    policy: str
    generation: int
    boot_id: str
    networkmanager: str
    """NetworkManager's unique bus name when the transaction began."""
    checkpoints_before: tuple[str, ...]
    begun: int
    """Milliseconds since boot."""
    checkpoint: str = ""
    """Ours, once it is known."""
    probes: tuple[str, ...] = ()
    """Those that worked before: whatever this transaction leaves behind has to pass them."""

    def left_over(self, networkmanager: NetworkManager, boot_id: str) -> str:
        """The path of the checkpoint that this transaction left behind; empty if there is none any more.

        Another boot or another NetworkManager: its checkpoints are gone, and paths count from 1 again.
        """
        if self.boot_id != boot_id or self.networkmanager != networkmanager.owner:
            return ""
        ours = [checkpoint for checkpoint in networkmanager.checkpoints if self._is_ours(checkpoint)]
        return ours[0].path if ours else ""

    def _is_ours(self, checkpoint: Checkpoint) -> bool:
        if self.checkpoint:
            return checkpoint.path == self.checkpoint and checkpoint.created >= self.begun
        return checkpoint.path not in self.checkpoints_before and checkpoint.created >= self.begun


class States(msgspec.Struct, frozen=True):
    """What a change goes from, and to."""

    before: msgspec.Raw
    desired: msgspec.Raw

    def __post_init__(self) -> None:
        """A state is an object, whatever else is JSON.

        :raises TypeError: if it is none, which msgspec makes its own error when it decodes.
        """
        if not all(bytes(state).lstrip().startswith(b"{") for state in (self.before, self.desired)):
            raise TypeError("no states of a network")


class Interrupted(NamedTuple):
    """A change that ended without its handler."""

    transaction: str
    """Empty: which one it was cannot be read any more."""
    why: str
    """What put the node back: boot, nm-restart, or handler; `UNREADABLE`: that is not known."""


class Journal:
    """The folder /var/k8s_nmstate/journal, or another one."""

    def __init__(
        self,
        folder: Path,
        *,
        root: Path = Path("/"),
        lock: Path | None = None,
        links: Callable[[], Links] = socket.if_nameindex,
    ) -> None:
        self.folder = folder
        self.root = root
        self._links = links
        self._lock = lock or folder.with_name("handler_lock")
        self._fresh = folder.with_name(f"{folder.name}.tmp")
        self._closing = folder.with_name(f"{folder.name}.closing")
        self._restored = folder.with_name("restored")
        self._lost = False
        """Whether a change was under way of which nothing can be read any more."""

    def read(self) -> Record | None:
        """The transaction under way, if there is one.

        :raises OSError: if the disk does not let us read.
        """
        if not self.folder.exists():
            return None
        try:
            return msgspec.json.decode((self.folder / "transaction.json").read_bytes(), type=Record)
        except _CORRUPT as error:
            if self.folder.exists():  # else the script has just renamed it
                self._lose(self.folder, error)
            return None

    def states(self) -> States | None:
        """What the transaction under way goes from, and to; None: that cannot be read, and is kept aside.

        :raises OSError: if the disk does not let us read.
        """
        return self._states(self.folder)

    def states_taken_back(self) -> States | None:
        """What a change that was taken back, and is not told yet, went from and to, where that is known."""
        return self._states(self._restored) if self._restored.is_dir() else None

    def _states(self, folder: Path) -> States | None:
        try:
            return msgspec.json.decode((folder / "states.json").read_bytes(), type=States)
        except _CORRUPT as error:
            set_aside(folder / "states.json", error, folder=folder.parent)
            return None

    def _lose(self, folder: Path, error: Exception) -> None:
        set_aside(folder, error)
        self._lost = True

    def open(self, record: Record, before: bytes, desired: bytes) -> None:
        """Put the journal on the disk: when this returns, the change may begin.

        What was taken back earlier and is not told yet must be known to the caller: it is forgotten here.

        :raises OSError: if it could not be put there; then nothing may be changed on the node.
        """
        fresh = self._fresh
        for stale in (fresh, self._closing, self._restored):
            remove(stale)
        try:
            self._write(fresh, record, before, desired)
        except OSError:
            remove(fresh)
            raise
        fresh.rename(self.folder)
        sync_folders({self.folder.parent})

    def _write(self, fresh: Path, record: Record, before: bytes, desired: bytes) -> None:
        fresh.mkdir(parents=True, mode=0o700)
        (fresh / "files").mkdir()
        meant = msgspec.json.decode(desired)
        texts = {
            "complete": b"",
            "restore.sh": resources.files("nmstate_k8s.domain.host.parachute").joinpath("restore.sh").read_bytes(),
            "transaction.json": msgspec.json.encode(record),
            "states.json": msgspec.json.encode(States(msgspec.Raw(before), msgspec.Raw(desired))),
            "facts": self._facts(record, before, meant),
            "openvswitch": openvswitch(before, meant),
        }
        if hostname := configured_hostname(before, meant):
            (fresh / "files/etc").mkdir()
            texts["files/etc/hostname"] = f"{hostname}\n".encode()
        for name, text in texts.items():
            (fresh / name).write_bytes(text)
        made = copy_tree(self.root, KEPT, fresh / "files") + copy_tree(self.root, VOLATILE, fresh / "volatile")
        sync_all([*(fresh / name for name in texts), *dict.fromkeys([*made, fresh / "files", fresh])])

    def _facts(self, record: Record, before: bytes, meant: Any) -> bytes:
        links, seen = self._links(), watched(self.root)
        gone = "".join(f"leave {line}\n" for line in foreseen(before, meant))
        return facts(before, meant, boot_id=record.boot_id, lock=self._lock, links=links, watched=seen) + gone.encode()

    def note(self, record: Record) -> None:
        """The record in place of the one that is there. Matters within this boot only, so it is not synced."""
        fresh = self.folder / "transaction.json.tmp"
        fresh.write_bytes(msgspec.json.encode(record))
        fresh.rename(self.folder / "transaction.json")

    def taken(self) -> bool:
        """Whether NetworkManager was started with this journal in place, and the change so taken back."""
        return (self.folder / "restoring").exists() or not self.folder.exists()

    def close(self) -> None:
        """The change has ended well, or has been taken back: no journal any more, also after a power cut.

        :raises JournalTaken: if the script has begun; the journal is still there.
        """
        if self.folder.exists() or self._restored.exists():
            self._end(self._closing)
            remove(self._closing)

    def retire(self, why: str) -> None:
        """The change was taken back, and its enactment is to be told so, if need be by the next handler.

        :raises JournalTaken: as `close`.
        """
        if not self.folder.exists():
            return  # the script has done it
        (self.folder / "restored").write_text(f"{why}\n")
        remove(self._restored)
        self._end(self._restored)

    def _end(self, target: Path) -> None:
        remove(target)
        try:
            self.folder.rename(target)
        except FileNotFoundError:
            raise JournalTaken from None
        if (target / "restoring").exists():
            target.rename(self.folder)
            raise JournalTaken
        sync_folders({target.parent})

    def rearm(self, boot_id: str) -> None:
        """Before NetworkManager is restarted on purpose: what the kernel has is of this boot, marks are of no account.

        A journal of an earlier boot was not acted upon when this boot began.
        """
        self._unmark()
        path, fresh = self.folder / "facts", self.folder / "facts.tmp"
        rest = [line for line in path.read_text().splitlines() if not line.startswith("boot ")]
        fresh.write_text("\n".join([f"boot {boot_id}", *rest, ""]))
        fresh.rename(path)

    def restored(self) -> bool:
        """Whether the script has ended; its marks are taken away, the next one counts anew."""
        done = (self.folder / "restored").exists() or (not self.folder.exists() and self._restored.exists())
        if done:
            self._unmark()
        return done

    def _unmark(self) -> None:
        for mark in ("restoring", "restored"):
            (self.folder / mark).unlink(missing_ok=True)

    def interrupted(self) -> Interrupted | None:
        """A change that was taken back, or of which nothing can be read any more, and that is not told yet."""
        try:
            record = msgspec.json.decode((self._restored / "transaction.json").read_bytes(), type=Record)
            return Interrupted(record.transaction, self._why() or "boot")
        except _CORRUPT as error:
            if self._restored.exists():
                self._lose(self._restored, error)
        return Interrupted("", UNREADABLE) if self._lost else None

    def _why(self) -> str:
        try:
            return (self._restored / "restored").read_text(errors="replace").strip()
        except (FileNotFoundError, IsADirectoryError):
            return ""

    def told(self) -> None:
        """The enactment says what happened."""
        self._lost = False
        remove(self._restored)
