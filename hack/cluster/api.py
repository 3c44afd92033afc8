"""The few calls to the API server that the lab itself makes, as admin, through the loopback port."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any

from .errors import LabError
from .pki import Pki
from .session import Session

__all__ = ["Api"]


class Api:
    """One request, one connection: the lab asks seldom."""

    def __init__(self, session: Session) -> None:
        pki = Pki(session.paths.pki)
        self._port = session.port
        self._context = ssl.create_default_context(cafile=str(pki.authority))
        self._context.load_cert_chain(pki.certificate("admin"), pki.key("admin"))

    def request(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> tuple[int, str]:
        """Status and body; LabError when the server does not answer."""
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, context=self._context, timeout=10)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": kind})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            look = "see `hack/lab status` and `hack/lab logs kube-apiserver`"
            raise LabError(f"the API server does not answer ({error}); {look}") from error
        finally:
            connection.close()

    def ready(self) -> str:
        """ "" when the API server says that it is ready, else what it says."""
        try:
            status, text = self.request("GET", "/readyz")
        except LabError as error:
            return str(error)
        return "" if status == 200 else text

    def get(self, path: str) -> dict[str, Any] | None:
        """The object, None where it does not exist."""
        status, text = self.request("GET", path)
        if status == 404:
            return None
        if status != 200:
            raise LabError(f"the API server answered {status} to GET {path}", text)
        found: dict[str, Any] = json.loads(text)
        return found

    def apply(self, path: str, body: dict[str, Any]) -> None:
        """Server-side apply as `lab`."""
        query = "?fieldManager=lab&force=true"
        status, text = self.request("PATCH", path + query, body, "application/apply-patch+yaml")
        if status not in (200, 201):
            raise LabError(f"the API server answered {status} to the apply of {path}", text)
