"""A lab that somebody else uses, or made otherwise, is refused in a sentence that says what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from e2e.kit.claim import LabRefused, claim
from hack.cluster import lab
from hack.cluster.errors import LabError
from hack.cluster.paths import Paths

pytest_plugins = ["pytester"]

HOLDER = "import sys; from pathlib import Path; from e2e.kit.claim import claim; " \
    "claim(Path(sys.argv[1]), 'hack/pairs'); print('mine', flush=True); sys.stdin.read()"  # fmt: skip


def test_a_lab_in_use_names_who_uses_it(tmp_path: Path) -> None:
    """And is free when that process has ended, however it ended."""
    file = tmp_path / "deep/lab-in-use"
    argv = [sys.executable, "-c", HOLDER, str(file)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mine\n"
        with pytest.raises(
            LabRefused, match=rf"in use by hack/pairs \(process {holder.pid}\)\. Wait .* XDG_STATE_HOME"
        ):
            claim(file, "hack/soak")
        holder.kill()
        holder.wait()
        claim(file, "hack/soak")
    assert file.read_text().startswith("hack/soak (process ")


def test_a_lab_of_another_version_is_refused(tmp_path: Path) -> None:
    """It would show what nobody has any more."""
    paths = Paths(tmp_path / "cache", tmp_path / "state")
    made = lab.Settings(2, 1280, "/cache/lab/kernel-1", "/cache/lab/image-0123", False)
    with pytest.raises(LabError, match=r"another version of `hack/lab`.*image-0123.*`hack/lab down`"):
        lab.refuse_other(paths, made, open_vswitch=False)
    paths.state.mkdir()
    (paths.state / "settings.json").write_text(json.dumps({**asdict(made), "moons": 3}))
    with pytest.raises(LabError, match=r"another version of `hack/lab`; take it down"):
        lab.settings(paths)


def test_what_fails_is_told_before_the_next_test(pytester: pytest.Pytester) -> None:
    """With its trace."""
    pytester.makeconftest(
        "from e2e.kit.atonce import AtOnce\n"
        "def pytest_configure(config): config.pluginmanager.register(AtOnce(config), 'at-once')"
    )
    pytester.makepyfile("def test_red():\n    answer = 41\n    assert answer == 42\ndef test_green(): pass")
    lines = pytester.runpytest(
        "-v", "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function"
    ).outlines  # fmt: skip
    red, trace, green = (
        next(n for n, line in enumerate(lines) if what in line)
        for what in ("test_red FAILED", "assert 41 == 42", "test_green PASSED")
    )
    assert red < trace < green
