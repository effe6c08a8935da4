"""What a client has already is not made again: one cheap look at the database answers a read with If-None-Match.

A row is at the version that the client has; a crowd of clients is answered together. A list is as it was while no
transaction has begun or ended since it was made: the database's snapshot is the same. Whatever cannot be told so is
read, and compared when it is there.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from litestar import Request, Response

from api.http.if_none_match import NOT_MODIFIED, has, tags_of
from api.http.json_response import TELL_TAG, JsonResponse
from models.catalog import CATALOG
from models.db import connection as db
from models.db.connection import Connection, Pool
from models.db.counts import SNAPSHOT
from models.db.table import Table
from models.db.versions import Versions

AnyRequest = Request[Any, Any, Any]
ListName = tuple[str, str, bytes, bytes]  # who asks, with what role, for which path and query

REMEMBERED: Final = 2048  # lists
_LISTS: Final[Mapping[str, Table[Any]]] = {
    f"/api/v1/{one.table.name.replace('_', '-')}": one.table for one in CATALOG.values() if not one.part
}
_ROWS: Final = {f"{path}/{{{table.key}}}": table for path, table in _LISTS.items()}


class Unchanged:
    """What rows and lists are at."""

    def __init__(self, pool: Pool) -> None:
        self._versions = {path: Versions(table, pool) for path, table in _ROWS.items()}
        self._known: OrderedDict[ListName, tuple[str, str]] = OrderedDict()

    async def row(self, request: AnyRequest, path: str) -> str | None:
        """The tag of a row; None where there is none."""
        version = await self._versions[path].of(UUID(request.path_params[_ROWS[path].key]))
        return f'"{version}"' if version else None

    async def list(self, request: AnyRequest) -> str | None:
        """The tag of a list that is as it was when it was asked for last; else its tag is kept once it is made."""
        connection: Connection = await request.scope["state"]["transaction"].connection()
        name, snapshot = _name(request), await db.value(connection, SNAPSHOT)
        seen, tag = self._known.get(name, (None, None))
        if seen == snapshot:
            return tag
        request.scope["state"][TELL_TAG] = lambda tag: self._keep(name, snapshot, tag)
        return None

    def _keep(self, name: ListName, snapshot: str, tag: str) -> None:
        self._known[name] = snapshot, tag
        self._known.move_to_end(name)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def _name(request: AnyRequest) -> ListName:
    caller = request.scope["auth"]
    return caller.subject, caller.role, request.scope["path"].encode(), request.scope["query_string"]


async def not_modified(request: AnyRequest) -> Response[None] | None:
    """The 304 for a client that has the answer, where that can be told without making it."""
    tags = tags_of(request.scope)
    if tags is None:
        return None
    tag = await _tag(request)
    return JsonResponse(None, status_code=NOT_MODIFIED, headers={"ETag": tag}) if tag and has(tags, tag) else None


async def _tag(request: AnyRequest) -> str | None:
    """The tag of what is asked for, where it is known at once."""
    path: str = request.scope["path_template"]
    unchanged: Unchanged = request.app.state.unchanged
    if path in _ROWS and not request.scope["query_string"]:
        return await unchanged.row(request, path)
    return await unchanged.list(request) if path in _LISTS else None
