"""How the nodes were a moment ago: a controller acts on what it was told, which may be some seconds old."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nmstate_k8s.testing.rollout.seen import SeenNode, selects

__all__ = ["Lately"]


@dataclass(frozen=True)
class _Was:
    """How a node was until a moment; None: not there."""

    until: float
    node: SeenNode | None


class Lately:
    """The nodes as they are (`now`), and as they were in the last `lag` seconds."""

    def __init__(self, lag: float) -> None:
        self.lag = lag
        self.now: dict[str, SeenNode] = {}
        self._earlier: dict[str, deque[_Was]] = {}

    def see(self, node: SeenNode, gone: bool, at: float) -> None:
        """A version of a node."""
        earlier = self._earlier.setdefault(node.name, deque())
        earlier.append(_Was(at, self.now.get(node.name)))
        while earlier[0].until < at - self.lag:
            earlier.popleft()
        if gone:
            self.now.pop(node.name, None)
        else:
            self.now[node.name] = node

    def ever(self, name: str, at: float, holds: Callable[[SeenNode], bool]) -> bool:
        """Whether something was so for a moment, while the node was there."""
        return any(node is not None and holds(node) for node in self._of(name, at))

    def always(self, name: str, at: float, holds: Callable[[SeenNode], bool]) -> bool:
        """Whether something was so all the time."""
        return all(node is not None and holds(node) for node in self._of(name, at))

    def selected(self, spec: Mapping[str, Any], at: float) -> range:
        """How many nodes a policy may be thought to select: at least, at most, and all between."""
        least = sum(self.always(name, at, lambda node: selects(spec, node)) for name in self._earlier)
        most = sum(self.ever(name, at, lambda node: selects(spec, node)) for name in self._earlier)
        return range(least, most + 1)

    @property
    def known(self) -> int:
        """How many nodes there ever were."""
        return len(self._earlier)

    def _of(self, name: str, at: float) -> Iterator[SeenNode | None]:
        yield self.now.get(name)
        for was in self._earlier.get(name, ()):
            if was.until >= at - self.lag:
                yield was.node
