"""Named points at which a test makes the process die, hang, wait or fail: NMSTATE_FAILPOINTS.

    before-commit=kill                  SIGKILL to ourselves
    before-commit=stop                  SIGSTOP to ourselves
    before-commit=delay:5               five seconds more
    before-commit=error                 as if the step had failed
    before-commit=once:kill             the first time only, also across restarts (a marker file remembers)

Several are separated by commas. The transaction has one before each of its steps. Empty in production, where
reaching a point costs a look into an empty mapping.
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
_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


class FailpointReached(Exception):
    """The error that a failpoint makes of a step."""


@dataclass(frozen=True, slots=True)
class Failpoints:
    """What happens where."""

    actions: Mapping[str, str] = field(default_factory=dict)
    markers: Path | None = None

    @classmethod
    def parse(cls, text: str, markers: Path | None = None) -> Failpoints:
        """Of NMSTATE_FAILPOINTS; `markers` is the folder that remembers what happened once.

        :raises ValueError: for what is no failpoint.
        """
        actions = {}
        for entry in filter(None, (part.strip() for part in text.split(","))):
            name, separator, action = entry.partition("=")
            verb = action.removeprefix("once:")
            if not separator or not (verb in {*_SIGNALS, "error"} or verb.startswith("delay:")):
                raise ValueError(f"NMSTATE_FAILPOINTS: {entry!r} is not NAME=[once:]kill|stop|delay:SECONDS|error")
            actions[name] = action
        return cls(actions, markers)

    async def reach(self, name: str) -> None:
        """Do what was asked for at this point, if anything.

        :raises FailpointReached: if it was `error`.
        """
        action = self.actions.get(name)
        if action is None or (action.startswith("once:") and not self._first_time(name)):
            return
        verb = action.removeprefix("once:")
        _log.warning("failpoint", name=name, action=verb)
        if verb in _SIGNALS:
            os.kill(os.getpid(), _SIGNALS[verb])
        elif verb == "error":
            raise FailpointReached(f"failpoint {name}")
        else:
            await asyncio.sleep(float(verb.removeprefix("delay:")))

    def _first_time(self, name: str) -> bool:
        if self.markers is None:
            return True
        self.markers.mkdir(parents=True, exist_ok=True)
        try:
            (self.markers / name).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True
