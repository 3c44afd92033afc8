"""The supervisor: parts start, end and start again, whatever it is that they do."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hack.cluster import processes
from hack.cluster.errors import LabError
from hack.cluster.locks import end_holder, exclusive
from hack.cluster.paths import SOURCE, Paths
from hack.cluster.session import Session


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A supervisor without namespaces of its own, so that no root is needed."""
    paths = Paths(tmp_path / "cache", tmp_path / "state")
    paths.logs.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        argv = [sys.executable, "-I", str(SOURCE / "__main__.py"), "_serve", str(listener.fileno()), str(paths.socket)]
        with subprocess.Popen(argv, pass_fds=[listener.fileno()]) as process:
            start = processes.start_time(process.pid)
            assert start is not None
            session = Session(paths, process.pid, start, 0)
            session.await_supervisor()
            yield session
            for name in session.parts():
                session.end(name)
            process.kill()


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)


def spawn(session: Session, name: str, script: str, *, restart: bool = False, piped: bool = False) -> Path:
    log = session.paths.logs / f"{name}.log"
    session.spawn(name, ["sh", "-c", script], log=log, restart=restart, piped=piped)
    return log


def test_a_part_runs_once(session: Session) -> None:
    """Starting what runs changes nothing; starting what ended starts it."""
    argv, log = ["sleep", "60"], session.paths.logs / "a.log"
    assert session.spawn("a", argv, log=log)
    assert not session.spawn("a", argv, log=log)
    session.end("a")
    assert session.spawn("a", argv, log=log)


def test_what_ends_by_itself_is_started_anew(session: Session) -> None:
    log = spawn(session, "restless", "echo here; exit 3", restart=True)
    until(lambda: log.read_text().count("here") >= 2)
    assert session.parts()["restless"]["starts"] >= 2


def test_what_was_ended_on_purpose_stays_ended(session: Session) -> None:
    spawn(session, "part", "exec sleep 60", restart=True)
    session.end("part", signal.SIGTERM)
    assert not session.running("part")
    assert session.parts()["part"]["status"] == -signal.SIGTERM


def test_ending_a_part_ends_its_children_too(session: Session) -> None:
    """A kernel process has helpers; a power cut must leave none that could still write."""
    log = spawn(session, "family", "sleep 61 & sleep 62 & echo $!; wait")
    until(lambda: log.read_text().strip() != "")
    child = int(log.read_text())
    session.end("family")
    assert processes.start_time(child) is None


def test_a_part_counts_as_running_while_a_child_of_it_lives(session: Session) -> None:
    log = spawn(session, "parent", "sleep 63 & echo ready; exit 0")
    until(lambda: log.read_text() == "ready\n" and session.parts()["parent"]["status"] == 0)
    assert session.running("parent")


def test_piped_output_reaches_the_log(session: Session) -> None:
    log = spawn(session, "piped", "test -p /proc/self/fd/1 && echo through a pipe", piped=True)
    until(lambda: "through a pipe" in log.read_text())


def test_a_program_that_is_missing_is_told(session: Session) -> None:
    with pytest.raises(LabError, match="no-such-program"):
        session.spawn("ghost", ["no-such-program"], log=session.paths.logs / "ghost.log")


HOLDER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from hack.cluster.paths import Paths
from hack.cluster.locks import exclusive
with exclusive(Paths(Path(), Path(sys.argv[2]))):
    print("held", flush=True)
    sys.stdin.read()
    os._exit(9)  # as if killed: the lock is not given back by us
"""


def test_one_command_at_a_time(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The second waits, says for whom, and goes on when the first has ended, however it did."""
    paths = Paths(tmp_path / "cache", tmp_path / "state/lab")
    argv = [sys.executable, "-c", HOLDER, str(SOURCE.parents[1]), str(paths.state)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        threading.Timer(0.3, holder.stdin.close).start()
        with exclusive(paths):
            assert holder.wait() == 9
    assert f"waiting for process {holder.pid}" in capfd.readouterr().err


def test_down_ends_the_up_that_is_under_way(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Not by a number alone: whoever holds the lock is ended, and only while it does."""
    paths = Paths(tmp_path / "cache", tmp_path / "state/lab")
    assert not end_holder(paths)
    argv = [sys.executable, "-c", HOLDER, str(SOURCE.parents[1]), str(paths.state)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert end_holder(paths)
        holder.wait()
    assert not end_holder(paths)
    assert f"process {holder.pid}" in capfd.readouterr().err
