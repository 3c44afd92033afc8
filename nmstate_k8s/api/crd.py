"""CustomResourceDefinitions, made from the types of this package.

- One source: a field of a type is a field of the schema, its description is what ``kubectl explain`` says.
- What a type does not know is pruned by the API server, but for nmstate states and the top level of an
  enactment, which keep everything.
- The storage version comes first; older ones are served, marked deprecated, and have the same fields, so that
  no conversion webhook is needed.

The schemas are structural: no references, no unions but for ``x-kubernetes-int-or-string``.
"""

from __future__ import annotations

__all__ = ["KINDS", "Column", "Kind", "custom_resource_definition", "custom_resource_definitions", "schema"]

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import inspect

from nmstate_k8s.api.enactment import Enactment
from nmstate_k8s.api.meta import CATEGORY, GROUP, V1, V1BETA1
from nmstate_k8s.api.model import Model
from nmstate_k8s.api.nmstate import NMState
from nmstate_k8s.api.nodestate import NodeState
from nmstate_k8s.api.policy import Policy
from nmstate_k8s.api.schema import rule

Json = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """A column of ``kubectl get``; priority 1: only with ``-o wide``."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True)
class Kind:
    """How the API server is to serve one of our kinds."""

    model: type[Model]
    name: str
    plural: str
    short_names: tuple[str, ...]
    versions: tuple[str, ...]
    columns: tuple[Column, ...]
    categories: tuple[str, ...] = (CATEGORY,)
    preserve_unknown: bool = False
    status_default: Mapping[str, Any] = field(default_factory=dict)
    rules: tuple[Json, ...] = ()


def _true(what: str) -> str:
    """The path to something of the condition that is True: the first one, by the order of the conditions."""
    return f'.status.conditions[?(@.status=="True")].{what}'


_STATUS = Column("Status", _true("type"))
_REASON = Column("Reason", _true("reason"))
_MESSAGE = Column("Message", _true("message"), priority=1)
_AGE = Column("Age", ".metadata.creationTimestamp", "date", priority=1)
_COUNTS = tuple(
    Column(name, f".status.rollout.{name.lower()}", "integer", priority=1)
    for name in ("Matching", "Ready", "Available", "Progressing", "Pending", "Failing")
)

# A new object is not yet what its controller made of it: kstatus reads generations that differ as "in progress".
_UNSEEN = {"observedGeneration": -1}

KINDS = (
    Kind(
        model=NMState,
        name="NMState",
        plural="nmstates",
        short_names=(),
        versions=(V1, V1BETA1),
        columns=(_STATUS, _REASON, _MESSAGE, _AGE),
        categories=(),
        status_default=_UNSEEN,
    ),
    Kind(
        model=Enactment,
        name="NodeNetworkConfigurationEnactment",
        plural="nodenetworkconfigurationenactments",
        short_names=("nnce",),
        versions=(V1BETA1,),
        columns=(
            _STATUS,
            Column("Status Age", _true("lastTransitionTime"), "date"),
            _REASON,
            _MESSAGE,
            Column("Generation", ".status.policyGeneration", "integer", priority=1),
        ),
        preserve_unknown=True,
    ),
    Kind(
        model=Policy,
        name="NodeNetworkConfigurationPolicy",
        plural="nodenetworkconfigurationpolicies",
        short_names=("nncp",),
        versions=(V1, V1BETA1),
        columns=(_STATUS, _REASON, *_COUNTS, _MESSAGE, _AGE),
        status_default=_UNSEEN,
        rules=(
            rule(
                "self.metadata.name.size() <= 63",
                "the name of a policy must have at most 63 characters: it is a label of the policy's enactments",
            ),
        ),
    ),
    Kind(
        model=NodeState,
        name="NodeNetworkState",
        plural="nodenetworkstates",
        short_names=("nns",),
        versions=(V1BETA1,),
        columns=(),
    ),
)


def custom_resource_definitions() -> dict[str, Json]:
    """All definitions, by kind."""
    return {kind.name: custom_resource_definition(kind) for kind in KINDS}


def custom_resource_definition(kind: Kind) -> Json:
    """The definition of one kind."""
    names: Json = {
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        "plural": kind.plural,
        "singular": kind.name.lower(),
    }
    if kind.short_names:
        names["shortNames"] = list(kind.short_names)
    if kind.categories:
        names["categories"] = list(kind.categories)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Cluster",
            "names": names,
            "versions": [_version(kind, version) for version in kind.versions],
        },
    }


def _version(kind: Kind, version: str) -> Json:
    storage = kind.versions[0]
    entry: Json = {"name": version, "served": True, "storage": version == storage}
    if version != storage:
        entry["deprecated"] = True
        entry["deprecationWarning"] = (
            f"{GROUP}/{version} {kind.name} is deprecated, use {GROUP}/{storage}: it has the same fields"
        )
    if kind.columns:
        entry["additionalPrinterColumns"] = [_column(column) for column in kind.columns]
    entry["subresources"] = {"status": {}}
    entry["schema"] = {"openAPIV3Schema": _root(kind)}
    return entry


def _column(column: Column) -> Json:
    entry: Json = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.priority:
        entry["priority"] = column.priority
    return entry


def _root(kind: Kind) -> Json:
    root = schema(kind.model)
    properties: Json = root.pop("properties")
    if kind.status_default:
        properties["status"]["default"] = dict(kind.status_default)
    if kind.preserve_unknown:
        root["x-kubernetes-preserve-unknown-fields"] = True
    if kind.rules:
        root["x-kubernetes-validations"] = list(kind.rules)
    own: Json = {
        "apiVersion": {"type": "string", "description": "The version of the API that this object is written in."},
        "kind": {"type": "string", "description": "What kind of object this is."},
        "metadata": {"type": "object"},
    }
    return {**root, "properties": {**own, **properties}}


def schema(model: type[Model]) -> Json:
    """The structural schema of a type, with its docstring as description."""
    text = " ".join((model.__doc__ or "").split())
    return {"description": text, **_schema(inspect.type_info(model))}


def _schema(shape: inspect.Type) -> Json:
    """The structural schema of one type; what an annotation says wins over what is derived from the type."""
    match shape:
        case inspect.Metadata():
            return {**_schema(shape.type), **(shape.extra_json_schema or {})}
        case inspect.StructType():
            return _struct(shape)
        case inspect.UnionType():
            return _optional(shape)
        case inspect.DictType():
            return {"type": "object", "additionalProperties": _schema(shape.value_type)}
        case inspect.VarTupleType():
            return {"type": "array", "items": _schema(shape.item_type)}
        case inspect.LiteralType():
            return {"type": "string", "enum": list(shape.values)}
        case inspect.StrType():
            return {"type": "string", **_given(maxLength=shape.max_length, pattern=shape.pattern)}
        case inspect.DateTimeType():
            return {"type": "string", "format": "date-time"}
        case inspect.BoolType():
            return {"type": "boolean"}
        case inspect.IntType():
            return {"type": "integer", "format": "int64"}
        case inspect.FloatType():
            return {"type": "number"}
        case inspect.AnyType():
            return {}
        case _:
            raise TypeError(f"a structural schema cannot say {shape!r}")


def _struct(shape: inspect.StructType) -> Json:
    properties = {each.encode_name: _field(each) for each in shape.fields}
    required = [each.encode_name for each in shape.fields if each.required]
    return {"type": "object", **_given(required=required), "properties": properties}


def _field(each: inspect.Field) -> Json:
    """A field, its description first: each one has one."""
    derived = _schema(each.type)
    return {"description": derived.pop("description"), **derived}


def _optional(shape: inspect.UnionType) -> Json:
    """None means absent, which every field may be; whatever else is in a union must be annotated."""
    others = [each for each in shape.types if not isinstance(each, inspect.NoneType)]
    return _schema(others[0]) if len(others) == 1 else {}


def _given(**parts: Any) -> Json:
    """The parts that say something."""
    return {name: value for name, value in parts.items() if value not in (None, [])}
