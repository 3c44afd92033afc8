"""Read your own writes: no key is reconciled on a cache that is older than what its own reconciles wrote.

* Whatever a reconcile writes through a `Client` is noted for its key (`noting`). Before the key is reconciled
  again the controller asks `hold`: while an informer of the written kind has not come as far as the write, the
  key waits, and is released when it has. Other keys do not wait.
* So a stale cache causes neither a second create nor a decision on a state that we have changed ourselves.
* A watch that does not bring the write within `patience` seconds is not trusted: its informer lists anew, and a
  list that was begun after the write is not older than it. So no key waits for longer than it takes to get a
  list; while none is to be had, nothing could be written either.
  (A server that was restored from a backup makes informers list anew, too: what it has lost is not waited for.)
* A create without an answer, of an object whose name the server chooses, is waited for by a list: there is
  nothing else to look for. (With a name of your own it is no question: the next create is AlreadyExists.)
* Kinds that no followed informer holds are not waited for: nobody decides on a copy of them.

Versions of one kind are compared as numbers. The watch brings them in their order, so what the informer has seen
last tells of all that was before, in whatever object.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from nmstate_k8s.core.clock import SYSTEM_CLOCK, Clock
from nmstate_k8s.core.informer import Informer
from nmstate_k8s.core.objects import Key
from nmstate_k8s.core.writes import Kind, Write, collecting

__all__ = ["PATIENCE", "OwnWrites"]

PATIENCE: Final = 10.0
"""Seconds: watches bring a write within milliseconds; a minute without one is not unusual where nothing happens."""
RECHECK: Final = 0.5
"""Seconds between two looks at what no event tells of: lists, bookmarks, deletions, patience."""

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger(__name__)


class _Followed:
    """An informer, and who waits for it."""

    def __init__(self, informer: Informer) -> None:
        self.informer = informer
        self._heap: list[tuple[int, Key]] = []
        self._waiting: dict[Key, int] = {}

    def wait(self, version: int, key: Key) -> None:
        """The key may go on at that version. However often it is said, it is kept once."""
        if self._waiting.get(key) != version:
            self._waiting[key] = version
            heapq.heappush(self._heap, (version, key))

    def due(self, version: int) -> Iterator[Key]:
        """Who may go on now that the informer has come to that version."""
        while self._heap and self._heap[0][0] <= version:
            at, key = heapq.heappop(self._heap)
            if self._waiting.get(key) == at:
                del self._waiting[key]
                yield key

    def forget(self) -> None:
        """Nobody waits."""
        self._heap.clear()
        self._waiting.clear()

    def __len__(self) -> int:
        return len(self._heap)


class _Pending:
    """A write that an informer has not been seen to have."""

    __slots__ = ("_list", "followed", "write")

    def __init__(self, write: Write, followed: _Followed) -> None:
        self.write = write
        self.followed = followed
        self._list = followed.informer.lists_begun

    def seen(self) -> bool:
        """Whether the informer's store is no older than the write."""
        write, informer = self.write, self.followed.informer
        if informer.lists > self._list:
            return True
        if write.kind is Kind.LOST or informer.version < write.version:
            return False
        if write.kind is Kind.WRITTEN:
            return True
        found = informer.store.get(write.key)
        return found is None or found.uid != (write.uid or found.uid) or found.metadata.deletion_timestamp is not None


class OwnWrites:
    """What the reconciles of one controller wrote, and who waits to see it."""

    def __init__(
        self, release: Callable[[Key], None], *, patience: float = PATIENCE, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """`release` is called with a key that was held, when it need not wait any more."""
        self._release = release
        self._patience = patience
        self._clock = clock
        self._followed: dict[Informer, _Followed] = {}
        self._pending: dict[Key, list[_Pending]] = {}
        self._held: dict[Key, float] = {}
        self._sweep_at = 64
        self._timer: asyncio.TimerHandle | None = None

    def follow(self, informer: Informer) -> None:
        """Reconciles decide on what this informer holds."""
        if informer not in self._followed:
            followed = self._followed[informer] = _Followed(informer)
            informer.add_handler(lambda _: self._advanced(followed))

    @contextmanager
    def noting(self, key: Key) -> Iterator[None]:
        """Note what is written within: the reconcile of `key`."""
        with collecting(lambda write: self._note(key, write)):
            yield

    def hold(self, key: Key) -> bool:
        """Whether the key has to wait; if so, it is released later, once."""
        behind = self._behind(key)
        if not behind:
            self._held.pop(key, None)
            return False
        self._held.setdefault(key, self._clock.monotonic())
        first = behind[0]
        if first.write.kind is Kind.WRITTEN:
            first.followed.wait(first.write.version, key)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(RECHECK, self._recheck)
        return True

    def stop(self) -> None:
        """Nobody waits any more. What was written is remembered."""
        self._held.clear()
        for followed in self._followed.values():
            followed.forget()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _note(self, key: Key, write: Write) -> None:
        for followed in self._followed.values():
            if not followed.informer.may_hold(write.resource, write.key, write.labels):
                continue
            of_key = self._pending.setdefault(key, [])
            if write.kind is Kind.DELETED:
                # The store may not even have what we made before.
                before = [each.write.version for each in of_key if each.write.key == write.key]
                write = write._replace(version=max(before, default=0))
            of_key.append(_Pending(write, followed))
        if len(self._pending) > self._sweep_at:
            for each in tuple(self._pending):
                self._behind(each)
            self._sweep_at = 64 + 2 * len(self._pending)

    def _behind(self, key: Key) -> list[_Pending]:
        """The writes of the key that are not seen yet."""
        pending = self._pending.get(key)
        if not pending:
            return []
        left = [each for each in pending if not each.seen()]
        if left:
            self._pending[key] = left
        else:
            del self._pending[key]
        return left

    def _advanced(self, followed: _Followed) -> None:
        for key in tuple(followed.due(followed.informer.version)):
            self._let_go(key)

    def _let_go(self, key: Key) -> None:
        # It may be behind another write still: `hold` sees that.
        if key in self._held:
            self._release(key)

    def _recheck(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        for key, since in tuple(self._held.items()):
            behind = self._behind(key)
            if not behind:
                self._let_go(key)
                continue
            if now - since >= self._patience:
                self._list_anew(key, behind)
        if self._held:
            self._timer = asyncio.get_running_loop().call_later(RECHECK, self._recheck)

    def _list_anew(self, key: Key, behind: list[_Pending]) -> None:
        for informer in {each.followed.informer for each in behind}:
            if informer.lists_begun == informer.lists:  # none is under way
                kind = informer.resource.plural
                log.warning("the watch does not bring what we wrote, listing anew", resource=kind, key=str(key))
                informer.relist()
