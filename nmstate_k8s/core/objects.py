"""Objects that stay bytes until they are read.

* `Object.raw` is the whole JSON as the server sent it (less what an informer trimmed): five thousand
  objects cost little more than their bytes.
* `key` is decoded on first use and kept, and so is `metadata`, which takes more room than all else that an object
  has beside its bytes; everything else is decoded by `view`, each time anew, into the caller's own frozen struct.
  Views ignore fields that they do not name.
* Objects never change. Two objects are equal when their bytes are.
* Lists of built-in kinds carry no apiVersion and kind per item; an `Object` knows them from its `Resource`.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar, cast, final
from urllib.parse import quote

import msgspec

from nmstate_k8s.core.errors import MalformedObject
from nmstate_k8s.core.nesting import decoded

__all__ = ["Key", "Object", "ObjectList", "ObjectMeta", "OwnerReference", "Resource", "Trim", "drop_managed_fields"]

T = TypeVar("T")


class Key(NamedTuple):
    """The name of an object, and what a reconciler is asked to reconcile. Cluster-scoped: no namespace."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind as the API server serves it: where it is found and what it is called."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = False
    metadata_only: bool = False
    """Answers bring the objects' metadata and nothing else: for large objects of which no more is wanted."""

    def as_metadata(self) -> "Resource":
        """The same kind, answered with metadata only."""
        return replace(self, metadata_only=True)

    def accept(self, *, listed: bool = False) -> str:
        """The media type of an answer, or of one that is a list."""
        if not self.metadata_only:
            return "application/json"
        return f"application/json;as=PartialObjectMetadata{'List' if listed else ''};g=meta.k8s.io;v=v1"

    @property
    def api_version(self) -> str:
        """`group/version`, or `version` in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, name: str = "", namespace: str = "", subresource: str = "") -> str:
        """The URL path of one object, of a subresource, or (no name) of the collection."""
        if namespace and not self.namespaced:
            raise ValueError(f"{self.kind} is cluster-scoped: it has no namespace ({namespace!r} was given)")
        if name and self.namespaced and not namespace:
            raise ValueError(f"{self.kind} {name!r} needs a namespace")
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


class OwnerReference(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Who owns an object; it is collected with its owners."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The part of metadata that controllers read."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    owner_references: tuple[OwnerReference, ...] = ()
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    finalizers: tuple[str, ...] = ()


class _Envelope(msgspec.Struct, rename="camel"):
    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)


class _Named(msgspec.Struct):
    class Metadata(msgspec.Struct):
        name: str = ""
        namespace: str = ""

    metadata: Metadata = msgspec.field(default_factory=Metadata)


class _TypeMeta(msgspec.Struct, rename="camel"):
    api_version: str = ""
    kind: str = ""


_envelope = msgspec.json.Decoder(_Envelope)
_named = msgspec.json.Decoder(_Named)


@lru_cache(maxsize=256)
def _decoder(shape: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape)


@final
class Object:
    """One object of the API server, immutable."""

    __slots__ = ("_key", "_metadata", "_resource", "raw")

    def __init__(self, raw: bytes, resource: Resource | None = None) -> None:
        self.raw = raw
        self._resource = resource
        self._key: Key | None = None
        self._metadata: ObjectMeta | None = None

    @classmethod
    def from_bytes(cls, raw: bytes, resource: Resource | None = None) -> "Object":
        """Of JSON; `resource` tells apiVersion and kind where the JSON does not."""
        return cls(bytes(raw), resource)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], resource: Resource | None = None) -> "Object":
        """Of plain data."""
        return cls(msgspec.json.encode(value), resource)

    @property
    def metadata(self) -> ObjectMeta:
        """Name, labels, versions and the like.

        :raises MalformedObject: if it is not what Kubernetes calls metadata.
        """
        if self._metadata is None:
            self._metadata = self._read(_envelope).metadata
        return self._metadata

    @property
    def key(self) -> Key:
        """Namespace and name; raises as `metadata` does."""
        if self._key is None:
            named = self._metadata or self._read(_named).metadata
            self._key = Key(named.namespace, named.name)
        return self._key

    @property
    def name(self) -> str:
        """metadata.name"""
        return self.key.name

    @property
    def namespace(self) -> str:
        """metadata.namespace, empty if cluster-scoped"""
        return self.key.namespace

    @property
    def uid(self) -> str:
        """metadata.uid"""
        return self.metadata.uid

    @property
    def labels(self) -> Mapping[str, str]:
        """metadata.labels"""
        return self.metadata.labels

    @property
    def api_version(self) -> str:
        """The apiVersion, if known."""
        return self._resource.api_version if self._resource else self.view(_TypeMeta).api_version

    @property
    def kind(self) -> str:
        """The kind, if known."""
        return self._resource.kind if self._resource else self.view(_TypeMeta).kind

    def view(self, shape: type[T]) -> T:
        """This object read as `shape`; fields that it does not name are skipped.

        :raises MalformedObject: naming the object and the field that does not fit.
        """
        try:
            value: T = decoded(_decoder(cast(Hashable, shape)).decode, self.raw)
        except (msgspec.MsgspecError, RecursionError) as error:
            name = getattr(shape, "__name__", str(shape))
            raise MalformedObject(f"{self._what()} cannot be read as {name}: {error}") from error
        return value

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain data of the caller's own."""
        value = self.view(dict[str, Any])
        if self._resource and (self._resource.metadata_only or "kind" not in value):
            # An answer with metadata only calls itself PartialObjectMetadata, whatever kind it is of.
            value |= {"apiVersion": self._resource.api_version, "kind": self._resource.kind}
        return value

    def with_raw(self, raw: bytes) -> "Object":
        """The same kind of object with other bytes."""
        return Object(raw, self._resource)

    def _read(self, decoder: "msgspec.json.Decoder[T]") -> T:
        try:
            return decoded(decoder.decode, self.raw)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise MalformedObject(f"metadata of {self._what()} cannot be read: {error}") from error

    def _without_managed_fields(self, raw: bytes) -> "Object":
        made = self.with_raw(raw)
        made._key, made._metadata = self._key, self._metadata
        return made

    def _what(self) -> str:
        kind = self._resource.kind if self._resource else "object"
        return f"{kind} {self._key}" if self._key else kind

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Object) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        meta = self.metadata
        kind = self._resource.kind if self._resource else "Object"
        return f"<{kind} {self.key} resourceVersion={meta.resource_version} {len(self.raw)} bytes>"


@dataclass(frozen=True, slots=True)
class ObjectList:
    """A list and the resourceVersion from which to watch on."""

    items: tuple[Object, ...]
    resource_version: str


Trim = Callable[[Object], Object]
"""What is left of an object to be kept."""


_MANAGED_KEY: Final = b'"managedFields"'


class _Managed(msgspec.Struct):
    class Metadata(msgspec.Struct, rename="camel"):
        managed_fields: msgspec.Raw = msgspec.Raw(b"")

    metadata: Metadata = msgspec.field(default_factory=Metadata)


def drop_managed_fields(obj: Object) -> Object:
    """The object without metadata.managedFields, which nobody here reads and which outweighs small objects.

    They are cut out of the bytes where the API server writes them: a JSON encoder takes memory by halves more than
    before, and what an object leaves of that is of no use to the next one.
    """
    raw, count = obj.raw, obj.raw.count(_MANAGED_KEY)
    if not count:
        return obj
    managed = bytes(obj.view(_Managed).metadata.managed_fields)
    if not managed:
        return obj  # others are called so
    begin = raw.find(b"," + _MANAGED_KEY + b":" + managed[:1])
    end = begin + len(_MANAGED_KEY) + 2 + len(managed)
    if count == 1 and begin >= 0 and raw.startswith(managed, end - len(managed)):
        return obj._without_managed_fields(raw[:begin] + raw[end:])
    top = obj.view(dict[str, msgspec.Raw])
    metadata = msgspec.json.decode(top["metadata"], type=dict[str, msgspec.Raw])
    del metadata["managedFields"]
    top["metadata"] = msgspec.Raw(msgspec.json.encode(metadata))
    return obj._without_managed_fields(msgspec.json.encode(top))
