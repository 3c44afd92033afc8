"""Probes: how it is verified that a node is still reachable after a change, said by a policy or for all of them."""

from __future__ import annotations

__all__ = ["LONGEST_PROBE_SECONDS", "Probes"]

from typing import Annotated

from nmstate_k8s.api.model import Model
from nmstate_k8s.api.schema import describe

LONGEST_PROBE_SECONDS = 200
"""What a policy may ask for at most: the checkpoint of its transaction must outlive apply and probes."""


class Probes(Model, frozen=True):
    """How it is verified that a node is still reachable after a change."""

    timeout_seconds: Annotated[
        int | None,
        describe(
            "How long, after a change, the probes together may take until they all pass; then it is rolled back."
            " Default: what the NMState says, else 120.",
            minimum=1,
            maximum=LONGEST_PROBE_SECONDS,
        ),
    ] = None
