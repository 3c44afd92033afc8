"""Named points at which a test makes the process die, hang, wait or fail: NMSTATE_FAILPOINTS.

    before-commit=kill                  die at once, as by SIGKILL
    before-commit=stop                  hang at once, as by SIGSTOP
    before-commit=hold                  wait here as long as it says so, with everything else going on
    before-commit=delay:5               five seconds more
    before-commit=error                 as if the step had failed
    before-sync=skip                    as if the step had been done, without doing it
    before-commit=once:kill             the first time only, also across restarts (a marker file remembers)

Several are separated by commas or lines. The transaction has one before each of its steps. Empty in production,
where reaching a point costs a look into an empty mapping.

NMSTATE_FAILPOINTS=file reads them from the file `armed` each time that a point is reached, so that a test can set
them while the handler runs. Whatever point was reached leaves a file `NAME.reached` beside it before it acts.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

__all__ = ["Failpoints", "FailpointReached"]

_log = structlog.get_logger(__name__)
_VERBS = frozenset({"kill", "stop", "hold", "error", "skip"})
_LOOK_AGAIN = 0.05
_KILLED = 137
FROM_FILE = "file"


class FailpointReached(Exception):
    """The error that a failpoint makes of a step."""


@dataclass(frozen=True, slots=True)
class Failpoints:
    """What happens where."""

    actions: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    """Remembers what was reached."""
    from_file: bool = False
    """The file `armed` in that folder says what happens."""

    @classmethod
    def parse(cls, text: str, folder: Path | None = None) -> Failpoints:
        """Of NMSTATE_FAILPOINTS.

        :raises ValueError: for what is no failpoint.
        """
        if text == FROM_FILE:
            return cls({}, folder, from_file=True)
        return cls(_parsed(text), folder)

    async def reach(self, name: str) -> bool:
        """Do what was asked for at this point, if anything. Whether what comes now is to be left out.

        :raises FailpointReached: if it was `error`.
        """
        action = await self._asked(name)
        if action is None or (action.startswith("once:") and not await self._first_time(name)):
            return False
        verb = action.removeprefix("once:")
        _log.warning("failpoint", name=name, action=verb)
        await self._remember(f"{name}.reached")
        if verb == "kill":
            os._exit(_KILLED)  # SIGKILL from itself does nothing to the first process of a container
        elif verb == "stop":
            _hang()
        elif verb == "hold":
            while await self._asked(name) == action:  # noqa: ASYNC110 - it is a file that lets go
                await asyncio.sleep(_LOOK_AGAIN)
        elif verb == "error":
            raise FailpointReached(f"failpoint {name}")
        elif verb.startswith("delay:"):
            await asyncio.sleep(float(verb.removeprefix("delay:")))
        return verb == "skip"

    async def _asked(self, name: str) -> str | None:
        if not self.from_file or self.folder is None:
            return self.actions.get(name)
        try:
            return _parsed(await asyncio.to_thread((self.folder / "armed").read_text)).get(name)
        except FileNotFoundError:
            return None

    async def _first_time(self, name: str) -> bool:
        return self.folder is None or await self._remember(name)

    async def _remember(self, name: str) -> bool:
        """Whether it was not known before."""
        return self.folder is None or await asyncio.to_thread(_made, self.folder / name)


def _made(file: Path) -> bool:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        file.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _parsed(text: str) -> dict[str, str]:
    actions = {}
    for entry in filter(None, (part.strip() for part in text.replace("\n", ",").split(","))):
        name, separator, action = entry.partition("=")
        verb = action.removeprefix("once:")
        if not separator or not (verb in _VERBS or verb.startswith("delay:")):
            raise ValueError(
                f"NMSTATE_FAILPOINTS: {entry!r} is not NAME=[once:]kill|stop|hold|delay:SECONDS|error|skip"
            )
        actions[name] = action
    return actions


def _hang() -> None:
    """Nothing of this process goes on, as after SIGSTOP; the first process of a container ignores its own."""
    os.kill(os.getpid(), signal.SIGSTOP)
    while os.getpid() == 1:
        signal.pause()
