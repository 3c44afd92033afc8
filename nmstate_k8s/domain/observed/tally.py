"""Sums over objects, kept up to date: a change costs what the changed object brings, whatever else there is.

Nothing drifts: what an object brought is remembered and taken back as a whole before what it brings now is added.
"""

from __future__ import annotations

__all__ = ["Labels", "Tally"]

from collections.abc import Hashable, Iterator, Mapping

Labels = tuple[str, ...]
"""The values of a family's labels, in the family's order."""


class Tally:
    """One number for each combination of labels that some object brings."""

    def __init__(self) -> None:
        self._brought: dict[Hashable, Mapping[Labels, int]] = {}
        self._sums: dict[Labels, int] = {}

    def put(self, source: Hashable, brings: Mapping[Labels, int]) -> None:
        """What the object brings now, instead of what it brought before."""
        before = self._brought.get(source)
        if before == brings:
            return
        self.remove(source)
        if brings:
            self._brought[source] = brings
        for labels, number in brings.items():
            self._sums[labels] = self._sums.get(labels, 0) + number

    def remove(self, source: Hashable) -> None:
        """The object is gone."""
        for labels, number in self._brought.pop(source, {}).items():
            left = self._sums[labels] - number
            if left:
                self._sums[labels] = left
            else:
                del self._sums[labels]

    def __iter__(self) -> Iterator[tuple[Labels, int]]:
        return iter(self._sums.items())

    def __len__(self) -> int:
        return len(self._sums)
