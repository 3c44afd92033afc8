"""What all types of the API have in common.

- Values are frozen: who wants another one makes another one.
- Python says ``desired_state``, JSON says ``desiredState``.
- What has its default value is not written; what is not known is not an error when read, so that a newer
  writer never breaks an older reader.
"""

from __future__ import annotations

__all__ = ["Model", "Time", "to_json"]

from datetime import datetime
from typing import Annotated, Any

import msgspec

Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment with a time zone, in JSON as RFC 3339 (``date-time``)."""


class Model(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The base of every type that appears in an object of the API."""


def to_json(model: Model) -> dict[str, Any]:
    """The model as plain JSON data, for the body of a request."""
    data: dict[str, Any] = msgspec.to_builtins(model)
    return data
