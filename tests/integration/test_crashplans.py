"""Our controller and our operator die at their writes and come to the same end.

Here some points of one scenario each (CRASHPLAN_TURN=N chooses others); `hack/crashplans` does all of all.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

import pytest

from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.crashplan import CrashPlan, Life, Outcome, Scenario, in_process
from nmstate_k8s.testing.crashpoints import Point
from nmstate_k8s.testing.crashprocess import by_kill
from tests.integration import crashcertificates, crashoperator, crashpolicies
from tests.integration.crashthings import Wish

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio]

TURN: Final = int(os.environ.get("CRASHPLAN_TURN") or 0)
"""Which scenario, and which of its points: another turn, others."""
POINTS: Final = 4
"""Of a scenario, spread over all of it."""


def some(points: Sequence[Point]) -> list[Point]:
    """Some of them, from all of the scenario, others each turn."""
    step = max(1, len(points) // POINTS)
    return [points[(TURN + number * step) % len(points)] for number in range(min(POINTS, len(points)))]


async def strike(plan: CrashPlan, life: Life) -> None:
    """Some points; one that did not come this time (which of two was faster?) says nothing. A real kill takes long."""
    outcomes: list[Outcome] = []
    for point in some(plan.points):
        outcomes.append(await plan.strike(point, life))
        if life is by_kill and outcomes[-1].reached:
            break
    found = {str(each.point): each.differences for each in outcomes if each.differences}
    assert not found, f"{plan.scenario.name}, CRASHPLAN_TURN={TURN}: {found}"
    assert any(each.reached for each in outcomes), [str(each.point) for each in outcomes]


@pytest.mark.parametrize("life", [in_process, by_kill])
async def test_a_controller_that_a_crash_confuses_is_found_out(control_plane: ControlPlane, life: Life) -> None:
    """Between its two writes it knows something that the API server does not; a real kill shows the very same."""
    plan = await CrashPlan.record(
        Wish(control_plane.config, "careless"), control_plane.config, patience=4 if life is by_kill else 2
    )
    outcomes = {str(point): await plan.strike(point, life) for point in plan.points}
    assert all(each.reached for each in outcomes.values())
    assert {name: bool(each.differences) for name, each in outcomes.items()} == {
        "before POST /api/v1/namespaces/default/configmaps gift-1 #1": False,
        "after POST /api/v1/namespaces/default/configmaps gift-1 #1": True,
        "before PATCH /api/v1/namespaces/default/configmaps/wish #1": True,
        "after PATCH /api/v1/namespaces/default/configmaps/wish #1": False,
    }
    twice = outcomes["after POST /api/v1/namespaces/default/configmaps gift-1 #1"].differences
    assert any("ConfigMap default/gift-2 created: only in the second" in each for each in twice), twice


@pytest.mark.parametrize("life", [in_process, by_kill])
async def test_a_controller_that_finds_its_work_again_passes(control_plane: ControlPlane, life: Life) -> None:
    """All its writes, before and after."""
    plan = await CrashPlan.record(Wish(control_plane.config, "careful"), control_plane.config)
    assert len(plan.points) == 4
    for point in plan.points:
        outcome = await plan.strike(point, life)
        assert outcome.reached, point
        assert outcome.differences == [], point


@pytest.mark.parametrize("life", [in_process, by_kill])
async def test_the_controller_comes_to_the_same_end(control_plane: ControlPlane, crds: list[str], life: Life) -> None:
    """Policies, enactments, the rollout."""
    scenario = _turn(crashpolicies.scenarios(control_plane))
    plan = await CrashPlan.record(scenario, control_plane.config)
    await strike(plan, life)


@pytest.mark.parametrize("life", [in_process, by_kill])
async def test_the_operator_comes_to_the_same_end(plane: ControlPlane, life: Life) -> None:
    """The installation, and what others do to it."""
    scenario = _turn(crashoperator.scenarios(plane))
    plan = await CrashPlan.record(scenario, plane.config)
    await strike(plan, life)


async def test_certificates_come_to_the_same_end(control_plane: ControlPlane, crds: list[str]) -> None:
    """Made, renewed, healed: the Secret and whom the webhooks trust."""
    scenario = _turn(crashcertificates.scenarios(control_plane))
    plan = await CrashPlan.record(scenario, control_plane.config)
    await strike(plan, in_process)


def _turn(scenarios: Sequence[Scenario]) -> Scenario:
    return scenarios[TURN % len(scenarios)]
