"""The reference in docs/ has all that there is, and nothing else can be."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hack.reference import environment, fields, metrics
from hack.reference.markdown import cell
from nmstate_k8s.api.conditions import (
    EnactmentPhase,
    NMStatePhase,
    PolicyPhase,
    enactment_conditions,
    nmstate_conditions,
    policy_conditions,
)
from nmstate_k8s.api.crd import custom_resource_definitions
from nmstate_k8s.api.events import ENACTMENT_TURNS, EVENTS, POLICY_TURNS
from nmstate_k8s.api.phases import MEANINGS
from nmstate_k8s.apps.settings import Environment, SettingsError
from nmstate_k8s.apps.variables import FOR_TESTS, PREFIXES, VARIABLES

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PACKAGE = Path(__file__).parents[2] / "nmstate_k8s"


def _made(phase: EnactmentPhase | PolicyPhase | NMStatePhase) -> dict[str, tuple[str, str]]:
    """Reason and message of the conditions that are True in a phase."""
    if isinstance(phase, EnactmentPhase):
        made = enactment_conditions(phase, now=NOW)
    elif isinstance(phase, PolicyPhase):
        made = policy_conditions(phase, generation=1, now=NOW)
    else:
        made = nmstate_conditions(phase, generation=1, now=NOW)
    return {each.type: (each.reason, each.message) for each in made if each.status == "True"}


@pytest.mark.parametrize("phase", [*EnactmentPhase, *PolicyPhase, *NMStatePhase], ids=str)
def test_each_phase_is_told_in_words(phase: EnactmentPhase | PolicyPhase | NMStatePhase) -> None:
    """When it holds; and what its message says, exactly where the message is not always the same."""
    meaning, made = MEANINGS[phase], _made(phase)
    assert meaning.when.endswith(".")
    always_the_same = not made or any(message for _, message in made.values())
    assert bool(meaning.says) != always_the_same


def test_an_event_about_a_turn_has_the_reason_of_the_condition() -> None:
    """Who knows the condition's reason finds the event."""
    for phase, kind in (*ENACTMENT_TURNS.items(), *POLICY_TURNS.items()):
        assert kind.reason in {reason for reason, _ in _made(phase).values()}, phase


def _recorded() -> Iterator[tuple[Path, ast.Call]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.parts[len(PACKAGE.parts)] in ("core", "testing"):  # which know no event of ours
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "event":
                yield path, node


def test_whoever_records_an_event_takes_it_from_the_table() -> None:
    """`recorder.event(obj, *KIND.told(note))`: an event that is spelt out elsewhere would be in no reference."""
    found = list(_recorded())
    assert len(found) >= 3
    for path, call in found:
        told = call.args[1]
        assert isinstance(told, ast.Starred), f"{path}:{call.lineno}"
        assert isinstance(told.value, ast.Call), f"{path}:{call.lineno}"
        assert isinstance(told.value.func, ast.Attribute), f"{path}:{call.lineno}"
        assert told.value.func.attr == "told", f"{path}:{call.lineno}"


def test_no_two_events_are_the_same() -> None:
    """A row of the table is one thing that happens."""
    assert len({(each.about, each.reason) for each in EVENTS}) == len(EVENTS)


def _properties(schema: dict[str, Any]) -> Iterator[str]:
    for name, inner in schema.get("properties", {}).items():
        yield name
        yield from _properties(inner)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _properties(schema[key])


def test_every_field_of_the_crds_is_on_the_page() -> None:
    """Whatever `kubectl explain` knows, but for what every object has."""
    told = set(re.findall(r"^\| `(\w+)` \|", fields.page(), re.MULTILINE))
    for definition in custom_resource_definitions().values():
        for version in definition["spec"]["versions"]:
            there = set(_properties(version["schema"]["openAPIV3Schema"]))
            assert there - {"apiVersion", "kind", "metadata"} <= told


def test_a_default_that_the_description_tells_stands_in_its_column() -> None:
    """It is not told twice."""
    rows = (line for line in fields.page().splitlines() if line.startswith("| `maxUnavailable`"))
    (row,) = (line for line in rows if "| 50% |" in line)
    assert "Default" not in row


def test_every_variable_that_is_told_of_is_read() -> None:
    """By one of the programs; what none reads any more has no place in the list."""
    read: set[str] = set()
    for _, settings in environment.PROGRAMS:
        asked = environment.Read()
        settings.from_environment(asked)
        read |= set(asked.asked)
    assert read == set(VARIABLES)
    assert set(VARIABLES) >= FOR_TESTS
    assert set(PREFIXES).isdisjoint(FOR_TESTS)


def test_what_is_called_required_ends_a_program_that_lacks_it() -> None:
    """And nothing else does: each program starts with what the page calls required."""
    parts = environment.page().split("\n## ")[1:]
    for part, (name, settings) in zip(parts, environment.PROGRAMS, strict=True):
        assert part.startswith(name)
        required = set(re.findall(r"^\| `(\w+)` \| [^|]+ \| \*required\* ", part, re.MULTILINE))
        settings.from_environment(Environment(dict.fromkeys(required, "x")))
        for missing in required:
            with pytest.raises(SettingsError, match=missing):
                settings.from_environment(Environment(dict.fromkeys(required - {missing}, "x")))


def test_a_variable_that_is_not_told_of_cannot_be_read() -> None:
    """So none is forgotten."""
    with pytest.raises(AssertionError, match="NEW is not in"):
        Environment({"NEW": "1"}).text("NEW")


def test_the_metrics_of_a_program_are_its_own() -> None:
    """The node's are not among the operator's."""
    rows = {line.split("|")[1].strip(): line for line in metrics.page().splitlines() if line.startswith("| `")}
    assert "| node |" in rows["`nmstate_handler_transactions_total`"]
    assert "| operator, controller, node |" in rows["`workqueue_depth`"]
    assert "`name`, `controller`, `priority`" in rows["`workqueue_depth`"]


def test_a_cell_holds_any_text() -> None:
    """Bars and line ends would break the table."""
    assert cell("a|b\nc <d>") == "a\\|b c &lt;d>"
