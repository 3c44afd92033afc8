"""The real controllers over a model of the API server, on virtual time: the short form of `hack/simulate`."""

import pytest

from nmstate_k8s.testing.rollout.simulation import simulate
from nmstate_k8s.testing.rollout.virtualtime import run_virtually

AT_ONCE = 20


@pytest.mark.parametrize("first", range(0, 100, AT_ONCE))
def test_whatever_happens_no_promise_is_broken_and_the_rollout_comes_to_its_end(first: int) -> None:
    """At every version; a seed that is red is told again by `hack/simulate --seeds 1 --first SEED`."""
    admissions = 0
    for seed in range(first, first + AT_ONCE):
        outcome = run_virtually(simulate(seed))
        assert not outcome.broken, (seed, outcome.broken, outcome.deeds)
        admissions += outcome.admissions
    assert admissions, "nothing was rolled out"


def test_the_same_seed_is_the_same_history() -> None:
    """Or nothing that it finds could be mended."""
    first, second = (run_virtually(simulate(7)) for _ in range(2))
    assert first == second
    assert first.deeds
