"""How often a policy's status may be written."""

from hypothesis import given
from hypothesis import strategies as st

from nmstate_k8s.controllers.pace import BURST, INTERVAL, Pace


def test_the_first_write_need_not_wait() -> None:
    """Nothing was written before."""
    assert Pace().wait(0.0, urgent=False) == 0.0


def test_a_number_waits_for_a_second_after_the_last_write() -> None:
    """Changes in between become one write."""
    pace = Pace().written(10.0)
    assert pace.wait(10.25, urgent=False) == 0.75
    assert pace.wait(11.0, urgent=False) == 0.0


def test_a_new_phase_need_not_wait() -> None:
    """Who waits for Available is told at once."""
    pace = Pace().written(10.0)
    assert pace.wait(10.1, urgent=True) == 0.0


@given(st.lists(st.tuples(st.floats(0, 0.5), st.booleans()), max_size=200))
def test_on_average_there_is_one_write_a_second_at_most(changes: list[tuple[float, bool]]) -> None:
    """Whatever changes how often."""
    pace, now, writes = Pace(), 0.0, 0
    for passed, urgent in changes:
        now += passed
        if pace.wait(now, urgent=urgent) == 0.0:
            pace = pace.written(now)
            writes += 1
    assert writes <= BURST + now / INTERVAL + 1
