"""Many trials of many cases, counted: the table of `hack/faults`."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e2e.faults.cases import Case
from e2e.faults.scene import Scene
from e2e.faults.trial import Result, carry_out

__all__ = ["Tally", "as_json", "run", "table"]


@dataclass
class Tally:
    """How often a case was tried, how often it went well, and how long the slowest took."""

    case: Case
    results: list[Result] = field(default_factory=list)

    @property
    def n(self) -> int:
        return len(self.results)

    @property
    def ok(self) -> int:
        return sum(result.ok for result in self.results)

    @property
    def worst(self) -> float:
        return max((result.seconds for result in self.results if result.ok), default=0.0)

    def as_json(self) -> dict[str, Any]:
        failures = [{"moment": r.moment, "why": r.why[:400]} for r in self.results if not r.ok]
        return {"name": self.case.name, "n": self.n, "ok": self.ok, "worst": self.worst, "failures": failures}


def run(scene: Scene, cases: Sequence[Case], *, trials: int, until: float, seed: int, keep: Path) -> list[Tally]:
    """Each case `trials` times, round by round, until this moment of `time.monotonic` at the longest."""
    tallies = [Tally(case) for case in cases]
    for number in range(trials):
        for tally in tallies:
            if time.monotonic() > until:
                return tallies
            began = time.monotonic()
            result = carry_out(scene, tally.case, random.Random(f"{seed}/{number}/{tally.case.name}"))
            tally.results.append(result)
            _tell(result, number, time.monotonic() - began)
            if not result.ok:
                _keep(result, keep / f"{tally.case.name.replace('/', '.')}-{number}.txt")
    return tallies


def _tell(result: Result, number: int, seconds: float) -> None:
    verdict = "ok  " if result.ok else "RED "
    moment = f" at {result.moment:.2f} s" if result.moment else ""
    print(f"{verdict} {result.case.name:48} #{number + 1}{moment}: {result.seconds:.1f} s "
          f"(trial {seconds:.0f} s) {' '.join(result.notes)}", flush=True)  # fmt: skip
    if not result.ok:
        print("     " + result.why.replace("\n", "\n     ")[:1500], flush=True)


def _keep(result: Result, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{result.case}\n\n{result.why}\n\n{result.told}\n\n{result.evidence}\n")


def table(tallies: Sequence[Tally]) -> str:
    lines = [f"{'case':48} {'n':>3} {'ok':>3} {'worst s':>8}"]
    lines += [f"{t.case.name:48} {t.n:3} {t.ok:3} {t.worst:8.1f}" for t in tallies if t.n]
    lines.append(f"{'all':48} {sum(t.n for t in tallies):3} {sum(t.ok for t in tallies):3}")
    return "\n".join(lines)


def as_json(tallies: Sequence[Tally]) -> str:
    return json.dumps([tally.as_json() for tally in tallies if tally.n])
