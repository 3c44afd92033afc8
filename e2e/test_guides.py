"""Every command of the guides does what the guide says, and prints what it shows."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from e2e.kit import Cluster, eventually, run
from e2e.kit.guide import Command, commands, listings, matches, only_reads, without_comments
from e2e.kit.shell import ROOT

SECONDS_TO_LOOK_AGAIN = 20
GUIDES = [path for path in sorted((ROOT / "docs").glob("*.md")) if commands(path.read_text())]


def test_the_guides_are_found() -> None:
    """Those that a newcomer reads first have commands, and every document that has some is run."""
    assert {"101-reporting.md", "102-configuring.md", "103-troubleshooting.md"} <= {path.name for path in GUIDES}


def test_a_file_that_a_guide_shows_is_that_file() -> None:
    """What a reader sees is what `kubectl apply -f` takes; and none of the guides' policies is left out."""
    shown = {listing.path: listing.text for path in GUIDES for listing in listings(path.read_text())}
    for path, text in shown.items():
        assert without_comments(text) == without_comments((ROOT / path).read_text()), path
    policies = {str(file.relative_to(ROOT)) for file in (ROOT / "docs/policies").glob("*.yaml")}
    assert policies <= set(shown)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_a_guide_is_true(cluster: Cluster, guide: Path) -> None:
    """From the first command to the last, each succeeds and prints what is shown."""
    cluster.delete_policies()
    for command in commands(guide.read_text()):
        printed = _run(cluster, command)
        if not matches(command.output, printed) and only_reads(command.text):
            printed = _again(cluster, command)
        assert matches(command.output, printed), _unlike(guide, command, printed)


def _run(cluster: Cluster, command: Command) -> str:
    return run("bash", "-c", f"exec 2>&1; set -o pipefail; {command.text}", env=cluster.env, timeout=400).stdout


def _again(cluster: Cluster, command: Command) -> str:
    """What a command that only reads prints in the end: what is shown, or the last that it printed."""
    printed = ""

    def as_shown() -> bool:
        nonlocal printed
        printed = _run(cluster, command)
        return matches(command.output, printed)

    with suppress(AssertionError):
        eventually("as the guide shows", as_shown, timeout=SECONDS_TO_LOOK_AGAIN)
    return printed


def _unlike(guide: Path, command: Command, printed: str) -> str:
    shown = "\n".join(command.output)
    return f"{guide.name} line {command.line}: {command.text}\n--- shown:\n{shown}\n--- printed:\n{printed}"
