"""The talk between `hack/lab exec` and a node's agent."""

from __future__ import annotations

import itertools
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hack.cluster import agent, plan, supervisor_client
from hack.cluster.errors import LabError

NODE = plan.Node(1)
frames = st.lists(st.tuples(st.sampled_from([b"O", b"E", b"X"]), st.binary(max_size=300)), max_size=8)


@given(frames, st.lists(st.integers(0, 2500), max_size=10))
def test_frames_survive_any_splitting(sent: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    """However the bytes are split on their way, the same frames come out."""
    data = b"".join(agent.frame(kind, body) for kind, body in sent)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    receiver = agent.Frames()
    got = [frame for a, b in itertools.pairwise(edges) for frame in receiver.feed(data[a:b])]
    assert got == sent


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[socket.socket], None]], None]:
    """Puts a function in the place of a node's agent: it gets the other end of the connection."""

    def serve(behave: Callable[[socket.socket], None]) -> None:
        listener = socket.create_server(("127.0.0.1", 0))

        def run() -> None:
            with listener, listener.accept()[0] as connection:
                behave(connection)

        threading.Thread(target=run, daemon=True).start()
        monkeypatch.setattr(supervisor_client, "open_socket", lambda _path: socket.socket())
        monkeypatch.setattr(plan.Node, "management", "127.0.0.1")
        monkeypatch.setattr(plan, "AGENT_PORT", listener.getsockname()[1])

    return serve


def _received(connection: socket.socket, until: bytes) -> list[tuple[bytes, bytes]]:
    receiver = agent.Frames()
    got: list[tuple[bytes, bytes]] = []
    while not any(kind == until for kind, _ in got):
        got += receiver.feed(connection.recv(65536))
    return got


def test_arguments_arrive_one_by_one(peer: Callable[..., None]) -> None:
    """Blanks, quotes, newlines and bytes that are no text go through as they are."""
    words = ["sh", "-c", "echo 'a b'\n", "", os.fsdecode(b"\xff"), "ü"]
    seen: list[tuple[bytes, bytes]] = []

    def behave(connection: socket.socket) -> None:
        seen.extend(_received(connection, b"C"))
        connection.sendall(agent.frame(b"O", b"out") + agent.frame(b"E", b"err") + agent.frame(b"X", b"\x07"))

    peer(behave)
    assert agent.execute("", NODE, *words, stdin=b"in") == (7, b"out", b"err")
    assert dict(seen)[b"A"].split(b"\0")[:-1] == [os.fsencode(word) for word in words]
    assert dict(seen)[b"I"] == b"in"


def test_a_command_that_writes_while_it_reads_blocks_nobody(peer: Callable[..., None]) -> None:
    """More output than any buffer holds, sent before the input is read: both arrive whole."""
    size = 8 << 20
    total = 0

    def behave(connection: socket.socket) -> None:
        nonlocal total
        block = agent.frame(b"O", b"x" * 65536)
        for _ in range(size // 65536):
            connection.sendall(block)
        total = sum(len(body) for kind, body in _received(connection, b"C") if kind == b"I")
        connection.sendall(agent.frame(b"X", b"\0"))

    peer(behave)
    done = agent.execute("", NODE, "cat", stdin=b"y" * size)
    assert (done.status, len(done.stdout), total) == (0, size, size)


def test_a_node_that_goes_away_is_told(peer: Callable[..., None]) -> None:
    peer(lambda connection: None)
    with pytest.raises(LabError, match="node1 went away"):
        agent.execute("", NODE, "true")


def test_a_command_that_does_not_end_is_told(peer: Callable[..., None]) -> None:
    over = threading.Event()
    peer(lambda connection: over.wait(5) and None)
    with pytest.raises(LabError, match="did not end"):
        agent.execute("", NODE, "sleep", "9", timeout=0.1)
    over.set()


def test_without_a_lab_the_remedy_is_told(tmp_path: Path) -> None:
    with pytest.raises(supervisor_client.Unreachable, match="hack/lab up"):
        agent.execute(str(tmp_path / "none.sock"), NODE, "true")


def test_a_reader_that_has_seen_enough_is_not_the_node_gone(
    peer: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`hack/lab exec … | head -1`: our own broken pipe is told as such."""
    peer(lambda connection: connection.sendall(agent.frame(b"O", b"x")) or _received(connection, b"C"))

    def full(_fd: int, _data: bytes) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(agent, "_write", full)
    monkeypatch.setattr(agent, "_read", lambda _fd: b"")
    with pytest.raises(BrokenPipeError):
        agent.pass_through("", NODE, ["yes"], None)
