"""Several tries at once, of which one success is enough."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

__all__ = ["AllFailed", "first_to_succeed"]

_T = TypeVar("_T")


class AllFailed(Exception):
    """None of them succeeded; the text says why, each reason once."""


async def first_to_succeed(
    tries: Iterable[Coroutine[Any, Any, _T]],
    expected: type[Exception],
    *,
    discard: Callable[[_T], None] = lambda _: None,
) -> _T:
    """What the quickest gives; the others are cancelled, and what they still gave is discarded.

    :raises AllFailed: each of them raised what is expected of failures.
    """
    running = [asyncio.ensure_future(each) for each in tries]
    reasons: list[str] = []
    winner: asyncio.Future[_T] | None = None
    try:
        pending = set(running)
        while pending and winner is None:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for ended in (each for each in running if each in done):
                error = ended.exception()
                if error is None:
                    winner = winner or ended
                elif isinstance(error, expected):
                    reasons.append(str(error))
                else:
                    raise error
        if winner is None:
            raise AllFailed("; ".join(dict.fromkeys(reasons)))
        return winner.result()
    finally:
        await _end([each for each in running if each is not winner], discard)


async def _end(losers: list[asyncio.Future[_T]], discard: Callable[[_T], None]) -> None:
    for loser in losers:
        loser.cancel()
    for result in await asyncio.gather(*losers, return_exceptions=True):
        if not isinstance(result, BaseException):
            discard(result)
