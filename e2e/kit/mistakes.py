"""The catalogue of mistakes: policies that cannot work, and what a person is told of each.

One file a subject in `e2e/mistakes/`. The user's guide is generated from it, the unit tests ask libnmstate about
those that are found before anything changes, and the end-to-end tests apply all of them on a node.

In a message NODE stands for the node's name, and … for what differs from time to time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from e2e.kit.shell import ROOT

__all__ = ["CATALOGUE", "Mistake", "Subject", "catalogue"]

CATALOGUE = ROOT / "e2e/mistakes"
GENERATE_PREFIX = "failure generating desiredState and capturedStates\n"
_WHAT_FOLLOWS = r"(\. (Retrying \d+/\d+|Given up after \d+ attempts, until the policy is changed))?"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One policy that cannot work."""

    name: str
    says: str
    policy: str
    """The spec of the policy, as YAML."""
    stage: str
    reason: str
    message: str
    remedy: str
    interface: str = ""

    @property
    def spec(self) -> dict[str, Any]:
        """The spec of the policy, as data."""
        return dict(yaml.safe_load(self.policy))

    @property
    def changes_nothing(self) -> bool:
        """Whether it is found before anything on the node is changed."""
        return self.stage in ("generate", "validate")

    def told(self, message: str, node: str) -> bool:
        """Whether a message of a node is the one of the catalogue; what comes next may follow it."""
        begin = GENERATE_PREFIX if self.stage == "generate" else ""
        wanted = re.escape(begin + self.message.replace("NODE", node)).replace("…", ".+")
        return re.fullmatch(wanted + _WHAT_FOLLOWS, message) is not None


@dataclass(frozen=True, slots=True)
class Subject:
    """Mistakes of one kind."""

    title: str
    mistakes: tuple[Mistake, ...]


def catalogue() -> list[Subject]:
    """All subjects, in the order of their files."""
    subjects = []
    for file in sorted(CATALOGUE.glob("*.yaml")):
        data = yaml.safe_load(file.read_text())
        subjects.append(Subject(data["title"], tuple(Mistake(**entry) for entry in data["mistakes"])))
    return subjects
