"""Ports that are found free stay free: nobody else gets them, neither from the kernel nor from us."""

import socket
import subprocess
import sys
from pathlib import Path

from nmstate_k8s.testing import ports
from nmstate_k8s.testing.ports import free_ports

ASK = "from nmstate_k8s.testing.ports import free_ports; print(*free_ports(20), flush=True); input()"


def test_the_kernel_gives_none_of_them_away() -> None:
    """Not to who binds port 0, and not to who connects, while whom they are for has yet to begin."""
    low, high = map(int, ports.RANGE.read_text().split())
    assert not [port for port in free_ports(50) if low <= port <= high]


def test_they_can_be_bound_and_all_differ() -> None:
    found = free_ports(20) + free_ports(20)
    assert len(set(found)) == 40
    for port in found:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", port))


def test_one_that_somebody_has_is_not_found() -> None:
    (port,) = free_ports(1)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", port))
        assert not ports._is_free(port)
    assert ports._is_free(port)


def test_no_two_processes_are_given_the_same() -> None:
    """As long as both live; afterwards they are free again."""
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", ASK], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        theirs = [int(port) for port in other.stdout.readline().split()]
        assert len(theirs) == 20
        assert not any(ports._hold(port) for port in theirs)
        other.communicate("\n")
    assert all(ports._hold(port) for port in theirs)
