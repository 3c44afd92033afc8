"""Whether two runs of a scenario came to the same end.

What is chance is written the same in both, and nothing else:

* `metadata.resourceVersion` is left out. Of `managedFields` the order is (all its entries are compared).
* A uid becomes the name of the object that has it, so that a reference to the wrong one is seen; the uid of an object
  that is no more becomes GONE.
* A string that is a time becomes TIME, whether it is there or not is compared. So does the address that a Service is
  given become ADDRESS.

`metadata.generation` is compared: it counts how often a spec was changed.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from nmstate_k8s.core.objects import Object

__all__ = ["differences", "without_chance"]

TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
UID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

HEADLESS: Final = "None"
"""Stands in the place of the address of a Service that is to have none."""


def without_chance(objects: Iterable[Object]) -> dict[str, Any]:
    """The objects by kind and name, as plain data that is the same in each run."""
    known = {f"{each.kind} {each.key}": each for each in objects}
    names = {each.uid: name for name, each in known.items()}
    return {name: _object(each.to_dict(), names) for name, each in known.items()}


def _object(value: dict[str, Any], names: Mapping[str, str]) -> Any:
    metadata = dict(value["metadata"])
    metadata.pop("resourceVersion", None)
    fields = [_plain(each, names) for each in metadata.pop("managedFields", [])]
    metadata["managedFields"] = sorted(fields, key=lambda each: str(sorted(each.items())))
    value = {**value, "metadata": metadata}
    if value.get("kind") == "Service":
        value["spec"] = _service(value["spec"])
    return _plain(value, names)


def _service(spec: Mapping[str, Any]) -> dict[str, Any]:
    given = [each for each in spec.get("clusterIPs", []) if each != HEADLESS]
    if not given:
        return dict(spec)
    return {**spec, "clusterIP": "ADDRESS", "clusterIPs": ["ADDRESS" for _ in given]}


def _plain(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {_text(key, names): _plain(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each, names) for each in value]
    return _text(value, names) if isinstance(value, str) else value


def _text(text: str, names: Mapping[str, str]) -> str:
    if TIME.fullmatch(text):
        return "TIME"
    return UID.sub(lambda found: names.get(found[0], "GONE"), text)


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Each place at which two values differ, and how."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        found = []
        for key in sorted({*one, *other}):
            here = f"{where}.{key}" if where else str(key)
            if key not in other:
                found.append(f"{here}: only in the first: {one[key]!r}")
            elif key not in one:
                found.append(f"{here}: only in the second: {other[key]!r}")
            else:
                found += differences(one[key], other[key], here)
        return found
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [
            each for i, pair in enumerate(zip(one, other, strict=True)) for each in differences(*pair, f"{where}[{i}]")
        ]
    return [] if one == other else [f"{where}: {one!r}, {other!r}"]
