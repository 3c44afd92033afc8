"""What somebody may send to a webhook in place of a question."""

from __future__ import annotations

from typing import NamedTuple

from tests.core.webhookkit import review

__all__ = ["BODIES", "HostileBody"]


class HostileBody(NamedTuple):
    """One, the status that it is answered with, and what its answer says."""

    what: str
    body: bytes
    status: int
    says: str


def deep(levels: int) -> bytes:
    """A review whose object is nested so deeply."""
    return review().replace(b'"object":{', b'"object":{"x":' + b'{"x":' * levels + b"1" + b"}" * levels + b",")


BODIES = (
    HostileBody("nothing", b"", 400, "empty"),
    HostileBody("no JSON", b"not json at all", 400, "no AdmissionReview"),
    HostileBody("another kind", b'{"apiVersion":"v1","kind":"Pod"}', 400, "expected an AdmissionReview"),
    HostileBody("open brackets", b"[" * 1_000_000, 400, ""),
    HostileBody("nested", b'{"a":' * 1_000_000, 400, "nested too deeply"),
    HostileBody("an object nested", deep(1_000_000), 400, "nested too deeply"),
    HostileBody("another version", review().replace(b"io/v1", b"io/v1beta1"), 400, "v1beta1"),
    HostileBody("no uid", review(uid=""), 400, "no uid"),
    HostileBody("no uid at all", review().replace(b'"uid":"1",', b""), 400, "uid"),
    HostileBody("no request", b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}', 400, "no request"),
    HostileBody("no UTF-8", review().replace(b'"CREATE"', b'"\xff\xfe\xfa"'), 400, "no AdmissionReview"),
    HostileBody("a wrong type", review().replace(b'"CREATE"', b"[1, 2]"), 400, "operation"),
    HostileBody("a huge list", b"[" + b"1," * 3_000_000 + b"1]", 400, "no AdmissionReview"),
    HostileBody("more than may be", b"\x00" * (8 << 20), 413, "larger than"),
    HostileBody("100 MiB", b"\x00" * (100 << 20), 413, "larger than"),
)
