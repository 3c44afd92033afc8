"""What a campaign found: a row for each trial, evidence of those that failed, a table and figures at the end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e2e.kit.shell import ROOT

__all__ = ["EVIDENCE", "Ledger", "Trial", "failed"]

EVIDENCE = ROOT / "build" / "campaigns"


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial: `problems` is empty where all was as it should be."""

    name: str
    node: str
    seconds: float
    problems: tuple[str, ...] = ()
    told: str = ""
    """What the enactment said, or another line worth seeing."""
    evidence: str = ""
    """What a person would look at; kept only where there are problems."""

    @property
    def ok(self) -> bool:
        return not self.problems


@dataclass
class Ledger:
    """All trials of one campaign. Safe to add to from several threads."""

    campaign: str
    folder: Path = EVIDENCE
    trials: list[Trial] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, trial: Trial) -> None:
        """Keep the trial, tell it in a line, and write its evidence down where it failed."""
        with self._lock:
            self.trials.append(trial)
            number = len(self.trials)
        mark = "ok  " if trial.ok else "FAIL"
        print(f"{mark} {trial.name:24} {trial.node:6} {trial.seconds:6.1f} s  {trial.told}", flush=True)
        for problem in trial.problems:
            print(f"     {problem}", flush=True)
        if not trial.ok:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{self.campaign}-{number:03d}-{trial.name}-{trial.node}.txt"
            path.write_text("\n".join((*trial.problems, "", trial.told, "", trial.evidence, "")))
            print(f"     evidence: {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}", flush=True)

    def attempt(self, name: str, node: str, work: Callable[[], None]) -> None:
        """Work that adds trials; what it cannot even finish is a failed trial, and the campaign goes on."""
        begun = time.monotonic()
        try:
            work()
        except AssertionError as error:
            first, *rest = str(error).splitlines() or [repr(error)]
            self.add(Trial(name, node, time.monotonic() - begun, (first,), evidence="\n".join(rest)))

    def rows(self) -> list[dict[str, Any]]:
        """One row a name, in order of first appearance: n, ok, the longest time."""
        rows: dict[str, dict[str, Any]] = {}
        for trial in self.trials:
            row = rows.setdefault(trial.name, {"name": trial.name, "n": 0, "ok": 0, "longest_seconds": 0.0})
            row["n"] += 1
            row["ok"] += trial.ok
            row["longest_seconds"] = round(max(row["longest_seconds"], trial.seconds), 1)
        return list(rows.values())

    def conclude(self, *, as_json: bool, figures: Mapping[str, Any] | None = None) -> int:
        """Print the table; `as_json`: one JSON object last. 1 where any failed, or there is none."""
        rows = self.rows()
        print(f"\n{'trial':24} {'n':>4} {'ok':>4} {'longest s':>10}")
        for row in rows:
            print(f"{row['name']:24} {row['n']:4} {row['ok']:4} {row['longest_seconds']:10.1f}")
        count, good = len(self.trials), sum(trial.ok for trial in self.trials)
        print(f"{self.campaign}: {good} of {count} as they should be")
        for name, value in (figures or {}).items():
            print(f"  {name}: {value}")
        if as_json:
            found = {"campaign": self.campaign, "n": count, "ok": good, "trials": rows, **(figures or {})}
            print(json.dumps(found))
        return 0 if count and good == count else 1


def failed(trials: Iterable[Trial]) -> str:
    """All that went wrong, for an assertion."""
    return "\n".join(f"{trial.name} on {trial.node}: {'; '.join(trial.problems)}" for trial in trials if not trial.ok)
