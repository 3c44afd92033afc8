"""The way to the supervisor of the running lab. Imports next to nothing, for the sake of `hack/lab exec`."""

from __future__ import annotations

import os
import socket

from .errors import LabError

__all__ = ["Unreachable", "connect", "open_socket", "running_lab"]

NO_LAB = "no lab is running; start one with `hack/lab up`"


class Unreachable(LabError):
    """There is no supervisor, or it does not answer."""


def running_lab() -> str:
    """The socket of the lab's supervisor: what `Paths.socket` says, without loading pathlib."""
    state = os.environ.get("XDG_STATE_HOME") or f"{os.environ.get('HOME', '/root')}/.local/state"
    return f"{state}/nmstate-k8s/lab/supervisor.sock"


def connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(10)
    try:
        connection.connect(path)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        connection.close()
        raise Unreachable(NO_LAB) from error
    except OSError as error:
        connection.close()
        raise Unreachable(f"the lab's supervisor does not answer ({error}); end it with `hack/lab down`") from error
    return connection


def open_socket(path: str) -> socket.socket:
    """A TCP socket that lives in the lab's network, not yet connected."""
    with connect(path) as connection:
        connection.sendall(b'{"op": "socket"}\n')
        _, fds, _, _ = socket.recv_fds(connection, 4096, 1)
    if not fds:
        raise Unreachable("the lab's supervisor gave no socket; see `hack/lab logs supervisor`")
    return socket.socket(fileno=fds[0])
