"""What an API server asks an admission webhook, and what may be answered (admission.k8s.io/v1).

    async def handler(request: AdmissionRequest) -> Decision:
        thing = request.new
        if thing is None or thing.labels.get("owner"):
            return allow()
        return deny("every thing needs a label `owner`", code=422)

* Objects stay bytes until they are read (`objects`).
* A change is a JSON patch against what came; `patch` makes the smallest one of before and after.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from nmstate_k8s.core.errors import CoreError
from nmstate_k8s.core.nesting import decoded
from nmstate_k8s.core.objects import Object, Resource

__all__ = [
    "MUTATING_WEBHOOKS",
    "VALIDATING_WEBHOOKS",
    "AdmissionRequest",
    "Decision",
    "MalformedReview",
    "UserInfo",
    "allow",
    "decode_review",
    "deny",
    "encode_review",
    "patched",
]

_GROUP: Final = "admissionregistration.k8s.io"
MUTATING_WEBHOOKS: Final = Resource(_GROUP, "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration")
VALIDATING_WEBHOOKS: Final = Resource(_GROUP, "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration")
"""Who tells API servers which webhooks there are."""

API_VERSION: Final = "admission.k8s.io/v1"
MAX_WARNING: Final = 256
"""Characters; the API server cuts longer ones off (it takes 4096 in all)."""


class MalformedReview(CoreError):
    """What came is no AdmissionReview that can be answered."""


class UserInfo(msgspec.Struct, frozen=True):
    """Who asks."""

    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)


class _Kind(msgspec.Struct, frozen=True):
    group: str = ""
    version: str = ""
    kind: str = ""


class _Resource(msgspec.Struct, frozen=True):
    group: str = ""
    version: str = ""
    resource: str = ""


class AdmissionRequest(msgspec.Struct, frozen=True, rename="camel"):
    """One question."""

    uid: str
    operation: str = ""
    """CREATE, UPDATE, DELETE or CONNECT"""
    kind: _Kind = msgspec.field(default_factory=_Kind)
    resource: _Resource = msgspec.field(default_factory=_Resource)
    sub_resource: str = ""
    name: str = ""
    namespace: str = ""
    user_info: UserInfo = msgspec.field(default_factory=UserInfo)
    dry_run: bool | None = False
    """The answer must have no side effect."""
    object: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))
    old_object: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))

    @property
    def new(self) -> Object | None:
        """What is to be; None on a deletion."""
        return self._object(self.object)

    @property
    def old(self) -> Object | None:
        """What is; None on a creation."""
        return self._object(self.old_object)

    def _object(self, raw: msgspec.Raw) -> Object | None:
        data = bytes(raw)
        if data == b"null":
            return None
        return Object(data, Resource(self.kind.group, self.kind.version, self.resource.resource, self.kind.kind))


@dataclass(frozen=True, slots=True)
class Decision:
    """One answer. Use `allow`, `deny`, `patched`."""

    allowed: bool
    message: str = ""
    code: int = 200
    reason: str = ""
    patch: Sequence[Mapping[str, Any]] = ()
    warnings: tuple[str, ...] = ()
    audit: Mapping[str, str] = field(default_factory=dict)
    """For the audit log; keys without a prefix."""


def allow(*, warnings: Sequence[str] = (), audit: Mapping[str, str] | None = None) -> Decision:
    """Yes; `warnings` are shown to whoever asked."""
    return Decision(True, warnings=tuple(warnings), audit=audit or {})


def deny(message: str, *, code: int = 403, reason: str = "", warnings: Sequence[str] = ()) -> Decision:
    """No, and why. `code`, `reason`: as in a Status (422 `Invalid`, 403 `Forbidden`).

    :raises ValueError: if that is no code of a refusal.
    """
    if not 400 <= code < 600:
        raise ValueError(f"a refusal has a code from 400 to 599, not {code}")
    return Decision(False, message, code, reason, warnings=tuple(warnings))


def patched(operations: Sequence[Mapping[str, Any]], *, warnings: Sequence[str] = ()) -> Decision:
    """Yes, with this JSON patch of the object; `patches.operations(before, after)` makes one."""
    return Decision(True, patch=operations, warnings=tuple(warnings))


class _Review(msgspec.Struct, rename="camel"):
    api_version: str = ""
    kind: str = ""
    request: AdmissionRequest | None = None


_decode: Final = msgspec.json.Decoder(_Review).decode


def decode_review(body: bytes) -> AdmissionRequest:
    """
    :raises MalformedReview: saying what is wrong with it.
    """
    if not body.strip():
        raise MalformedReview("the body is empty")
    try:
        review = decoded(_decode, body)
    except RecursionError as error:
        raise MalformedReview("the body is nested too deeply") from error
    except (msgspec.MsgspecError, ValueError) as error:  # ValueError: no UTF-8
        raise MalformedReview(f"the body is no AdmissionReview: {error}") from error
    if (review.kind, review.api_version) != ("AdmissionReview", API_VERSION):
        raise MalformedReview(
            f"expected an AdmissionReview of {API_VERSION}, got {review.kind[:100]!r} of {review.api_version[:100]!r}"
        )
    if review.request is None or not review.request.uid:
        raise MalformedReview("the AdmissionReview has no request, or that has no uid")
    return review.request


def encode_review(uid: str, decision: Decision) -> bytes:
    """The answer to the question `uid`."""
    response: dict[str, Any] = {"uid": uid, "allowed": decision.allowed}
    if decision.message or not decision.allowed:
        response["status"] = {"code": decision.code, "message": decision.message}
        if decision.reason:
            response["status"]["reason"] = decision.reason
    if decision.patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(msgspec.json.encode(decision.patch)).decode()
    if decision.warnings:
        response["warnings"] = [_short(text) for text in decision.warnings]
    if decision.audit:
        response["auditAnnotations"] = dict(decision.audit)
    return msgspec.json.encode({"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response})


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_WARNING else f"{line[: MAX_WARNING - 1]}…"
