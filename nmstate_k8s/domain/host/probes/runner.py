"""Which probes work now, and whether they all work again after an apply: all side by side, all bounded.

- `select` tries each once, for three seconds at most together: an unreachable DNS server costs no more.
- `run` tries each until it passes or `total_seconds` are over for all of them, soon after a failure first, then
  once a second.
- Cancelling ends all tries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog

from nmstate_k8s.core.clock import Clock
from nmstate_k8s.domain.host.probes.result import NO_CHANGE, Change, Probe, ProbeFailed, ProbeResult, ProbeSkipped

__all__ = ["ProbeRunner", "SELECT_SECONDS", "Selection"]

_log = structlog.get_logger(__name__)
SELECT_SECONDS = 3.0
PAUSES = (0.1, 0.2, 0.4, 0.8)
LAST_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Selection:
    """The names of the probes that are chosen, and why the others are not."""

    names: tuple[str, ...] = ()
    left_out: tuple[ProbeResult, ...] = ()


class ProbeRunner:
    """The probes of this node."""

    def __init__(self, probes: Sequence[Probe], *, clock: Clock) -> None:
        self.probes = tuple(probes)
        self._clock = clock

    async def select(self) -> Selection:
        """Which probes work now, or are always selected, and why the others do not."""
        reasons = await asyncio.gather(*(self._left_out(probe) for probe in self.probes))
        tried = list(zip(self.probes, reasons, strict=True))
        return Selection(
            tuple(probe.name for probe, why in tried if why is None),
            tuple(ProbeResult(probe.name, probe.kind, "Skipped", 0, why) for probe, why in tried if why is not None),
        )

    async def run(
        self, names: Iterable[str], *, total_seconds: float, change: Change = NO_CHANGE
    ) -> tuple[ProbeResult, ...]:
        """The results of the probes of these names, in their order."""
        wanted = set(names)
        probes = [probe for probe in self.probes if probe.name in wanted]
        return tuple(await asyncio.gather(*(self._until_passed(probe, total_seconds, change) for probe in probes)))

    async def _left_out(self, probe: Probe) -> str | None:
        """Why it is not selected; None: it is."""
        if probe.always:
            return None
        try:
            async with asyncio.timeout(SELECT_SECONDS):
                await probe.attempt(NO_CHANGE)
        except (ProbeFailed, ProbeSkipped, TimeoutError) as error:
            why = str(error) or f"no answer within {SELECT_SECONDS:g} s"
            _log.info("probe does not work before the change and is left out", probe=probe.name, error=why)
            return f"left out, it did not work before the change: {why}"
        return None

    async def _until_passed(self, probe: Probe, total_seconds: float, change: Change) -> ProbeResult:
        begun = self._clock.monotonic()
        tries = 0
        while True:
            left = total_seconds - (self._clock.monotonic() - begun)
            try:
                async with asyncio.timeout(max(min(probe.try_seconds, left), 0.05)):
                    await probe.attempt(change)
                return self._result(probe, "Passed", begun)
            except ProbeSkipped as error:
                return self._result(probe, "Skipped", begun, str(error))
            except ProbeFailed as error:
                why = str(error)
            except TimeoutError:
                why = f"no answer within {probe.try_seconds:g} s"
            pause = PAUSES[tries] if tries < len(PAUSES) else LAST_PAUSE
            tries += 1
            if total_seconds - (self._clock.monotonic() - begun) <= pause:
                return self._result(probe, "Failed", begun, f"{why} ({tries} tries)")
            await self._clock.sleep(pause)

    def _result(self, probe: Probe, result: str, begun: float, why: str = "") -> ProbeResult:
        milliseconds = round((self._clock.monotonic() - begun) * 1000)
        _log.info("probe", probe=probe.name, result=result, milliseconds=milliseconds, message=why)
        return ProbeResult(probe.name, probe.kind, result, milliseconds, why)  # type: ignore[arg-type]
