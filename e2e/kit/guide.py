"""Guides are run as they are read: the commands of their ```console blocks, and the output that they show.

- A line `$ COMMAND` is a command; lines that end in a backslash go on, and `> LINE` goes on with what bash reads.
  It must succeed. What follows, up to the next command, is its output.
- In an output, `...` stands for anything within its line; alone on its line, for any number of lines. The width of
  blanks does not count. A command without output shown must print nothing.
- What only reads is read again until it is as shown, as a reader would look again; anything else runs once.
- A ```yaml block whose first line is `# PATH` is that file of the repository, comments aside.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

__all__ = ["Command", "Listing", "commands", "listings", "matches", "only_reads", "without_comments"]

FENCE = re.compile(r"^```(\w*)\s*$")
READS = ("get", "describe", "explain", "logs", "events", "top", "version", "api-resources")


@dataclass(frozen=True)
class Command:
    """A command of a guide, where it stands, and what it is said to print."""

    line: int
    text: str
    output: tuple[str, ...]


@dataclass(frozen=True)
class Listing:
    """A file that a guide shows."""

    line: int
    path: str
    text: str


def _blocks(markdown: str, language: str) -> Iterator[tuple[int, list[str]]]:
    """The fenced blocks of a language: number of their first line, their lines."""
    inside, begun, found = "", 0, list[str]()
    for number, line in enumerate(markdown.splitlines(), 1):
        fence = FENCE.match(line)
        if fence and not begun:
            inside, begun, found = fence.group(1), number + 1, []
        elif fence:
            if inside == language:
                yield begun, found
            begun = 0
        else:
            found.append(line)


def commands(markdown: str) -> list[Command]:
    """The commands of a guide, in its order.

    :raises ValueError: a block begins with something else than a command.
    """
    found: list[Command] = []
    for begun, lines in _blocks(markdown, "console"):
        text, output, first = "", list[str](), begun
        for number, line in enumerate(lines, begun):
            if line.startswith("$ "):
                if text:
                    found.append(Command(first, text, tuple(output)))
                text, output, first = line[2:], [], number
            elif text and not output and (text.endswith("\\") or line.startswith("> ")):
                text += "\n" + line.removeprefix("> ")
            elif text:
                output.append(line)
            else:
                raise ValueError(f"line {number}: a console block begins with a command, `$ …`")
        if text:
            found.append(Command(first, text, tuple(output)))
    return found


def listings(markdown: str) -> list[Listing]:
    """The files that a guide shows."""
    return [
        Listing(begun, lines[0].removeprefix("# "), "\n".join(lines[1:]))
        for begun, lines in _blocks(markdown, "yaml")
        if lines and re.fullmatch(r"# [\w./-]+\.yaml", lines[0])
    ]


def without_comments(yaml: str) -> list[str]:
    """The lines of a file that are more than a comment."""
    return [line.rstrip() for line in yaml.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def only_reads(command: str) -> bool:
    """Whether the command changes nothing, so that it may be run again."""
    words = command.split()
    return len(words) > 1 and words[0] == "kubectl" and words[1] in READS


def matches(shown: Iterable[str], printed: str) -> bool:
    """Whether a command printed what the guide shows."""
    expected = [_pattern(line) for line in _trimmed(shown)]
    return _match(expected, _trimmed(printed.splitlines()))


def _trimmed(lines: Iterable[str]) -> list[str]:
    """Without blank lines, at which nobody looks, and with single blanks."""
    return [" ".join(line.split()) for line in lines if line.strip()]


def _pattern(line: str) -> Callable[[str], bool] | None:
    """None: any number of lines."""
    if line == "...":
        return None
    compiled = re.compile(".*".join(re.escape(part) for part in line.split("...")))
    return lambda text: compiled.fullmatch(text) is not None


def _match(expected: list[Callable[[str], bool] | None], lines: list[str]) -> bool:
    """Row by row: which of the first lines can be what was expected so far."""
    reached = {0}
    for pattern in expected:
        if pattern is None:
            reached = set(range(min(reached), len(lines) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(lines) and pattern(lines[at])}
        if not reached:
            return False
    return len(lines) in reached
