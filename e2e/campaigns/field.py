"""Where campaigns take place: the lab with the stack installed, its nodes at work side by side."""

from __future__ import annotations

import argparse
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from e2e.kit import Cluster, CommandFailed, Node, eventually
from e2e.kit.install import deploy, lab_or_exit

__all__ = ["arguments", "deployed", "journal_closed", "only_for", "over_nodes", "took_away"]

T = TypeVar("T")


def arguments(prog: str, description: str | None) -> argparse.ArgumentParser:
    """What every campaign understands."""
    parser = argparse.ArgumentParser(
        prog=prog, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object at the end")
    parser.add_argument("--nodes", type=int, default=2, help="how many nodes work at once (default 2)")
    parser.add_argument("--seed", type=int, default=0, help="of the order in which things are tried")
    return parser


def deployed(nodes: int, *, attempts: int = 1, probe_seconds: int = 60) -> Cluster:
    """The lab up and ours alone, this checkout installed, no policy there."""
    lab_or_exit(nodes=nodes)
    deploy("--set", f"NNCP_MAX_RETRIES={attempts}", "--probe-timeout", str(probe_seconds))
    cluster = Cluster()
    cluster.delete_policies()
    return cluster


def over_nodes(nodes: Iterable[Node], items: Iterable[T], work: Callable[[Node, T], None]) -> None:
    """Each item is worked on once, by whichever node is free.

    The first error is told at once and ends all, after what is under way.
    """
    left: queue.SimpleQueue[T] = queue.SimpleQueue()
    for item in items:
        left.put(item)
    errors: list[BaseException] = []

    def worker(node: Node) -> None:
        try:
            while not errors:
                try:
                    item = left.get_nowait()
                except queue.Empty:
                    return
                work(node, item)
        except BaseException as error:  # noqa: BLE001  (raised in the caller's thread below)
            errors.append(error)
            print(f"{node.name}:", file=sys.stderr)
            traceback.print_exception(error)

    threads = [threading.Thread(target=worker, args=(node,), name=node.name) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def only_for(node: Node) -> dict[str, str]:
    """The selector of one node."""
    return {"kubernetes.io/hostname": node.name}


@contextmanager
def took_away(cluster: Cluster, policy: str) -> Iterator[None]:
    """Afterwards neither the policy nor its enactments are there."""
    try:
        yield
    finally:
        cluster.delete("nncp", policy)
        eventually(f"the enactments of {policy} are gone", lambda: not cluster.enactments(policy), timeout=60)


def journal_closed(node: Node) -> bool:
    """Whether no transaction is open, neither in the journal nor at NetworkManager."""
    script = (
        "busctl get-property org.freedesktop.NetworkManager /org/freedesktop/NetworkManager "
        "org.freedesktop.NetworkManager Checkpoints; ls /var/k8s_nmstate/journal 2>/dev/null || true"
    )
    checkpoints, *files = node.sh(script).splitlines()
    return checkpoints.strip() == "ao 0" and not {"complete", "transaction.json"} & set(files)


def settled(node: Node, what: str, probe: Callable[[], bool], *, timeout: float) -> str:
    """Empty once the probe is true; else what did not come to be."""
    try:
        eventually(what, probe, timeout=timeout)
    except (AssertionError, CommandFailed) as error:
        return f"{node.name}: {str(error).splitlines()[0]}"
    return ""


def now() -> float:
    return time.monotonic()
