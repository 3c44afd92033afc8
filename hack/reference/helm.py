"""docs/reference/helm.md: what can be set of the Helm chart."""

from __future__ import annotations

import json
from typing import Any

from hack.packages.values import defaults
from hack.reference.markdown import code, table

INTRODUCTION = """# Values of the Helm chart

The chart is `manifests/helm/nmstate`; [installation](../installation.md#helm) shows its use. Its schema refuses a name
that is not here, and a value of another type.

"""


def page() -> str:
    """The whole page."""
    rows = [(code(value.name), _type(value.schema), _shown(default), value.text) for value, default in defaults()]
    return INTRODUCTION + table(("value", "type", "default", "what"), rows)


def _type(schema: dict[str, Any]) -> str:
    return " or ".join(map(code, schema["enum"])) if "enum" in schema else schema["type"]


def _shown(default: Any) -> str:
    text = default if isinstance(default, str) else json.dumps(default)
    return code(text) if text and len(text) < 60 else "as install.yaml has it" if text else ""
