"""How other tools read our objects, as tables: Argo CD's bundled health checks, and kstatus (Flux, Helm, kpt).

Written from what they document, sharing no code with what writes the conditions.
"""

from typing import Any

Json = dict[str, Any]

ARGO_POLICY = {
    "Available": "Healthy",
    "Degraded": "Degraded",
    "Progressing": "Progressing",
    "Ignored": "Suspended",
}
ARGO_ENACTMENT = {
    "Available": "Healthy",
    "Failing": "Degraded",
    "Progressing": "Progressing",
    "Pending": "Progressing",
    "Aborted": "Suspended",
}
"""The health by the first condition that is True; where none is, it is Progressing."""

KSTATUS = (
    ("Reconciling", "True", "InProgress"),
    ("Stalled", "True", "Failed"),
    ("Ready", "False", "InProgress"),
    ("Ready", "Unknown", "InProgress"),
)
"""The first row that holds; where none does, it is Current."""


def argo_policy(policy: Json) -> str:
    """A policy's health. Generations are not looked at."""
    if "deletionTimestamp" in policy["metadata"]:
        return "Progressing"
    return _first(policy, ARGO_POLICY)


def argo_enactment(enactment: Json) -> str:
    """An enactment's health; one that fails and is at work is retrying."""
    if {"Failing", "Progressing"} <= set(_true(enactment)):
        return "Progressing"
    return _first(enactment, ARGO_ENACTMENT)


def kstatus(policy: Json) -> str:
    """Whether an object is what its user applied."""
    status = policy.get("status", {})
    if "deletionTimestamp" in policy["metadata"]:
        return "Terminating"
    if "observedGeneration" in status and status["observedGeneration"] != policy["metadata"]["generation"]:
        return "InProgress"
    conditions = {each["type"]: each["status"] for each in status.get("conditions", ())}
    return next((result for name, value, result in KSTATUS if conditions.get(name) == value), "Current")


def _true(obj: Json) -> list[str]:
    conditions = obj.get("status", {}).get("conditions", ())
    assert all(each["reason"] for each in conditions if each["status"] == "True"), "Argo CD's script fails on none"
    return [each["type"] for each in conditions if each["status"] == "True"]


def _first(obj: Json, table: dict[str, str]) -> str:
    return next((table[each] for each in _true(obj) if each in table), "Progressing")
