"""Commands in a node, by its agent: a way in that does not depend on the node's network (see guest/src/agent.c).

`supervisor` is the path of the running lab's socket. Imports little: each `hack/lab exec` comes through here.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from . import plan, supervisor_client
from .errors import LabError

__all__ = ["Done", "Frames", "answers", "execute", "frame", "pass_through"]

HEAD = struct.Struct("!cI")
CHUNK = 1 << 16
Sink = Callable[[bytes, bytes], None]


def frame(kind: bytes, data: bytes = b"") -> bytes:
    return HEAD.pack(kind, len(data)) + data


class Frames:
    """Splits what arrives into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        self._buffer += data
        found = []
        while len(self._buffer) >= HEAD.size:
            kind, size = HEAD.unpack_from(self._buffer)
            end = HEAD.size + size
            if len(self._buffer) < end:
                break
            found.append((kind, bytes(self._buffer[HEAD.size : end])))
            del self._buffer[:end]
        return found


class Done(NamedTuple):
    """How a command ended; a signal counts as 128 and its number, as in a shell."""

    status: int
    stdout: bytes
    stderr: bytes


def execute(
    supervisor: str, node: plan.Node, *argv: str, stdin: bytes = b"", timeout: float = 60, connect: float = 5
) -> Done:
    """Run a command in the node and collect what it writes."""
    output = {b"O": bytearray(), b"E": bytearray()}
    message = bytearray(_start(argv))
    for at in range(0, len(stdin), CHUNK):
        message += frame(b"I", stdin[at : at + CHUNK])
    message += frame(b"C")
    with _dial(supervisor, node, connect) as connection:
        deadline = time.monotonic() + timeout
        try:
            status = _exchange(connection, message, None, lambda kind, data: output[kind].extend(data), deadline)
        except TimeoutError as error:
            raise LabError(f"`{' '.join(argv)}` did not end in {node.name} within {timeout:.0f} s") from error
        except _Gone as error:
            raise LabError(f"{node.name} went away under `{argv[0]}` ({error})") from error
    return Done(status, bytes(output[b"O"]), bytes(output[b"E"]))


def pass_through(supervisor: str, node: plan.Node, argv: Sequence[str], terminal: tuple[int, int] | None) -> int:
    """Run a command with our own stdin, stdout and stderr, and return its status.

    `terminal`: give it a terminal of so many rows and columns; ours should be in raw mode.
    """
    outputs = {b"O": 1, b"E": 2}
    with _dial(supervisor, node, 10) as connection:
        try:
            message = bytearray(_start(argv, terminal))
            return _exchange(connection, message, 0, lambda kind, data: _write(outputs[kind], data), None)
        except _Gone as error:
            raise LabError(f"{node.name} went away under the command; see `hack/lab status`") from error


def answers(supervisor: str, node: plan.Node, *, timeout: float = 1) -> bool:
    """Whether the node runs commands now."""
    try:
        return execute(supervisor, node, "true", timeout=timeout, connect=timeout).status == 0
    except LabError:
        return False


def _dial(supervisor: str, node: plan.Node, timeout: float) -> socket.socket:
    connection = supervisor_client.open_socket(supervisor)
    connection.settimeout(timeout)
    try:
        connection.connect((node.management, plan.AGENT_PORT))
    except OSError as error:
        connection.close()
        raise LabError(f"{node.name} does not answer ({error}); is it on? See `hack/lab status`") from error
    connection.setblocking(False)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # A node that is cut says no farewell: without these, a command in it would be waited for for ever.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 3), (socket.TCP_KEEPINTVL, 2), (socket.TCP_KEEPCNT, 5)):
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 15_000)
    return connection


def _start(argv: Sequence[str], terminal: tuple[int, int] | None = None) -> bytes:
    arguments = b"".join(os.fsencode(word) + b"\0" for word in argv)
    wanted = frame(b"T", struct.pack("!HH", *terminal)) if terminal else b""
    return wanted + frame(b"A", arguments) + frame(b"G")


def _exchange(
    connection: socket.socket, pending: bytearray, stdin: int | None, sink: Sink, deadline: float | None
) -> int:
    """Send `pending` and then what comes from `stdin`; give output to `sink`; return the command's status.

    Never waits for one direction alone: a command that writes while it reads cannot block us.
    _Gone: the node went away. TimeoutError: the deadline has passed. What `sink` raises goes through.
    """
    frames = Frames()
    poll = select.poll()
    while True:
        poll.register(connection, select.POLLIN | (select.POLLOUT if pending else 0))
        if stdin is not None and not pending:
            poll.register(stdin, select.POLLIN)
        wait = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        events = dict(poll.poll(wait))
        if not events:
            raise TimeoutError
        if stdin is not None and stdin in events:
            data = _read(stdin)
            pending += frame(b"I", data) if data else frame(b"C")
            poll.unregister(stdin)
            stdin = stdin if data else None
        if events.get(connection.fileno(), 0) & select.POLLOUT:
            with _gone():
                del pending[: connection.send(pending)]
        if events.get(connection.fileno(), 0) & ~select.POLLOUT:
            with _gone():
                received = connection.recv(CHUNK)
            if not received:
                raise _Gone("the connection ended")
            for kind, body in frames.feed(received):
                if kind == b"X":
                    return body[0]
                sink(kind, body)


class _Gone(Exception):
    """The node went away under a command."""


@contextmanager
def _gone() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _Gone(str(error)) from error


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, CHUNK)
    except OSError:  # closed, or a folder: nothing to pass on, as for any command
        return b""


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
