"""What users of a simulated cluster write, by chance."""

from __future__ import annotations

from random import Random
from typing import Any, Final

__all__ = ["budget", "policy_spec", "words"]

Json = dict[str, Any]

LIMITS: Final = (1, 1, 2, 3, "10%", "25%", "50%", "100%", "rubbish", None)


def policy_spec(random: Random, *, timed: bool) -> Json:
    """The spec of a policy; with pauses that end by themselves only where all clocks agree (`timed`)."""
    spec: Json = {"desiredState": {"interfaces": [{"name": f"eth{random.randint(0, 99)}"}]}}
    limit = random.choice(LIMITS)
    if limit is not None:
        spec["maxUnavailable"] = limit
    if random.random() < 0.3:
        spec["nodeSelector"] = {"zone": random.choice("xy")}
    if random.random() < 0.3:
        spec["rollout"] = _rollout(random, timed=timed)
    if random.random() < 0.1:
        spec["progressDeadlineSeconds"] = random.choice((0, 5, 30))
    return spec


def _rollout(random: Random, *, timed: bool) -> Json:
    steps = []
    for _ in range(random.randint(1, 3)):
        step: Json = {"nodes": random.randint(1, 4)} if random.random() < 0.6 else {"percent": random.randint(1, 100)}
        if random.random() < 0.3:
            step["pause"] = {}
        elif timed and random.random() < 0.5:
            step["pause"] = {"duration": random.choice(("2s", "20s"))}
        steps.append(step)
    soak = {"soakSeconds": random.choice((1, 5))} if timed and random.random() < 0.3 else {}
    return {"steps": steps, **soak}


def words(random: Random, generation: int) -> dict[str, str | None]:
    """The annotations that a user sets or takes away."""
    about = str(random.choice((generation, generation, generation, generation - 1)))
    choices: tuple[dict[str, str | None], ...] = (
        {"nmstate.io/rollout-promote": about},
        {"nmstate.io/rollout-promote": f"{about}/{random.randint(1, 2)}"},
        {"nmstate.io/rollout-pause": about},
        {"nmstate.io/rollout-pause": None},
        {"nmstate.io/rollout-pause": None},
        {"nmstate.io/rollout-abort": about},
    )
    return random.choice(choices)


def budget(random: Random) -> Json:
    """The spec of an NMState."""
    return {"rollout": {"maxUnavailable": random.choice((1, 1, 2, "50%", None))}}
