"""Errors by meaning."""

import json
from typing import Any

import pytest

from nmstate_k8s.core import errors
from nmstate_k8s.core.errors import error_from_status


def status(code: int, reason: str = "", **more: Any) -> bytes:
    """A Status of the API server."""
    return json.dumps({"kind": "Status", "code": code, "reason": reason, "message": "why"} | more).encode()


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (400, "BadRequest", errors.Invalid),
        (401, "Unauthorized", errors.Unauthorized),
        (403, "Forbidden", errors.Forbidden),
        (404, "NotFound", errors.NotFound),
        (404, "", errors.UnknownKind),
        (409, "AlreadyExists", errors.AlreadyExists),
        (409, "Conflict", errors.Conflict),
        (410, "Expired", errors.Expired),
        (410, "Gone", errors.Expired),
        (413, "RequestEntityTooLarge", errors.Invalid),
        (422, "Invalid", errors.Invalid),
        (429, "TooManyRequests", errors.Throttled),
        (500, "InternalError", errors.Unavailable),
        (503, "ServiceUnavailable", errors.Unavailable),
        (504, "Timeout", errors.Unavailable),
        (415, "UnsupportedMediaType", errors.ApiError),
    ],
)
def test_each_answer_has_its_class(code: int, reason: str, expected: type[errors.ApiError]) -> None:
    """Callers catch a class, never a number."""
    assert type(error_from_status(status(code, reason), status=code)) is expected


def test_an_invalid_object_names_its_fields() -> None:
    """The causes are there for whoever wants to say it better."""
    body = status(
        422, "Invalid", details={"causes": [{"reason": "FieldValueRequired", "message": "no", "field": "a.b"}]}
    )
    error = error_from_status(body, status=422, request="POST /x")
    assert [str(cause) for cause in error.causes] == ["a.b: no"]
    assert str(error) == "POST /x: 422 Invalid: why"


def test_a_proxys_plain_text_is_an_answer_too() -> None:
    """Load balancers do not speak Status."""
    error = error_from_status(b"upstream connect error", status=503)
    assert isinstance(error, errors.Unavailable)
    assert error.message == "upstream connect error"


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (500, "etcdserver: request is too large", True),
        (500, "rpc error: code = ResourceExhausted desc = trying to send message larger than max (3 vs. 2)", True),
        (413, "Request entity too large: limit is 3145728", True),
        (500, "etcdserver: leader changed", False),
        (422, "Invalid value: too large", False),
    ],
)
def test_what_is_too_large_is_told_apart(code: int, message: str, expected: bool) -> None:
    """In the words of real API servers: the same request would fail for ever."""
    assert error_from_status(status(code, message=message), status=code).too_large is expected


def test_an_error_inside_a_stream_says_its_own_code() -> None:
    """The HTTP status of a watch was 200 long ago."""
    assert isinstance(error_from_status(status(410, "Expired")), errors.Expired)


def test_retry_after_is_known_from_the_body() -> None:
    """Some servers say it in the Status only."""
    body = status(429, "TooManyRequests", details={"retryAfterSeconds": 7})
    assert error_from_status(body, status=429).retry_after == 7


def test_a_version_from_the_future_is_told_apart() -> None:
    """The server has been restored: wait or list, but do not think it down."""
    body = status(504, "Timeout", details={"causes": [{"reason": "ResourceVersionTooLarge", "message": "x"}]})
    assert error_from_status(body, status=504).too_large_resource_version
    assert not error_from_status(status(504, "Timeout"), status=504).too_large_resource_version


def test_a_kind_that_is_not_served_is_told_apart_from_an_object_that_is_missing() -> None:
    """The one needs a CRD, the other nothing."""
    plain = error_from_status(b"404 page not found\n", status=404, request="GET /apis/example.com/v1/things")
    assert isinstance(plain, errors.UnknownKind)
    assert "is its CRD installed" in str(plain)
    missing = error_from_status(status(404, "NotFound", details={"name": "x", "kind": "things"}), status=404)
    assert type(missing) is errors.NotFound


def test_an_error_is_one_line_of_bounded_length() -> None:
    """Some servers answer with a page of HTML, some with the whole object; `message` keeps it all."""
    html = error_from_status(b"<html>\n<body>\n  502 Bad Gateway\n</body></html>", status=502)
    assert str(html) == "502: <html> <body> 502 Bad Gateway </body></html>"
    long = error_from_status(json.dumps({"code": 422, "message": "x\n" * 5000}).encode(), status=422)
    assert len(str(long)) < 1700
    assert "\n" not in str(long)
    assert "(10000 characters)" in str(long)
    assert len(long.message) == 10000


def test_what_an_unknown_account_can_do_is_said() -> None:
    """`Unauthorized` alone helps nobody."""
    assert "expired" in str(error_from_status(status(401, "Unauthorized"), status=401))


def test_a_disruption_budget_is_no_busy_server() -> None:
    """Both are 429."""
    body = status(429, "TooManyRequests", details={"causes": [{"reason": "DisruptionBudget", "message": "no"}]})
    error = error_from_status(body, status=429)
    assert isinstance(error, errors.Throttled)
    assert error.by_disruption_budget


def test_a_body_that_nests_without_end_is_no_crash() -> None:
    """Whoever sits between us and the server may send anything."""
    assert isinstance(error_from_status(b'{"details":' * 50_000, status=500), errors.Unavailable)
