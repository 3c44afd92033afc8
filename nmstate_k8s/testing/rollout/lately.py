"""How the nodes were a moment ago: a controller acts on what it was told, which may be some seconds old."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from typing import Any

from nmstate_k8s.testing.rollout.seen import SeenNode, SeenPod, selects

__all__ = ["Lately"]


@dataclass(frozen=True)
class _Was:
    """How a node was until a moment; None: not there."""

    until: float
    node: SeenNode | None


class Lately:
    """The nodes as they are (`now`), and as they were in the last `lag` seconds; whether a handler is on them, too."""

    def __init__(self, lag: float) -> None:
        self.lag = lag
        self.now: dict[str, SeenNode] = {}
        self._earlier: dict[str, deque[_Was]] = {}
        self._pods: dict[tuple[str, str], str] = {}
        """Nodes by the handler pods that are on them."""

    def see(self, node: SeenNode, gone: bool, at: float) -> None:
        """A version of a node."""
        self._become(node.name, None if gone else replace(node, handler=self._runs_handler(node.name)), at)

    def see_pod(self, pod: SeenPod, gone: bool, at: float) -> None:
        """A version of a pod."""
        before = self._pods.pop(pod.key, "")
        if pod.node and not gone:
            self._pods[pod.key] = pod.node
        for name in {before, pod.node}:
            node = self.now.get(name)
            if node is not None and node.handler != self._runs_handler(name):
                self._become(name, replace(node, handler=not node.handler), at)

    def ever(self, name: str, at: float, holds: Callable[[SeenNode], bool]) -> bool:
        """Whether something was so for a moment, while the node was there."""
        return any(node is not None and holds(node) for node in self._of(name, at))

    def always(self, name: str, at: float, holds: Callable[[SeenNode], bool]) -> bool:
        """Whether something was so all the time."""
        return all(node is not None and holds(node) for node in self._of(name, at))

    def surely_matches(self, spec: Mapping[str, Any], name: str, at: float) -> bool:
        """Whether the policy was for that node all the time: selected, with a handler on it."""
        return self.always(name, at, lambda node: node.handler and selects(spec, node))

    def matching(self, spec: Mapping[str, Any], at: float, known: Set[str]) -> range:
        """How many nodes a policy may be thought to be for: at least, at most, and all between.

        A handler that is replaced takes nothing away at once: nodes with an enactment (`known`) may count without one.
        News of nodes and of pods come by ways of their own: each may be older than the other.
        """
        least = sum(self.surely_matches(spec, name, at) for name in self._earlier)
        most = sum(
            (name in known or self.ran_handler(name, at)) and self.ever(name, at, lambda node: selects(spec, node))
            for name in self._earlier
        )
        return range(least, most + 1)

    def ran_handler(self, name: str, at: float) -> bool:
        """Whether a handler was on that node for a moment."""
        return self.ever(name, at, lambda node: node.handler)

    def handlers(self, at: float) -> int:
        """How many nodes ran a handler at some moment."""
        return sum(self.ran_handler(name, at) for name in self._earlier)

    def _runs_handler(self, name: str) -> bool:
        return name in self._pods.values()

    def _become(self, name: str, node: SeenNode | None, at: float) -> None:
        earlier = self._earlier.setdefault(name, deque())
        earlier.append(_Was(at, self.now.pop(name, None)))
        while earlier[0].until < at - self.lag:
            earlier.popleft()
        if node is not None:
            self.now[name] = node

    def _of(self, name: str, at: float) -> Iterator[SeenNode | None]:
        yield self.now.get(name)
        for was in self._earlier.get(name, ()):
            if was.until >= at - self.lag:
                yield was.node
