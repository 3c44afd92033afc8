"""Notes what blocks the event loop: a read of a file, a lock, `time.sleep`, a socket that waits.

* A blocking call that a coroutine or a callback of `scanned` packages makes (itself or through a library) while a
  loop runs in the thread is noted, with where it came from, and carried out. It is not made to fail: code that
  contains errors, as a controller does, would hide that, and code that tries again would never end.
* A test that blocks its own loop, to prepare something, harms nobody.
* Threads are free to block: that is what they are for.

Needs the package `blockbuster`, which knows the calls that block. Use it around each test with a loop (the calls
are replaced by others meanwhile, which not all synchronous code likes), and `check` afterwards.
"""

import importlib
import inspect
import linecache
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Final, Self

import blockbuster.blockbuster
import prometheus_client.process_collector
import structlog
from blockbuster import BlockBuster, BlockBusterFunction

__all__ = ["LoopGuard"]

_COROUTINE: Final = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_HARMLESS: Final = (
    str(Path(structlog.__file__).parent),
    linecache.__file__,
    prometheus_client.process_collector.__file__,
    "<frozen importlib",
)
"""What shows an exception reads sources for it; what is imported late is read once; /proc is the kernel's memory."""
_OURS: Final = (__file__, blockbuster.blockbuster.__file__)
FRAMES: Final = 6
"""Of a blocking call, how much is shown of how it came about."""


class LoopGuard:
    """A context manager: within it nobody blocks unseen."""

    def __init__(self, scanned: Sequence[str], *, free: Sequence[str] = ()) -> None:
        """`scanned` names the packages whose calls count, `free` those in them whose calls do not."""
        self._scanned = tuple(str(_folder(package)) for package in scanned)
        self._free = tuple(str(_folder(package)) for package in free)
        self._buster = BlockBuster()
        for function in self._buster.functions.values():
            function.can_block_predicate = self._judge(function, function.can_block_predicate)
        self.blocked: list[str] = []

    def __enter__(self) -> Self:
        self._buster.activate()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._buster.deactivate()

    def check(self) -> None:
        """
        :raises AssertionError: naming what blocked the loop, and who called it.
        """
        assert not self.blocked, "the event loop was blocked by " + "\n".join(self.blocked)

    def _judge(self, function: BlockBusterFunction, harmless: Callable[..., bool]) -> Callable[..., bool]:
        def may_block(*args: Any, **kwargs: Any) -> bool:
            if not harmless(*args, **kwargs) and self._counts(function):
                frames = [each for each in traceback.extract_stack() if each.filename not in _OURS][-FRAMES:]
                self.blocked.append(f"{function.full_name}, called from\n{''.join(traceback.format_list(frames))}")
            return True

        return may_block

    def _counts(self, function: BlockBusterFunction) -> bool:
        """Whether a coroutine or a callback of ours makes the call, and it is not known to be harmless."""
        whose: str | None = None
        callback = False
        for frame in _stack():
            name = frame.f_code.co_filename
            if name.startswith(_HARMLESS):
                return False
            for file, names in function.can_block_functions:
                if name.endswith(file) and frame.f_code.co_name in names:
                    return False
            if whose is None and frame.f_code.co_flags & _COROUTINE:
                whose = name
            callback = callback or self._ours(name)
        return callback if whose is None else self._ours(whose)

    def _ours(self, file: str) -> bool:
        return file.startswith(self._scanned) and not file.startswith(self._free)


def _stack() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _folder(package: str) -> Path:
    return Path(str(importlib.import_module(package).__file__)).parent
