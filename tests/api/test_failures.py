"""The reasons of failures that are told of are those that the node gives."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

from libnmstate import errors
from nmstate_k8s.api.failures import LIBNMSTATE, REASONS
from nmstate_k8s.domain.host.interruption import _SAID

ROOT = Path(__file__).parents[2]
DOMAIN = ROOT / "nmstate_k8s" / "domain"
ERRORS = {"HostError", "HostUnavailable", "DesiredStateError", "DiskRefused"}
"""Their first argument is the reason."""


def _given() -> Iterator[tuple[str, str]]:
    """Each reason that the code spells out, or has as a constant, and where."""
    for path in sorted(DOMAIN.rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            name = call.func.id if isinstance(call.func, ast.Name) else ""
            told = "reason" if name == "Explanation" else "kind"
            candidates = [word.value for word in call.keywords if word.arg == told]
            if name in ERRORS:
                candidates += call.args[:1]
            elif name == "Fault":
                candidates += call.args[1:2]
            for value in candidates:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value, f"{path.name}:{call.lineno}"
                elif isinstance(value, ast.Name) and value.id.isupper():
                    yield getattr(importlib.import_module(module), value.id), f"{path.name}:{call.lineno}"
    for reason, _, _ in _SAID.values():
        yield reason, "interruption.py"


def test_every_reason_that_is_given_is_told_of() -> None:
    """Nobody meets a word that stands nowhere."""
    found = list(_given())
    assert len(found) >= 20
    for reason, where in found:
        assert reason in REASONS | LIBNMSTATE, where


def test_every_reason_that_is_told_of_is_given() -> None:
    """What the code gives no more has no place in the list."""
    assert set(REASONS) <= {reason for reason, _ in _given()}


def test_libnmstate_s_words_are_all_there() -> None:
    """Each kind of error that the binding has a class for."""
    assert set(LIBNMSTATE) == {*errors._BY_KIND, "PolicyError"}
