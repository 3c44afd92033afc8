"""A system bus of our own, and a NetworkManager on it that says only what it is told to say.

Enough of D-Bus's wire format (specification, "Message Protocol") to take a name and to emit PropertiesChanged.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Talker", "bus"]

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy></busconfig>"""
_CALL, _SIGNAL = 1, 4


@contextmanager
def bus(folder: Path) -> Iterator[Path]:
    """The socket of a bus that runs until the block ends."""
    path, config = folder / "bus", folder / "bus.conf"
    config.write_text(_CONFIG.format(path=path))
    command = ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as daemon:
        try:
            assert daemon.stdout is not None
            assert daemon.stdout.readline(), "the bus did not start"
            yield path
        finally:
            daemon.terminate()


class Talker:
    """A program on the bus under a name."""

    def __init__(self, path: Path, name: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(10)
        self._socket.connect(str(path))
        self._serial = 0
        self._socket.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
        assert self._socket.recv(4096).startswith(b"OK")
        self._socket.sendall(b"BEGIN\r\n")
        root = ("/org/freedesktop/DBus", "org.freedesktop.DBus")
        self._send(_CALL, *root, "Hello", to="org.freedesktop.DBus")
        body = _string(name)
        body += b"\0" * (-len(body) % 4) + struct.pack("<I", 0)
        self._send(_CALL, *root, "RequestName", "su", body, to="org.freedesktop.DBus")

    def changed(self, path: str, interface: str, properties: Mapping[str, str]) -> None:
        """Emit PropertiesChanged of these properties, which are strings."""
        body = _string(interface)
        entries = b""
        for name, value in properties.items():
            entries += b"\0" * (-len(entries) % 8) + _string(name)
            entries += b"\x01s\0"
            entries += b"\0" * (-len(entries) % 4) + _string(value)
        body += b"\0" * (-len(body) % 4) + struct.pack("<I", len(entries))
        body += b"\0" * (-len(body) % 8) + entries
        body += b"\0" * (-len(body) % 4) + struct.pack("<I", 0)
        self._send(_SIGNAL, path, "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as", body)

    def close(self) -> None:
        """Leave the bus."""
        self._socket.close()

    def _send(
        self, kind: int, path: str, interface: str, member: str, signature: str = "", body: bytes = b"", to: str = ""
    ) -> None:
        self._serial += 1
        fields = [(1, "o", path), (2, "s", interface), (3, "s", member)]
        fields += [(6, "s", to)] if to else []
        fields += [(8, "g", signature)] if signature else []
        array = b""
        for code, type_, value in fields:
            array += b"\0" * (-len(array) % 8) + struct.pack("<B", code) + b"\x01" + type_.encode() + b"\0"
            array += bytes([len(value)]) + value.encode() + b"\0" if type_ == "g" else _string(value)
        head = struct.pack("<cBBBIII", b"l", kind, 1, 1, len(body), self._serial, len(array)) + array
        self._socket.sendall(head + b"\0" * (-len(head) % 8) + body)


def _string(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode() + b"\0"
