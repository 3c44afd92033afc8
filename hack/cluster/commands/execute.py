"""`hack/lab exec`: the command that tests call hundreds of times. Nothing here imports what it does not need."""

from __future__ import annotations

import os

from .. import agent, plan, supervisor_client
from ..errors import LabError

__all__ = ["HELP", "run"]

HELP = """\
usage: hack/lab exec [-t] NODE [-- COMMAND [ARGUMENT…]]

Run a command in a node as root. Its input, output, error output and exit status are those of this command; a
signal that ended it counts as 128 and its number. Without a command: a shell. -t: with a terminal.

The way in does not depend on the node's network: it works as long as the node's kernel runs.
When this command is ended, the command in the node gets SIGHUP and SIGTERM.
"""


def run(argv: list[str]) -> int:
    terminal = False
    words = list(argv)
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word in ("-h", "--help"):
            print(HELP, end="")
            return 0
        if word not in ("-t", "--terminal"):
            raise LabError(f"exec does not know {word}; see `hack/lab exec --help`")
        terminal = True
    if not words:
        raise LabError("exec needs a node: `hack/lab exec node1 -- ip addr`")
    node = plan.find_node(words.pop(0))
    if words[:1] == ["--"]:
        del words[0]
    terminal = terminal or (not words and os.isatty(0))
    supervisor = supervisor_client.running_lab()
    command = words or ["bash", "-l"]
    if not terminal:
        return agent.pass_through(supervisor, node, command, None)
    return _with_terminal(supervisor, node, command)


def _with_terminal(supervisor: str, node: plan.Node, command: list[str]) -> int:
    if not os.isatty(0):
        raise LabError("-t needs a terminal as input; leave it out")
    import termios
    import tty

    columns, rows = os.get_terminal_size(0)
    before = termios.tcgetattr(0)
    tty.setraw(0, termios.TCSADRAIN)  # keeps what was typed ahead
    try:
        return agent.pass_through(supervisor, node, command, (rows, columns))
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
