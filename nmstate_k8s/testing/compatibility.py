"""Whether a kind of the next version still takes what the version before has written: two CRDs, compared.

A newer version may add optional fields, values and versions. Whatever takes something away, or asks for more, is named:
an object that is stored would not be readable, or could not be written back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["narrowed"]

Schema = Mapping[str, Any]

_LIMITS: Final = ("pattern", "format", "maxLength", "maxItems", "maxProperties", "maximum")
_LOWER: Final = ("minLength", "minItems", "minProperties", "minimum")
_OPEN: Final = "x-kubernetes-preserve-unknown-fields"
_LISTS: Final = ("x-kubernetes-list-type", "x-kubernetes-map-type")


def narrowed(before: Schema, after: Schema) -> list[str]:
    """What the CRD `after` does not take, or serve, of what `before` did; each as one line. Empty: all is well."""
    old, new = before["spec"], after["spec"]
    said = [f"{name}: another one" for name in ("group", "scope") if old[name] != new[name]]
    said += [f"names.{name}: another one" for name in ("plural", "kind") if old["names"][name] != new["names"][name]]
    gone = set(old["names"].get("shortNames", ())) - set(new["names"].get("shortNames", ()))
    said += [f"names.shortNames: {name} is gone" for name in sorted(gone)]
    versions = {version["name"]: version for version in new["versions"] if version["served"]}
    for version in old["versions"]:
        later = versions.get(version["name"])
        if later is None:
            said.append(f"{version['name']}: not served")
            continue
        said += [f"{version['name']}: {line}" for line in _version(version, later)]
    stored = {version["name"] for version in old["versions"] if version["storage"]}
    said += [f"{name}: stored, and not known any more" for name in sorted(stored - set(versions))]
    return said


def _version(old: Schema, new: Schema) -> Iterator[str]:
    lost = set(old.get("subresources", {})) - set(new.get("subresources", {}))
    yield from (f"subresource {name} is gone" for name in sorted(lost))
    shown = [column["jsonPath"] for column in old.get("additionalPrinterColumns", ()) if not column.get("priority")]
    shows = [column["jsonPath"] for column in new.get("additionalPrinterColumns", ()) if not column.get("priority")]
    if shown != shows[: len(shown)]:
        yield "the columns that everybody sees begin differently"
    yield from _schema("", old["schema"]["openAPIV3Schema"], new["schema"]["openAPIV3Schema"])


def _schema(path: str, old: Schema, new: Schema) -> Iterator[str]:
    where = path or "."
    if old.get("type") != new.get("type") or bool(old.get("x-kubernetes-int-or-string")) != bool(
        new.get("x-kubernetes-int-or-string")
    ):
        yield f"{where}: another type"
        return
    if old.get(_OPEN) and not new.get(_OPEN):
        yield f"{where}: unknown fields are not kept any more"
    yield from (f"{where}: {name} is another one" for name in _LISTS if old.get(name) != new.get(name))
    if old.get("nullable") and not new.get("nullable"):
        yield f"{where}: null is refused"
    yield from _limits(where, old, new)
    yield from (f"{path}.{name}: must be there now" for name in _more(old, new, "required"))
    for name, inner in old.get("properties", {}).items():
        if name in new.get("properties", {}):
            yield from _schema(f"{path}.{name}", inner, new["properties"][name])
        elif not new.get(_OPEN):
            yield f"{path}.{name}: is gone"
    for part, step in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(old.get(part), Mapping) and isinstance(new.get(part), Mapping):
            yield from _schema(path + step, old[part], new[part])


def _limits(where: str, old: Schema, new: Schema) -> Iterator[str]:
    if "enum" in new and not ("enum" in old and set(old["enum"]) <= set(new["enum"])):
        yield f"{where}: fewer values"
    for name in _LIMITS:
        if name in new and (name not in old or (old[name] != new[name] and not _looser(old[name], new[name]))):
            yield f"{where}: {name} is new, or tighter"
    for name in _LOWER:
        if new.get(name, 0) > old.get(name, 0):
            yield f"{where}: {name} is new, or tighter"
    if _more(old, new, "x-kubernetes-validations"):
        yield f"{where}: a rule is new"


def _looser(old: Any, new: Any) -> bool:
    """Of two upper limits; texts (a pattern) cannot be compared."""
    return not isinstance(old, str) and bool(new >= old)


def _more(old: Schema, new: Schema, name: str) -> list[Any]:
    """What a list has that it had not before; rules are compared without their words."""

    def essence(one: Any) -> Any:
        return one["rule"] if isinstance(one, Mapping) else one

    known = {essence(one) for one in old.get(name, ())}
    return [one for one in new.get(name, ()) if essence(one) not in known]
