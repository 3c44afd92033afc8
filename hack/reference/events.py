"""docs/reference/events.md: what is told with `kubectl events`."""

from __future__ import annotations

from hack.reference.markdown import code, table
from nmstate_k8s.api.events import EVENTS

INTRODUCTION = """# Events

`kubectl events --for node/NODE` and `kubectl events --for nncp/POLICY` show them. They are about objects of the
cluster, so they live in the namespace `default`. The same event within six minutes is counted, not repeated.

"""


def page() -> str:
    """The whole page."""
    return INTRODUCTION + table(
        ("about", "type", "reason", "told by", "when"),
        [(each.about, each.type, code(each.reason), code(each.by), each.when) for each in EVENTS],
    )
