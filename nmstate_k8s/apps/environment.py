"""Variables of the environment, read as what they mean. Apart from `settings`: the node's handler needs no more."""

from __future__ import annotations

__all__ = ["Environment", "SettingsError", "log_level"]

import os
from collections.abc import Mapping
from datetime import timedelta

from nmstate_k8s.api.durations import go_duration
from nmstate_k8s.apps.variables import VARIABLES


class SettingsError(Exception):
    """The environment says something that cannot be, or does not say what must be said."""


class Environment:
    """Variables, read as what they mean; an empty one counts as not set. `VARIABLES` has to have each in words."""

    def __init__(self, values: Mapping[str, str] = os.environ) -> None:
        self._values = values

    def text(self, name: str, default: str | None = None) -> str:
        """The variable's value.

        :raises SettingsError: if it is not set and there is no default.
        """
        assert name in VARIABLES, f"{name} is not in nmstate_k8s.apps.variables"
        value = self._values.get(name) or default
        if value is None:
            raise SettingsError(f"the environment variable {name} is not set")
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """One of ``choices``, the first by default."""
        value = self.text(name, choices[0])
        if value not in choices:
            raise SettingsError(f"{name} is {value!r}, it must be one of {', '.join(choices)}")
        return value

    def integer(self, name: str, default: int, *, minimum: int = 0) -> int:
        """A whole number."""
        text = self.text(name, str(default))
        try:
            value = int(text)
        except ValueError:
            raise SettingsError(f"{name} is {text!r}, it must be a whole number") from None
        if value < minimum:
            raise SettingsError(f"{name} is {value}, it must be at least {minimum}")
        return value

    def duration(self, name: str, default: timedelta) -> timedelta:
        """A duration as Go writes it; none at all is the default."""
        text = self.text(name, "0s")
        try:
            return go_duration(text) or default
        except ValueError as error:
            raise SettingsError(f"{name} is {text!r}, it must be a duration like 24h0m0s") from error

    def beginning_with(self, *prefixes: str) -> dict[str, str]:
        """All variables whose names begin so, as they stand."""
        return {name: value for name, value in sorted(self._values.items()) if name.startswith(prefixes)}


def log_level(environment: Environment) -> str:
    """How much is logged: LOG_LEVEL."""
    return environment.choice("LOG_LEVEL", ("info", "debug", "warning", "error"))
