"""What a handler measures, read on its node at the health address."""

from __future__ import annotations

import re

from e2e.kit.node import Node

__all__ = ["Metrics", "handler_metrics"]

_SAMPLE = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ASK = r"exec 3<>/dev/tcp/127.0.0.1/8081; printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3; cat <&3"


class Metrics:
    """All samples of one moment."""

    def __init__(self, text: str) -> None:
        self._samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for line in text.splitlines():
            if (found := _SAMPLE.match(line)) is not None:
                labels = frozenset(_LABEL.findall(found["labels"] or ""))
                self._samples[found["name"], labels] = float(found["value"])

    def value(self, name: str, **labels: str) -> float:
        """The sum of all samples of this name that have these labels; 0 where there is none."""
        wanted = set(labels.items())
        return sum(value for (found, has), value in self._samples.items() if found == name and wanted <= has)

    def __bool__(self) -> bool:
        return bool(self._samples)


def handler_metrics(node: Node) -> Metrics:
    """What the handler of this node measures now.

    :raises CommandFailed: if it does not answer.
    """
    return Metrics(node.exec("bash", "-c", _ASK).stdout)
