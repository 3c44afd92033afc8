"""Failpoints: what the environment says happens where it says, and nowhere else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nmstate_k8s.domain.host.failpoints import FailpointReached, Failpoints


def test_failpoints_are_read_strictly() -> None:
    """A misspelt failpoint ends the program instead of testing nothing."""
    assert Failpoints.parse("").actions == {}
    assert Failpoints.parse("before-commit=kill, before-apply=once:delay:2").actions == {
        "before-commit": "kill",
        "before-apply": "once:delay:2",
    }
    with pytest.raises(ValueError, match="before-commit=explode"):
        Failpoints.parse("before-commit=explode")


@pytest.mark.asyncio
async def test_once_is_once_over_restarts(tmp_path: Path) -> None:
    """A failpoint that kills the first time only lets the next handler through."""
    for expected in (True, False):
        points = Failpoints.parse("x=once:error", tmp_path / "failpoints")
        if expected:
            with pytest.raises(FailpointReached):
                await points.reach("x")
        else:
            await points.reach("x")


@pytest.mark.asyncio
async def test_a_step_is_left_out_only_where_it_says_so() -> None:
    """Only `skip` leaves out what follows the point, and only at its own."""
    points = Failpoints.parse("before-sync=skip,before-apply=delay:0")
    assert await points.reach("before-sync")
    assert not await points.reach("before-apply")
    assert not await points.reach("before-commit")


@pytest.mark.asyncio
async def test_points_can_be_set_while_the_handler_runs(tmp_path: Path) -> None:
    """With `file` the file is read at each point, a point that holds lets go when told, and what was reached shows."""
    points, armed = Failpoints.parse("file", tmp_path), tmp_path / "armed"
    assert not await points.reach("before-probe")

    armed.write_text("before-probe=hold\n")
    held = asyncio.create_task(points.reach("before-probe"))
    await asyncio.wait({held}, timeout=0.2)
    assert not held.done()
    assert (tmp_path / "before-probe.reached").exists()
    armed.unlink()
    assert not await held

    armed.write_text("before-probe=error\n")
    with pytest.raises(FailpointReached):
        await points.reach("before-probe")
