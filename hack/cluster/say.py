"""What the lab tells while it works: one line a step, with the time since the start."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Progress", "elapsed"]

TICK = 15.0  # seconds without a word are long: say what is still being waited for


def elapsed(seconds: float) -> str:
    """`7.2 s`, `1:05`: short, and easy to compare."""
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Progress:
    """Lines on stderr. Steps may run side by side in threads; each tells its end and how long it took."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._lock = threading.Lock()

    def tell(self, text: str) -> None:
        with self._lock:
            print(f"lab {time.monotonic() - self._start:6.1f} s  {text}", file=sys.stderr, flush=True)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Tell when `what` is done; long steps are told of now and then while they run."""
        began = time.monotonic()
        done = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(what, began, done), daemon=True)
        ticker.start()
        try:
            yield
        except BaseException:
            self.tell(f"{what}: failed after {elapsed(time.monotonic() - began)}")
            raise
        else:
            self.tell(f"{what}: {elapsed(time.monotonic() - began)}")
        finally:
            done.set()

    def _tick(self, what: str, began: float, done: threading.Event) -> None:
        while not done.wait(TICK):
            self.tell(f"{what} … {elapsed(time.monotonic() - began)} so far")
