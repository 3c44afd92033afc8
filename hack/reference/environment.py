"""docs/reference/environment.md: what each program reads when it starts, seen while its settings are made."""

from __future__ import annotations

import socket

from hack.reference.markdown import code, table
from nmstate_k8s.apps.node_settings import NodeSettings
from nmstate_k8s.apps.settings import ControllerSettings, Environment, OperatorSettings
from nmstate_k8s.apps.variables import FOR_TESTS, PREFIXES, VARIABLES

INTRODUCTION = """# Environment

What each program is told by its environment. An empty variable counts as not set; one that cannot be read ends the
program at its start, with the variable's name. The operator's are in its Deployment; those of the controller and of
the node's handler are written by the operator, from the NMState and from its own.
"""

PROGRAMS = (
    ("Operator", OperatorSettings),
    ("Controller", ControllerSettings),
    ("Node's handler", NodeSettings),
)
MUST = {"RELATED_IMAGE_HANDLER_IMAGE": "an-image", "NODE_NAME": "a-node"}
"""What has no default, given so that all else is read."""


class Read(Environment):
    """An environment that has next to nothing, and notes what is asked for: the kind of value, and the default."""

    def __init__(self) -> None:
        super().__init__(MUST)
        self.asked: dict[str, tuple[str, str | None]] = {}
        self.prefixes: list[str] = []

    def text(self, name: str, default: str | None = None) -> str:
        # A number or a choice is read as a text in the end: what was noted first is more exact.
        self.asked.setdefault(name, ("text", default))
        return super().text(name, default)

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        self.asked[name] = (" or ".join(map(code, choices)), choices[0])
        return super().choice(name, choices)

    def integer(self, name: str, default: int, *, minimum: int = 0) -> int:
        self.asked[name] = (f"number, at least {minimum}", str(default))
        return super().integer(name, default, minimum=minimum)

    def beginning_with(self, *prefixes: str) -> dict[str, str]:
        self.prefixes += prefixes
        return super().beginning_with(*prefixes)


def page() -> str:
    """The whole page."""
    return INTRODUCTION + "".join(_program(name, settings) for name, settings in PROGRAMS)


def _program(name: str, settings: type[OperatorSettings] | type[ControllerSettings] | type[NodeSettings]) -> str:
    read = Read()
    settings.from_environment(read)
    rows = [
        (code(variable), kind, _told(default), VARIABLES[variable])
        for variable, (kind, default) in sorted(read.asked.items())
        if variable not in FOR_TESTS
    ]
    rows += [(code(f"{prefix}…"), "text", "", PREFIXES[prefix]) for prefix in read.prefixes if prefix not in FOR_TESTS]
    return f"\n## {name}\n\n" + table(("variable", "value", "default", "what"), rows)


def _told(default: str | None) -> str:
    if default is None:
        return "*required*"
    others = {"": "", MUST["NODE_NAME"]: "`NODE_NAME`", socket.gethostname(): "the host's name"}
    return others.get(default, code(default))
