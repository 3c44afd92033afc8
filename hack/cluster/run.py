"""Running other programs: with their words in the error, and in a cage that ends with us."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from .errors import LabError

__all__ = ["become", "caged", "output", "run", "which"]


def which(program: str) -> str | None:
    """The program's path; the system's own folders count also where PATH lacks them."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")


def caged(argv: Sequence[str | Path]) -> list[str]:
    """The command in process and mount namespaces of its own that die with this process.

    For builders that mount and fork: even when we are killed with -9, none of their processes or mounts stays.
    """
    cage = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return [*cage, *map(str, argv)]


def run(
    *argv: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | bytes = b"",
    log: Path | None = None,
    what: str = "",
) -> None:
    """Run to the end; LabError with what it printed when it fails. `log`: keep all of its output there."""
    output(*argv, cwd=cwd, env=env, stdin=stdin, log=log, what=what)


def output(
    *argv: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | bytes = b"",
    log: Path | None = None,
    what: str = "",
) -> str:
    """Like run, and what it wrote to stdout (with `log`, stdout goes there and "" is returned)."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    full_env = None if env is None else {**os.environ, **env}
    command = list(map(str, argv))
    try:
        if log is None:
            done = subprocess.run(command, cwd=cwd, env=full_env, input=data, capture_output=True, check=False)
            text, words = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        else:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("wb") as sink:
                done = subprocess.run(
                    command, cwd=cwd, env=full_env, input=data, stdout=sink, stderr=subprocess.STDOUT, check=False
                )
            text, words = "", ""
    except FileNotFoundError as error:
        missing = error.filename or command[0]
        raise LabError(f"{missing} is not there; `hack/lab doctor` names the package to install") from error
    if done.returncode == 0:
        return text
    if log is not None:
        words = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
    told = what or " ".join(command[:6])
    place = f"; its whole output is in {log}" if log else ""
    raise LabError(f"{told} failed with status {done.returncode}{place}", (words or text).strip())


def become(*argv: str | Path) -> NoReturn:
    """Go on as this program: its input, output and status are ours."""
    command = list(map(str, argv))
    sys.stdout.flush()
    try:
        os.execvp(command[0], command)
    except FileNotFoundError as error:
        raise LabError(f"{command[0]} is not there; `hack/lab doctor` names the package to install") from error
