"""A machine in a folder: its files, its links, its journal, and `restore.sh` run on it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nmstate_k8s.domain.host.journal import Journal, Record

PROFILES = "etc/NetworkManager/system-connections"
_IP = """#!/bin/sh
echo "$*" >> "$NMSTATE_RESTORE_ROOT/ip.log"
"""


@dataclass
class Machine:
    """One machine that booted as `boot-1`."""

    root: Path
    links: list[tuple[int, str]] = field(default_factory=lambda: [(1, "lo"), (2, "eth0"), (3, "eth1")])

    def __post_init__(self) -> None:
        for folder in (PROFILES, "etc/NetworkManager/dispatcher.d", "etc/systemd/network", "var/lib/NetworkManager"):
            (self.root / folder).mkdir(parents=True)
        for folder in ("proc/sys/kernel/random", "run/NetworkManager/devices", "var/k8s_nmstate", "bin"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "bin/ip").write_text(_IP)
        (self.root / "bin/ip").chmod(0o755)
        self.boot("boot-1")
        for index, name in self.links:
            self.link(name, index)

    @property
    def journal(self) -> Journal:
        return Journal(self.root / "var/k8s_nmstate/journal", root=self.root, links=lambda: self.links)

    def boot(self, identity: str) -> None:
        (self.root / "proc/sys/kernel/random/boot_id").write_text(f"{identity}\n")

    def link(self, name: str, index: int, *, mtu: int = 1500) -> None:
        """The kernel has this link from now on."""
        folder = self.root / "sys/class/net" / name
        folder.mkdir(parents=True, exist_ok=True)
        for key, value in {"ifindex": index, "mtu": mtu, "address": "02:00:00:00:00:01"}.items():
            (folder / key).write_text(f"{value}\n")

    def write(self, path: str, text: str, mode: int = 0o600) -> Path:
        file = self.root / path
        file.write_text(text)
        file.chmod(mode)
        return file

    def profile(self, name: str, interface: str, more: str = "") -> Path:
        return self.write(f"{PROFILES}/{name}", f"[connection]\ninterface-name={interface}\n{more}")

    def begin(self, desired: Any = None, **state: Any) -> None:
        """Open the journal of a change to `desired`."""
        interfaces = [{"name": name, "mtu": 1500, "mac-address": "02:00:00:00:00:01".upper()} for _, name in self.links]
        before = {"hostname": {"running": "node-1", "config": "node-1"}, "interfaces": interfaces, **state}
        record = Record(
            transaction="t1",
            policy="p1",
            generation=1,
            boot_id="boot-1",
            networkmanager=":1.7",
            checkpoints_before=(),
            begun=1,
        )
        self.journal.open(record, msgspec.json.encode(before), msgspec.json.encode(desired or {}))

    def files(self) -> dict[str, tuple[int, str]]:
        """All that could be changed: path to mode and content, or where a link points."""
        found = {}
        for folder in ("etc", "var/lib"):
            for path in sorted((self.root / folder).rglob("*")):
                if path.is_symlink():
                    found[str(path.relative_to(self.root))] = (0, str(path.readlink()))
                elif path.is_file():
                    found[str(path.relative_to(self.root))] = (path.stat().st_mode & 0o777, path.read_text())
        return found

    def ip(self) -> list[str]:
        """What the script told the kernel."""
        log = self.root / "ip.log"
        return log.read_text().splitlines() if log.exists() else []

    def restore(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """NetworkManager is about to be started."""
        script = self.root / "var/k8s_nmstate/journal/restore.sh"
        path = f"{self.root}/bin:{os.environ['PATH']}"
        return subprocess.run(
            ["sh", str(script)],
            env={"PATH": path, "NMSTATE_RESTORE_ROOT": str(self.root), **environment},
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)
