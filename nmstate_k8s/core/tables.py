"""Objects as the API server shows them to people: the columns of `kubectl get`, which a kind's CRD chooses."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from nmstate_k8s.core import wire
from nmstate_k8s.core.errors import Unavailable
from nmstate_k8s.core.objects import Resource
from nmstate_k8s.core.requester import Requester

__all__ = ["Column", "Table", "table"]

ACCEPT: Final = "application/json;as=Table;g=meta.k8s.io;v=v1"


class Column(msgspec.Struct, frozen=True):
    """One column. `priority` 0: always shown; more: only in wide output."""

    name: str
    type: str = "string"
    priority: int = 0


class _Row(msgspec.Struct, frozen=True):
    cells: tuple[Any, ...]


class Table(msgspec.Struct, frozen=True, rename="camel"):
    """Columns and rows, as wide as they can be."""

    column_definitions: tuple[Column, ...] = ()
    rows: tuple[_Row, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Those that are always shown."""
        return tuple(each.name for each in self.column_definitions if not each.priority)

    def shown(self) -> list[Mapping[str, Any]]:
        """Of each object what is always shown, by column."""
        return [
            {
                column.name: cell
                for column, cell in zip(self.column_definitions, row.cells, strict=True)
                if not column.priority
            }
            for row in self.rows
        ]


async def table(
    client: Requester, resource: Resource, name: str = "", namespace: str = "", *, label_selector: str = ""
) -> Table:
    """One object, or all of the kind, in one page.

    :raises NotFound: if there is no such object or kind.
    """
    body = await client.request(
        "GET", resource.path(name, namespace), query=wire.selectors(label_selector, ""), accept=ACCEPT
    )
    try:
        return msgspec.json.decode(body, type=Table)
    except msgspec.MsgspecError as error:
        raise Unavailable(f"the table of {resource.plural} cannot be read: {error}") from error
