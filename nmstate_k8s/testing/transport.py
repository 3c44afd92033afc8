"""A `Transport` whose server is a list of answers.

    transport = ScriptedTransport(
        answers=[listing([node("a", version=5)], version=5)],
        streams=[[changed("ADDED", node("b", version=6)), 2.0, Expired("too old")]],
    )

Answers and streams are used up in order; an exception among them is raised, a number in a stream is a wait
in seconds. A stream ends after its last line, unless that is `OPEN`; when the script is over, requests are
refused and watches stay open, silent. `requests` tells what was asked. Whether the server has come to a version
(`Client.has_come_to`) it has, always.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

from nmstate_k8s.core.errors import ApiError, ConnectionsReset, CoreError, NeverSent, Silent
from nmstate_k8s.core.transport import Request, Response, Stream

__all__ = ["OPEN", "ScriptedTransport", "answer", "changed", "failure", "listed", "listing", "thing"]

OPEN: Final = float("inf")
"""In a stream: say nothing more, but keep the connection."""

Line = bytes | float | ApiError


def thing(name: str, *, version: int, uid: str = "", namespace: str = "", **fields: Any) -> dict[str, Any]:
    """An object with the least metadata that makes one; `labels` go into it, other fields on top."""
    metadata = {"name": name, "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    if namespace:
        metadata["namespace"] = namespace
    return {"metadata": metadata | fields.pop("metadata", {}), **fields}


def answer(body: Any, status: int = 200, **headers: str) -> Response:
    """An answer with a JSON body."""
    return Response(status, headers, json.dumps(body).encode())


def listing(items: Sequence[dict[str, Any]], version: int, continue_: str = "") -> Response:
    """The answer to a list."""
    return answer({"metadata": {"resourceVersion": str(version), "continue": continue_}, "items": items})


def failure(code: int, reason: str, message: str = "so it is", **headers: str) -> Response:
    """A Status with a failure."""
    body = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
    return answer(body, code, **headers)


def listed(version: int) -> bytes:
    """The bookmark that ends a streaming list."""
    ends = {"annotations": {"k8s.io/initial-events-end": "true"}, "resourceVersion": str(version)}
    return changed("BOOKMARK", {"metadata": ends})


def changed(kind: str, obj: dict[str, Any]) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": kind, "object": obj}).encode()


class ScriptedTransport:
    """Plays its script once."""

    def __init__(
        self,
        answers: Iterable[Response | CoreError] = (),
        streams: Iterable[Sequence[Line] | Response | ApiError] = (),
    ) -> None:
        self.answers = list(answers)
        self.streams = list(streams)
        self.requests: list[Request] = []
        self.open_streams = 0
        self._reset = asyncio.Event()

    @property
    def watches(self) -> list[str]:
        """The resourceVersions from which watches were asked for; empty: with what is there first."""
        return [each.query.get("resourceVersion", "") for each in self.requests if "watch" in each.query]

    @property
    def lists(self) -> int:
        """How many lists were asked for."""
        gets = [each.query for each in self.requests if each.method == "GET"]
        return sum("watch" not in query and "resourceVersionMatch" not in query for query in gets)

    async def send(self, request: Request, *, timeout: float, new_connection: bool = False) -> Response:
        self.requests.append(request)
        if "resourceVersionMatch" in request.query:
            return listing([], int(request.query["resourceVersion"]))
        if not self.answers:
            raise NeverSent("the script is over", request=str(request))
        said = self.answers.pop(0)
        if isinstance(said, CoreError):
            raise said
        return said

    @asynccontextmanager
    async def stream(self, request: Request, *, idle_seconds: float) -> AsyncIterator[Stream]:
        self.requests.append(request)
        script = self.streams.pop(0) if self.streams else (OPEN,)
        if isinstance(script, ApiError):
            raise script
        said = script if isinstance(script, Response) else Response(200, {}, b"")
        lines = [script.body] if isinstance(script, Response) else script
        self.open_streams += 1
        try:
            async with aclosing(self._play(lines, idle_seconds)) as played:
                yield Stream(said.status, said.headers, played)
        finally:
            self.open_streams -= 1

    def reset(self) -> None:
        ended, self._reset = self._reset, asyncio.Event()
        ended.set()

    async def close(self) -> None:
        self.reset()

    async def _play(self, lines: Sequence[Line], idle_seconds: float) -> AsyncGenerator[bytes, None]:
        reset = self._reset
        for line in lines:
            if isinstance(line, ApiError):
                raise line
            if isinstance(line, bytes):
                yield line
                continue
            try:
                async with asyncio.timeout(min(line, idle_seconds)):
                    await reset.wait()
            except TimeoutError:
                if line > idle_seconds:
                    raise Silent(f"no answer within {idle_seconds:g} s") from None
            else:
                raise ConnectionsReset("the connection was reset")
