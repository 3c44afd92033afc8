"""An API server in memory, for all kinds at once and with writes: one order of versions, as etcd gives it.

* Reads, lists and watches (by one equality label selector), creation, server-side apply, merge patch, deletion;
  status as a subresource; preconditions by uid and resourceVersion; a generation that counts changes of the spec;
  a write that changes nothing makes no version.
* Server-side apply is true to what our writers do: they own the fields of `spec` as a whole and those of `status`
  one by one; force is always meant.
* `history` keeps every version with the time at which it came to be: what a checker reads.
* Every client has a `Link` of its own, on which requests take their time, watches lag behind, and which can be cut
  before or after the write that is chosen.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from nmstate_k8s.core.transport import Response
from nmstate_k8s.testing.transport import answer, failure

__all__ = ["ApiModel", "Change", "Place"]

Json = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where an object is found, or (no name) all of a kind."""

    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @classmethod
    def of(cls, path: str) -> Place:
        """By the URL's path."""
        parts = [unquote(each) for each in path.strip("/").split("/")]
        parts = parts[3:] if parts[0] == "apis" else parts[2:]
        namespace = ""
        if parts[0] == "namespaces" and len(parts) > 2:
            namespace, parts = parts[1], parts[2:]
        plural, name, subresource = (*parts, "", "")[:3]
        return cls(plural, namespace, name, subresource)

    @property
    def key(self) -> tuple[str, str, str]:
        return self.plural, self.namespace, self.name


@dataclass(frozen=True)
class Change:
    """A version of an object, never changed afterwards."""

    version: int
    at: float
    plural: str
    namespace: str
    what: str
    object: Json
    before: Json | None

    @cached_property
    def line(self) -> bytes:
        """As a watch tells of it."""
        return json.dumps({"type": self.what, "object": self.object}).encode()


class ApiModel:
    """Ask it by `answer`; or, as its own administrator, by the verbs below."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.objects: dict[tuple[str, str, str], Json] = {}
        self.history: list[Change] = []
        self.version = 1
        self._news: dict[str, asyncio.Event] = {}
        self._now = now
        self._made = 0
        self._owned: dict[tuple[str, str], set[str]] = {}
        """The fields of a status, by the object's uid and their manager."""

    # --- The verbs --------------------------------------------------------------------------------------------

    def news(self, plural: str) -> asyncio.Event:
        """Set when one of that kind changes next."""
        return self._news.setdefault(plural, asyncio.Event())

    def find(self, plural: str, name: str, namespace: str = "") -> Json | None:
        """The object as it stands; do not change it."""
        return self.objects.get((plural, namespace, name))

    def all(self, plural: str) -> list[Json]:
        """All objects of a kind as they stand."""
        return [each for (kind, _, _), each in self.objects.items() if kind == plural]

    def create(self, place: Place, body: Json) -> Json:
        """A new object: its first version."""
        self._made += 1
        metadata = {**body.get("metadata", {}), "uid": f"uid-{self._made}", "generation": 1}
        return self._put(place, {**body, "metadata": metadata}, None)

    def merge(self, place: Place, patch: Mapping[str, Any]) -> Json:
        """JSON merge patch; a status only where the place says so, and then nothing else."""
        before = self.objects[place.key]
        return self._put(place, _merged(before, patch), before)

    def set_status(self, place: Place, status: Json) -> Json:
        """The status as a whole, by a node: nobody else owns a part of it any more."""
        before = self.objects[place.key]
        for owned in [key for key in self._owned if key[0] == before["metadata"]["uid"]]:
            del self._owned[owned]
        return self._put(place, {**before, "status": status}, before)

    def delete(self, place: Place) -> None:
        """Gone; its last version is that of its deletion."""
        self._put(place, None, self.objects[place.key])

    def _put(self, place: Place, new: Json | None, before: Json | None) -> Json:
        if new is not None and before is not None:
            if new == before:
                return before
            if place.plural != "nodes" and new.get("spec") != before.get("spec"):
                generation = before["metadata"]["generation"] + 1
                new = {**new, "metadata": {**new["metadata"], "generation": generation}}
        self.version += 1
        what = "DELETED" if new is None else "ADDED" if before is None else "MODIFIED"
        made = new if new is not None else before
        assert made is not None
        made = {**made, "metadata": {**made["metadata"], "resourceVersion": str(self.version)}}
        if new is None:
            del self.objects[place.key]
        else:
            self.objects[place.key] = made
        self.history.append(Change(self.version, self._now(), place.plural, place.namespace, what, made, before))
        if news := self._news.pop(place.plural, None):
            news.set()
        return made

    # --- As a server --------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: Mapping[str, str], body: bytes | None, content: str) -> Response:
        """One request, at this moment, as a whole."""
        place = Place.of(path)
        said: Json = json.loads(body) if body else {}
        if method == "GET":
            return self._read(place, query)
        if method == "POST":
            place = Place(place.plural, place.namespace, said["metadata"]["name"])
            if place.key in self.objects:
                return failure(409, "AlreadyExists")
            return answer(self.create(place, said), 201)
        before = self.objects.get(place.key)
        conditions = said.get("preconditions", {}) if method == "DELETE" else said.get("metadata", {})
        wanted = {name: conditions[name] for name in ("uid", "resourceVersion") if conditions.get(name)}
        if before is None:
            return failure(409, "Conflict") if wanted and not place.subresource and method != "DELETE" else _missing()
        if any(before["metadata"][name] != value for name, value in wanted.items()):
            return failure(409, "Conflict")
        if method == "DELETE":
            self.delete(place)
            return answer({"kind": "Status", "status": "Success"})
        if "apply" in content:
            return answer(self._apply(place, before, said, query["fieldManager"]))
        patch = {name: value for name, value in said.items() if (name == "status") == bool(place.subresource)}
        return answer(self.merge(place, patch))

    def _read(self, place: Place, query: Mapping[str, str]) -> Response:
        if place.name:
            found = self.objects.get(place.key)
            return _missing() if found is None else answer(found)
        items = [
            each
            for (plural, namespace, _), each in self.objects.items()
            if plural == place.plural and place.namespace in ("", namespace) and selected(each, query)
        ]
        return answer({"metadata": {"resourceVersion": str(self.version)}, "items": items})

    def _apply(self, place: Place, before: Json, said: Json, manager: str) -> Json:
        """Of a status the fields that are said; those that the manager said before and does not any more go."""
        if place.subresource == "status":
            uid = before["metadata"]["uid"]
            mine = self._owned.get((uid, manager), set())
            others = {
                name for key, names in self._owned.items() if key[0] == uid and key[1] != manager for name in names
            }
            kept = {
                name: value
                for name, value in before.get("status", {}).items()
                if name in said["status"] or name not in mine or name in others
            }
            self._owned[uid, manager] = set(said["status"])
            return self._put(place, {**before, "status": {**kept, **said["status"]}}, before)
        metadata = copy.deepcopy(before["metadata"])
        for name in ("annotations", "labels"):
            if name in said["metadata"]:
                metadata[name] = {**metadata.get(name, {}), **said["metadata"][name]}
        rest = {"spec": said["spec"]} if "spec" in said else {}
        return self._put(place, {**before, "metadata": metadata, **rest}, before)


def selected(obj: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    """Whether the object has the label that is asked for."""
    name, _, value = query.get("labelSelector", "").partition("=")
    return not name or (obj["metadata"].get("labels") or {}).get(name) == value


def _missing() -> Response:
    return failure(404, "NotFound")


def _merged(old: Any, patch: Any) -> Any:
    if not isinstance(patch, Mapping):
        return patch
    made = dict(old) if isinstance(old, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = _merged(made.get(name), value)
    return made
