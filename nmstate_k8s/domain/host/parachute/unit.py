"""The unit of systemd that runs `restore.sh` on the host before NetworkManager starts.

- It is there while a handler runs on the node, and while a journal is open: `removed` leaves it in that case.
- systemd reads its units anew only where it does not know this one, since that costs it a second.
- Where there is no systemd, `install` says so, and the handler restores at its own start.
"""

from __future__ import annotations

import asyncio
from importlib import resources
from pathlib import Path
from typing import Protocol

import structlog

from nmstate_k8s.domain.desired.errors import HostError
from nmstate_k8s.domain.host.parachute.copies import sync_all, sync_folders

__all__ = ["NETWORKMANAGER", "UNIT", "UNITS", "RestoreUnit", "Units"]

_log = structlog.get_logger(__name__)
NETWORKMANAGER = "NetworkManager.service"
UNIT = "nmstate-k8s-restore.service"
UNITS = Path("/etc/systemd/system")


class Units(Protocol):
    """systemd on this host (`nmstate_binding.LibnmstateHost`)."""

    async def unit_wants(self, unit: str) -> list[str]:
        """The units that a unit wants, as systemd knows it now."""

    async def reload_units(self) -> None:
        """systemd reads its units anew."""


class RestoreUnit:
    """The unit in a folder of units."""

    def __init__(self, units: Units, journal: Path, *, folder: Path = UNITS, wanted: bool = True) -> None:
        self._units = units
        self._journal = journal
        self._wanted = wanted
        self._file = folder / UNIT
        self._link = folder / f"{NETWORKMANAGER}.wants" / UNIT

    async def install(self) -> bool:
        """From now on NetworkManager does not start before an open journal is dealt with. Whether that is so."""
        if not self._wanted:
            return False
        try:
            known = UNIT in await self._units.unit_wants(NETWORKMANAGER)
            if await asyncio.to_thread(self._written) or not known:
                await self._units.reload_units()
                known = UNIT in await self._units.unit_wants(NETWORKMANAGER)
        except HostError as error:
            _log.warning("no systemd: after a power cut the node is put back when the handler starts", error=str(error))
            return False
        except OSError as error:
            _log.error("no restore unit: the node is put back when the handler starts", error=str(error))
            return False
        _log.info("the restore unit is installed", unit=str(self._file), known=known)
        return known

    def removed(self) -> bool:
        """Away with it, unless a journal is open. systemd forgets it with its next look at the units."""
        if self._journal.exists() or not self._file.exists():
            return False
        self._link.unlink(missing_ok=True)
        self._file.unlink()
        sync_folders({self._file.parent, self._link.parent})
        if not any(self._link.parent.iterdir()):
            self._link.parent.rmdir()
        _log.info("the restore unit is removed", unit=str(self._file))
        return True

    def _written(self) -> bool:
        """Whether anything had to be written."""
        text = self._text()
        same = self._file.exists() and self._file.read_text() == text
        linked = self._link.is_symlink() and self._link.resolve() == self._file.resolve()
        if same and linked:
            return False
        self._link.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_name(f".{UNIT}.tmp")
        fresh.write_text(text)
        fresh.chmod(0o644)
        sync_all([fresh])
        fresh.rename(self._file)
        self._link.unlink(missing_ok=True)
        self._link.symlink_to(f"../{UNIT}")
        sync_folders({self._file.parent, self._link.parent})
        return True

    def _text(self) -> str:
        template = resources.files("nmstate_k8s.domain.host.parachute").joinpath("restore.service").read_text()
        return template.replace("@JOURNAL@", str(self._journal)).replace("@FOLDER@", str(self._journal.parent))
