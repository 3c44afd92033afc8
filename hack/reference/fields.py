"""docs/reference/fields.md: every field of our kinds, from the types that the CRDs are made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

from hack.reference.markdown import code, table
from nmstate_k8s.api.crd import KINDS, Json, Kind, schema
from nmstate_k8s.api.meta import GROUP
from nmstate_k8s.api.model import Model

INTRODUCTION = """# Every field

What `kubectl explain` says of the kinds of `nmstate.io`, on one page. States (`desiredState`, `currentState`) are in
nmstate's own language: see [nmstate.io](https://nmstate.io).
A field without a default is empty or absent unless it is set. All fields are optional but those marked *required*.
"""

# What the schema says of a value beyond its type, and how it reads.
_LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
    "maxProperties": "at most {} of them",
}


def page() -> str:
    """The whole page: the four kinds, then the types that they are made of, each once."""
    parts, kinds, todo = [INTRODUCTION], [kind.model for kind in KINDS], list[type[Model]]()
    for kind in KINDS:
        parts.append(_kind(kind))
        todo += _parts_of(kind.model)
    parts.append("\n## Types\n")
    done: list[type[Model]] = [*kinds]
    while todo:
        model = todo.pop(0)
        if model not in done:
            done.append(model)
            parts.append(f"\n### {model.__name__}\n{schema(model)['description']}\n\n{_table(model)}")
            todo = [*_parts_of(model), *todo]
    return "".join(parts)


def _kind(kind: Kind) -> str:
    stored, *older = (code(f"{GROUP}/{version}") for version in kind.versions)
    versions = stored + (f" (deprecated, with the same fields: {', '.join(older)})" if older else "")
    short = f", short {', '.join(map(code, kind.short_names))}" if kind.short_names else ""
    columns = ", ".join(
        f"{column.name} ({code(column.path)}{', with `-o wide`' if column.priority else ''})" for column in kind.columns
    )
    shown = f"\n`kubectl get` shows: {columns}.\n" if columns else ""
    rules = "".join(f"\nThe API server sees to it: {rule['message']}.\n" for rule in kind.rules)
    return (
        f"\n## {kind.name}\n{schema(kind.model)['description']}\n\n"
        f"{versions}, {code(kind.plural)}{short}; of the cluster, not of a namespace.\n{shown}{rules}\n"
        f"{_table(kind.model)}"
    )


def _table(model: type[Model]) -> str:
    told: Json = schema(model)
    required = told.get("required", ())
    rows = []
    for field in inspect.type_info(model).fields:  # type: ignore[attr-defined]
        said = told["properties"][field.encode_name]
        text, default = _apart(said["description"])
        rows.append(
            (
                code(field.encode_name),
                _type(field.type, said) + (", *required*" if field.encode_name in required else ""),
                default or _default(field, said),
                text,
            )
        )
    return table(("field", "type", "default", "description"), rows)


def _apart(description: str) -> tuple[str, str]:
    """The description, and the default where the description tells it."""
    before, found, rest = description.partition("Default: ")
    if not found:
        return description, ""
    default, _, after = rest.partition(". ")
    return f"{before.strip()} {after}".strip(), default.rstrip(".")


def _default(field: inspect.Field, said: Json) -> str:
    value = said.get("default", field.default)
    if value in (None, "", (), msgspec.NODEFAULT) or isinstance(value, Model):
        return ""
    return code(value if isinstance(value, str) else msgspec.json.encode(value).decode())


def _type(shape: inspect.Type, said: Json) -> str:
    """The type as people say it, with what limits the value."""
    limits = [text.format(said[name]) for name, text in _LIMITS.items() if name in said]
    if pattern := said.get("pattern"):
        limits.append(f"like {code(pattern)}")
    return ", ".join((_name(shape, said), *limits))


def _name(shape: inspect.Type, said: Json) -> str:
    inner = _inner(shape)
    if isinstance(inner, inspect.StructType):
        return f"[{inner.cls.__name__}](#{inner.cls.__name__.lower()})"
    if "x-kubernetes-int-or-string" in said:
        return "integer or string"
    if "x-kubernetes-preserve-unknown-fields" in said:
        return "nmstate's state"
    if isinstance(inner, inspect.VarTupleType):
        return f"list of {_name(inner.item_type, said['items'])}"
    if isinstance(inner, inspect.DictType):
        return f"map of {_name(inner.value_type, said['additionalProperties'])}"
    if "enum" in said:
        return " or ".join(code(value) for value in said["enum"])
    return "time" if said.get("format") == "date-time" else str(said["type"])


def _inner(shape: inspect.Type) -> inspect.Type:
    """The type without what is said about it, and without None, which means absent."""
    while isinstance(shape, inspect.Metadata | inspect.UnionType):
        if isinstance(shape, inspect.Metadata):
            shape = shape.type
        else:
            others = [each for each in shape.types if not isinstance(each, inspect.NoneType)]
            if len(others) > 1:
                return shape
            (shape,) = others
    return shape


def _parts_of(model: type[Model]) -> list[type[Model]]:
    """The types that the fields of a type have, in order."""
    return [each for field in inspect.type_info(model).fields for each in _models(field.type)]  # type: ignore[attr-defined]


def _models(shape: inspect.Type) -> Iterator[type[Any]]:
    match _inner(shape):
        case inspect.StructType(cls=cls):
            yield cls
        case inspect.VarTupleType(item_type=item):
            yield from _models(item)
        case inspect.DictType(value_type=value):
            yield from _models(value)
