"""What is tried again, and when."""

import pytest

from nmstate_k8s.core.errors import (
    ApiError,
    Cause,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    NeverSent,
    NotFound,
    Throttled,
    Unavailable,
)
from nmstate_k8s.core.retry import RetryPolicy, is_repeatable, retry_after_seconds
from nmstate_k8s.core.transport import Request

LOST = Unavailable("no answer")
APPLY, MERGE, JSON = (f"application/{kind}" for kind in ("apply-patch+yaml", "merge-patch+json", "json-patch+json"))
TOO_NEW = Unavailable("x", causes=(Cause("ResourceVersionTooLarge", "", ""),))
BUDGET = Throttled("x", causes=(Cause("DisruptionBudget", "", ""),))


@pytest.mark.parametrize(
    ("request_", "repeatable"),
    [
        (Request("GET", "/x"), True),
        (Request("PUT", "/x"), True),
        (Request("PATCH", "/x", content_type=APPLY), True),
        (Request("PATCH", "/x", content_type=MERGE), True),
        (Request("PATCH", "/x", content_type=JSON), False),
        (Request("POST", "/x"), False),
        (Request("DELETE", "/x"), False),
        (Request("DELETE", "/x", repeatable=True), True),
        (Request("GET", "/x", repeatable=False), False),
    ],
    ids=str,
)
def test_what_may_be_done_twice(request_: Request, repeatable: bool) -> None:
    """When an answer was lost, nobody knows whether it was done."""
    assert is_repeatable(request_) is repeatable
    assert (RetryPolicy().delay(LOST, 1, request_) is not None) is repeatable


@pytest.mark.parametrize(
    ("error", "repeated"),
    [
        (Throttled("x"), True),
        (NeverSent("x"), True),
        (BUDGET, False),
        (Conflict("x"), False),
        (Invalid("x"), False),
        (Forbidden("x"), False),
        (NotFound("x"), False),
        (Expired("x"), False),
        (TOO_NEW, False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_which_answers_are_worth_another_try(error: ApiError, repeated: bool) -> None:
    """Only where the same question can have another answer soon; for a create, only where nothing was done."""
    for method in ("GET", "POST"):
        assert (RetryPolicy().delay(error, 1, Request(method, "/x")) is not None) is repeated


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": " 0 "}, 0),
        ({"Retry-After": "Wed, 25 Nov 2026 06:00:30 GMT", "Date": "Wed, 25 Nov 2026 06:00:00 GMT"}, 30),
        ({"Retry-After": "Wed, 25 Nov 2026 05:00:00 GMT", "Date": "Wed, 25 Nov 2026 06:00:00 GMT"}, 0),
        ({"Retry-After": "Wed, 25 Nov 1998 05:00:00 GMT"}, 0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "²"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    """A date counts from the server's own now, so a wrong clock of ours does no harm."""
    assert retry_after_seconds(headers) == seconds


def test_a_server_cannot_send_us_away_for_long_nor_all_at_once() -> None:
    """At most 30 s and a tenth, and not the same for everybody."""
    waits = {RetryPolicy().delay(Throttled("x", retry_after=3600), 1, Request("GET", "/x")) for _ in range(50)}
    assert all(wait is not None and 30 <= wait <= 33 for wait in waits)
    assert len(waits) > 1
