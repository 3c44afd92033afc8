"""What every generator of hack/ does with the files that it makes: write them, or say which are out of date."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def settle(wanted: Mapping[Path, str], present: Iterable[Path], *, check: bool, again: str) -> int:
    """Make the files what they ought to be; with `check`, change nothing.

    :param wanted: the text of each file.
    :param present: generated files that are there; those that are not wanted are removed.
    :param again: the command that writes them.
    :returns: the exit status: 1 where `check` found a difference.
    """
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    extra = sorted(set(present) - set(wanted))
    for path in (*stale, *extra):
        print(f"{path.relative_to(ROOT)} {'is out of date' if check else 'written'}")
    if check:
        if stale or extra:
            print(f"run {again} and commit what it writes", file=sys.stderr)
        return 1 if stale or extra else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path])
    for path in extra:
        path.unlink()
    return 0
