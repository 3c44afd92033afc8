"""Who may read what a server of ours shows: the API server is asked, as kubelets and kube-rbac-proxy ask it.

* A request needs a bearer token. Whose it is, a TokenReview says; whether he may `get` the path, a
  SubjectAccessReview (a ClusterRole with `nonResourceURLs`).
* Every failure closes: no token or a bad one is answered 401, one without the right 403, and 503 where the API
  server cannot be asked. The answer says which, in a sentence.
* An answer counts for some seconds, so that a scrape costs no request of ours; a right that was taken away is gone
  after as long. Tokens are kept as their hashes.
* Strangers with made-up tokens cost the API server at most `max_asking` requests at once; who comes while as many are
  waiting is answered 503 at once.

Our account needs the rights of the ClusterRole `system:auth-delegator`: to create tokenreviews and
subjectaccessreviews.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import CoreError
from nmstate_k8s.core.objects import Object, Resource

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["ACCESS_REVIEWS", "TOKEN_REVIEWS", "AccessReviewer", "Verdict", "guarded"]

TOKEN_REVIEWS: Final = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview")
ACCESS_REVIEWS: Final = Resource("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview")

MAX_TOKEN: Final = 16 * 1024
"""Bytes; a bound token of a service account has about one thousand."""

Handler = Callable[["web.Request"], "Awaitable[web.StreamResponse]"]

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may go on."""

    status: int = 200
    """The HTTP status of the answer that it gets otherwise."""
    reason: str = ""

    @property
    def allowed(self) -> bool:
        """It may."""
        return self.status == 200


class _User(msgspec.Struct):
    username: str = ""
    uid: str = ""
    groups: list[str] = msgspec.field(default_factory=list)
    extra: dict[str, list[str]] = msgspec.field(default_factory=dict)


class _Authentication(msgspec.Struct):
    class Status(msgspec.Struct):
        authenticated: bool = False
        user: _User = msgspec.field(default_factory=_User)
        error: str = ""

    status: Status = msgspec.field(default_factory=Status)


class _Authorization(msgspec.Struct, rename="camel"):
    class Status(msgspec.Struct, rename="camel"):
        allowed: bool = False
        evaluation_error: str = ""

    status: Status = msgspec.field(default_factory=Status)


class AccessReviewer:
    """Asks the API server, and remembers for a while what it said."""

    def __init__(
        self,
        client: Client,
        *,
        seconds: float = 10.0,
        ask_seconds: float = 5.0,
        most: int = 1000,
        max_asking: int = 4,
        max_waiting: int = 50,
    ) -> None:
        """
        :param seconds: that an answer counts.
        :param ask_seconds: in which the API server has to answer both questions.
        :param most: how many answers are remembered.
        """
        self._client = client
        self._seconds = seconds
        self._ask_seconds = ask_seconds
        self._most = most
        self._known: OrderedDict[tuple[bytes, str, str], tuple[Verdict, float]] = OrderedDict()
        self._asking: dict[tuple[bytes, str, str], asyncio.Task[Verdict]] = {}
        self._places = asyncio.Semaphore(max_asking)
        self._max_waiting = max_asking + max_waiting

    async def judge(self, authorization: str, verb: str, path: str) -> Verdict:
        """Whether the bearer may do that; `authorization` is the request's header of that name."""
        scheme, _, token = authorization.strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return Verdict(401, "a bearer token is needed")
        if len(token) > MAX_TOKEN:
            return Verdict(401, "the token is too long")
        asked = hashlib.sha256(token.encode(errors="replace")).digest(), verb, path
        known = self._known.get(asked)
        if known is not None and self._client.clock.monotonic() < known[1]:
            return known[0]
        asking = self._asking.get(asked)
        if asking is None:
            if len(self._asking) >= self._max_waiting:
                return Verdict(503, "too many questions at once")
            asking = self._asking[asked] = asyncio.create_task(self._ask(token, verb, path))
            asking.add_done_callback(lambda task: self._answered(asked, task))
        return await asyncio.shield(asking)

    def _answered(self, asked: tuple[bytes, str, str], task: "asyncio.Task[Verdict]") -> None:
        """Remember the answer, unless it only says that there was none."""
        del self._asking[asked]
        if task.cancelled() or task.exception() or (verdict := task.result()).status == 503:
            return
        self._known.pop(asked, None)
        while len(self._known) >= self._most:
            self._known.popitem(last=False)
        self._known[asked] = verdict, self._client.clock.monotonic() + self._seconds

    async def _ask(self, token: str, verb: str, path: str) -> Verdict:
        try:
            async with asyncio.timeout(self._ask_seconds), self._places:
                return await self._review(token, verb, path)
        except (CoreError, TimeoutError) as error:
            text = str(error) or f"no answer within {self._ask_seconds:g} s"
            log.warning("who asks cannot be found out, so it is refused", path=path, error=text)
            return Verdict(503, "the API server cannot be asked who this is, or what it may do")

    async def _review(self, token: str, verb: str, path: str) -> Verdict:
        said = (await self._create(TOKEN_REVIEWS, {"token": token})).view(_Authentication).status
        if not said.authenticated:
            return Verdict(401, "the token is not valid")
        user = said.user
        wanted = {
            "user": user.username,
            "uid": user.uid,
            "groups": user.groups,
            "extra": user.extra,
            "nonResourceAttributes": {"path": path, "verb": verb},
        }
        answer = (await self._create(ACCESS_REVIEWS, wanted)).view(_Authorization).status
        if answer.allowed:
            return Verdict()
        log.info("access refused", user=user.username, verb=verb, path=path, error=answer.evaluation_error)
        return Verdict(403, f"{user.username} may not {verb} {path}")

    async def _create(self, resource: Resource, spec: Mapping[str, Any]) -> Object:
        """A review is an answer, and nothing that stays: it may be asked for again."""
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}, "spec": spec}
        return Object(await self._client.request("POST", resource.path(), body, repeatable=True), resource)


def guarded(routes: Mapping[str, Handler], reviewer: AccessReviewer) -> dict[str, Handler]:
    """The same routes, for those who may."""
    return {path: _guarded(handler, reviewer) for path, handler in routes.items()}


def _guarded(handler: Handler, reviewer: AccessReviewer) -> Handler:
    async def answer(request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web

        verb = "get" if request.method in ("GET", "HEAD") else request.method.lower()
        verdict = await reviewer.judge(request.headers.get("Authorization", ""), verb, request.path)
        if verdict.allowed:
            return await handler(request)
        headers = {"WWW-Authenticate": "Bearer"} if verdict.status == 401 else {}
        return web.Response(text=f"{verdict.reason}\n", status=verdict.status, headers=headers)

    return answer
