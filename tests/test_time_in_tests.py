"""What tests outside of tests/integration hold themselves to: no real sleep, and no loop that nobody guards."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import starts_a_loop

HERE = Path(__file__).parent
FILES = [path for path in sorted(HERE.rglob("*.py")) if "integration" not in path.parts]
VIRTUAL = ("looptime", "run_virtually")
"""A file with one of these is on virtual time."""
DOUBLES = {
    "core/test_election_model.py": "a process's clock, on the model's time",
    "domain/host/conftest.py": "clocks that do not wait",
    "controllers/storykit.py": "is told within run_virtually",
}
"""Files whose `sleep` takes no time, though they do not say so."""
GUARD_ITSELF = {"testkit/test_loopguard.py": "shows that the guard sees it"}


def _sleeps(path: Path) -> Iterator[int]:
    """Lines that wait for time to go by. A loop that waits for a condition looks again after a while: that is none."""

    def walk(node: ast.AST, waiting: bool) -> Iterator[int]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call) and _is_sleep(child) and not waiting:
                yield child.lineno
            yield from walk(child, waiting or isinstance(child, ast.While))

    yield from walk(ast.parse(path.read_text()), False)


def _is_sleep(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    at_once = [getattr(argument, "value", None) for argument in call.args] == [0]
    return name == "sleep" and not at_once


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HERE)))
def test_nobody_sleeps_in_real_time(path: Path) -> None:
    """Time goes by at once (virtual), or a condition of the world is waited for."""
    name = str(path.relative_to(HERE))
    if name in DOUBLES | GUARD_ITSELF or any(word in path.read_text() for word in VIRTUAL):
        return
    assert not list(_sleeps(path)), "wait for a condition (testing.clock.until), or mark the file looptime"


@pytest.mark.parametrize("starts", ["asyncio.run(x)", "self.loop.run_until_complete(main())", "run_virtually(story())"])
def test_who_starts_a_loop_is_guarded(starts: str, tmp_path: Path) -> None:
    """Also where pytest does not know that there is one."""
    path = tmp_path / "test_it.py"
    path.write_text(starts)
    assert starts_a_loop(path)
    assert starts_a_loop(HERE / "core" / "test_mirror_model.py")
    assert not starts_a_loop(HERE / "core" / "test_patches.py")


def test_what_is_left_out_is_there() -> None:
    """So that the lists do not outlive what they are for."""
    for name in DOUBLES | GUARD_ITSELF:
        assert (HERE / name).exists()
