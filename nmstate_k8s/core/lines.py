"""Chunks of bytes in, whole lines out.

* Every byte up to the last newline comes out exactly once, in order, however the chunks were cut.
* A line may be larger than any buffer limit (an object of 1.5 MB is one line of a watch); the cost stays
  proportional to the bytes.
"""

__all__ = ["LineSplitter"]


class LineSplitter:
    """Feed it chunks; it gives the lines that are complete, without their newline and without empty ones."""

    def __init__(self) -> None:
        self._pending: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that this chunk completes."""
        first, *others = chunk.split(b"\n")
        if not others:
            self._pending.append(first)
            return []
        self._pending.append(first)
        lines = [b"".join(self._pending), *others[:-1]]
        self._pending = [others[-1]]
        return [line for line in lines if line]

    @property
    def torn(self) -> bool:
        """Whether a line was begun and not ended."""
        return any(self._pending)
