"""What can go wrong between us and the API server, as a tree of meanings.

    CoreError
    ├── ApiError                 the server said no, or could not be asked
    │   ├── NotFound             404
    │   │   └── UnknownKind      the server does not serve that kind: its CRD is not installed
    │   ├── AlreadyExists        409, on create
    │   ├── Conflict             409, somebody else was faster
    │   ├── Expired              410, that resourceVersion or list token is history
    │   ├── Invalid              422 (400, 413): the object; `causes` name its fields
    │   ├── Forbidden            403
    │   ├── Unauthorized         401
    │   ├── Throttled            429, `retry_after` says when to come again
    │   └── Unavailable          5xx, refused and broken connections, timeouts
    │       ├── Silent           a watch said nothing for longer than its idle limit
    │       ├── NeverSent        there was no connection: the server has not seen the request
    │       └── ConnectionsReset we dropped the connection ourselves (`Client.reset_connections`)
    ├── ConfigError              no usable way to the cluster
    ├── MalformedObject          the server sent something that cannot be read as asked
    ├── TerminalError            raised by a reconciler: trying again will not help
    └── LeadershipLost           somebody else may lead now
        └── NotLeader            so a write was not sent

Callers catch a class, never a status code or the HTTP library's error; the cause is always chained. As text an
error is one line that says what was asked, what came back and, where it helps, what that means and how often it
was tried; `message` is what the server said, in full.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

__all__ = [
    "AlreadyExists",
    "ApiError",
    "Cause",
    "ConfigError",
    "Conflict",
    "ConnectionsReset",
    "CoreError",
    "Expired",
    "Forbidden",
    "Invalid",
    "LeadershipLost",
    "MalformedObject",
    "NeverSent",
    "NotFound",
    "NotLeader",
    "Silent",
    "TerminalError",
    "Throttled",
    "Unauthorized",
    "Unavailable",
    "UnknownKind",
    "error_from_status",
]

_TOO_LARGE: Final = ("etcdserver: request is too large", "trying to send message larger than max")
"""How an API server says, as a 500, that etcd refused (more than 1.5 MiB) or was not even asked (more than 2)."""
MAX_TEXT: Final = 1500
"""Characters of a server's words in one line of a log: some servers answer with the whole object."""


class CoreError(Exception):
    """Base of all errors of this library."""


class ConfigError(CoreError):
    """There is no usable configuration for a cluster."""


class MalformedObject(CoreError):
    """An object does not have the shape that it was to be read in."""


class TerminalError(CoreError):
    """A reconciler's verdict: this key will not get better by trying again. Wait for a change."""


class LeadershipLost(CoreError):
    """The lease could not be renewed in time; the work that depended on it was stopped."""


class NotLeader(LeadershipLost):
    """A write that only a leader may do was refused on our side of the wire: somebody else may lead now."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that the server objects to."""

    reason: str
    message: str
    field: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class ApiError(CoreError):
    """An answer of the API server that is not success."""

    hint = ""
    """What it means, where the server's own words do not tell."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        causes: tuple[Cause, ...] = (),
        retry_after: float | None = None,
        request: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.causes = causes
        self.retry_after = retry_after
        self.request = request
        self.attempts = 1
        """How often the client has tried."""
        self.maybe_done = False
        """An earlier try got no answer and may have been carried out: a Conflict may be with ourselves."""

    def __str__(self) -> str:
        code = " ".join(part for part in (str(self.status or ""), self.reason) if part)
        text = " ".join(self.message.split())
        if len(text) > MAX_TEXT:
            text = f"{text[:MAX_TEXT]}… ({len(self.message)} characters)"
        line = ": ".join(part for part in (self.request, code, text) if part)
        notes = [self.hint] if self.hint else []
        if self.retry_after is not None:
            notes.append(f"the server says to come again in {self.retry_after:g} s")
        if self.attempts > 1:
            notes.append(f"tried {self.attempts} times")
        if self.maybe_done:
            notes.append("an earlier try got no answer and may have been carried out")
        return f"{line} ({'; '.join(notes)})" if notes else line

    @property
    def too_large_resource_version(self) -> bool:
        """The server has not seen that resourceVersion (yet): its data may have been restored from a backup."""
        return any(cause.reason == "ResourceVersionTooLarge" for cause in self.causes) or (
            "Too large resource version" in self.message
        )

    @property
    def too_large(self) -> bool:
        """The object, or the request, is larger than the server or its etcd takes."""
        return self.status == 413 or any(text in self.message for text in _TOO_LARGE)


class NotFound(ApiError):
    """There is no such object, or no such kind."""


class UnknownKind(NotFound):
    """The server does not serve that kind, or not in that version."""

    hint = "the server does not serve this kind: is its CRD installed, in this version?"


class AlreadyExists(ApiError):
    """An object of that name is there already."""


class Conflict(ApiError):
    """The object was changed meanwhile, or another manager owns the field."""


class Expired(ApiError):
    """The resourceVersion or the continue token is too old: list anew."""


class Invalid(ApiError):
    """The server refuses the object; `causes` name the fields."""


class Forbidden(ApiError):
    """The account may not do that."""


class Unauthorized(ApiError):
    """The server does not know who we are."""

    hint = "the token or client certificate is missing, expired or not of this cluster"


class Throttled(ApiError):
    """Too many requests; the server did nothing."""

    @property
    def by_disruption_budget(self) -> bool:
        """Not the server is busy: the pod may not be evicted now."""
        return any(cause.reason == "DisruptionBudget" for cause in self.causes)


class Unavailable(ApiError):
    """The server cannot be reached or cannot answer now."""


class NeverSent(Unavailable):
    """No connection could be made, so the server cannot have acted on the request."""


class Silent(Unavailable):
    """A stream said nothing for long: nothing happened, or its connection is half-open. Nobody can tell."""


class ConnectionsReset(Unavailable):
    """The connection was dropped on purpose, because the network under it changed."""


_BY_STATUS: Final[Mapping[int, type[ApiError]]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    413: Invalid,
    422: Invalid,
    429: Throttled,
}
_BY_REASON: Final[Mapping[str, type[ApiError]]] = {
    "AlreadyExists": AlreadyExists,
    "Expired": Expired,
    "Gone": Expired,
}


class _Cause(msgspec.Struct):
    reason: str = ""
    message: str = ""
    field: str = ""


class _Details(msgspec.Struct, rename="camel"):
    name: str = ""
    kind: str = ""
    causes: list[_Cause] | None = None
    retry_after_seconds: float = 0


class _Status(msgspec.Struct):
    message: str = ""
    reason: str = ""
    code: int = 0
    details: _Details | None = None


_NO_RESOURCE: Final = "could not find the requested resource"
"""How the API server says it in groups of its own; elsewhere the answer is `404 page not found`, and no Status."""
_STATUS_DECODER: Final = msgspec.json.Decoder(_Status)


def error_from_status(body: bytes, *, status: int = 0, retry_after: float | None = None, request: str = "") -> ApiError:
    """The error that a `Status` object (or a proxy's plain text) speaks of.

    `status` is the HTTP code; 0 where the Status came inside a stream, which then names its own.
    """
    try:
        said = _STATUS_DECODER.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        text = " ".join(body.decode(errors="replace").split())
        said = _Status(message=text[:500])
    code = status or said.code
    details = said.details or _Details()
    if retry_after is None and details.retry_after_seconds:
        retry_after = details.retry_after_seconds
    kind = _BY_REASON.get(said.reason) or _BY_STATUS.get(code) or (Unavailable if code >= 500 else ApiError)
    if kind is NotFound and not details.name and (not said.reason or _NO_RESOURCE in said.message):
        kind = UnknownKind
    return kind(
        said.message or "the server gave no explanation",
        status=code,
        reason=said.reason,
        causes=tuple(Cause(cause.reason, cause.message, cause.field) for cause in details.causes or ()),
        retry_after=retry_after,
        request=request,
    )
