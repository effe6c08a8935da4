"""One table over one struct: create, read, page, patch, delete, restore exist here and nowhere else.

The struct's fields are the table's columns. Every write leaves a row in the audit log and one in the outbox, in the
same statement.
"""

from collections.abc import Mapping
from datetime import datetime
from types import NoneType
from typing import Any, Final, Generic, LiteralString, TypeVar, get_args, get_type_hints
from uuid import UUID

import msgspec
from msgspec import inspect
from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from models.db import connection as db
from models.db.connection import Connection
from models.db.counts import SnapshotCount, Totals
from models.db.fields import LONG
from models.db.page_sizes import size_of
from models.db.paging import COUNT_LIMIT, KINDS, Page, PageQuery, decode_cursor, encode_cursor, sort_of
from models.db.preconditions import ExpectedVersions, listed
from models.db.queries import Queries
from models.db.recording import Actor
from models.errors import Conflict, Forbidden, NotFound, PreconditionFailed, Unavailable

ATTEMPTS: Final = 3
# Escaped after it is folded: folding makes wildcards of full-width signs.
_CONTAINS: Final[LiteralString] = (
    r"'%%' || replace(replace(replace(fold(%(q)s), '\', '\\'), '%%', '\%%'), '_', '\_') || '%%'"
)
_SINCE: Final[Mapping[str, LiteralString]] = {
    "created_after": "created_at >= %(created_after)s",
    "updated_after": "updated_at >= %(updated_after)s",
}
_ANY: Final = "_any"  # ends the name of a filter that was given several values
Json = dict[str, Any]
Shape = tuple[tuple[str, ...], bool, str, bool, int]  # of a page: see Queries.page


class Entity(msgspec.Struct):
    """What every row carries besides its own fields."""

    metadata: Json
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
    version: int
    deleted_at: datetime | None
    deleted_by: str | None
    deleted_reason: str | None
    restored_at: datetime | None
    restored_by: str | None


Row = TypeVar("Row", bound=Entity)


class Table(Generic[Row]):
    """Living and soft-deleted rows of one kind.

    ``filters`` maps the name of each list filter to its SQL condition with a ``%(name)s`` in it; one that compares with
    ``= %(name)s`` takes several values too, of which a row has any. ``title`` is the
    column that names a row to people, ``about`` the one that tells more of it; ``q`` looks in both. A list is sorted
    by the former, by times, or by one of ``sorts``. ``unique`` are the columns whose values together only one living
    row has.
    """

    def __init__(
        self,
        name: LiteralString,
        row: type[Row],
        *,
        key: str,
        title: LiteralString,
        about: LiteralString = "description",
        sorts: tuple[str, ...] = (),
        unique: tuple[str, ...] = (),
        filters: Mapping[str, LiteralString],
    ) -> None:
        self.name: Final = name
        self.row: Final = row
        self.key: Final = key
        self.title: Final = title
        self.about: Final = about
        self.entity_type: Final = key.removesuffix("_id")
        self.unique: Final = unique
        self.sorts: Final = ("created_at", "updated_at", title, *sorts)
        text: LiteralString = f"fold({title} || ' ' || coalesce({about}, '')) like {_CONTAINS}"
        columns = tuple(field.name for field in msgspec.structs.fields(row))
        self.documents: Final = _json_columns(row)
        self._kinds = {column: _kind(get_type_hints(row)[column]) for column in self.sorts}
        self._totals = Totals()
        self.size: Final = size_of(sorted(LONG.intersection(columns)), sorted(self.documents), _tags(columns))
        self._several: Final = frozenset(_several(filters))
        self._queries = Queries(
            name,
            columns,
            key,
            {**filters, **_several(filters), **_SINCE, "q": text},
            blank=_blank(row, self.sorts),
            documents=self.documents,
            size=self.size,
        )

    async def create(self, connection: Connection, actor: Actor, new: msgspec.Struct) -> Row:
        """Insert ``new``; fields that are UNSET take the database's defaults.

        Raises:
            Conflict: where a living row has what only one can have: it is named.
        """
        query, params = self._queries.insert(_names(new)), actor.params() | {"sent": _json(new)}
        made = await self._alone(connection, query, params)
        assert made is not None, "an insert returns its row"  # noqa: S101
        return made

    async def read(self, connection: Connection, key: UUID, *, include_deleted: bool = False) -> Row:
        """The row with this id.

        Raises:
            NotFound: where there is none, or it is deleted.
        """
        row = await db.row(connection, self.row, self._queries.select(include_deleted), {"key": key})
        if row is None:
            raise NotFound(f"there is no {self.noun} {key}")
        return row

    async def versions(self, connection: Connection, keys: list[UUID]) -> dict[UUID, int]:
        """The versions that the living ones of these rows are at."""
        return dict(await db.tuples(connection, self._queries.versions(), {"keys": keys}))

    async def page(self, connection: Connection, query: PageQuery, filters: Mapping[str, Any]) -> Page[Row]:
        """One page of the rows that match, their documents as JSON; filters that are None do not count.

        Raises:
            Invalid: naming ``sort`` or ``cursor``.
        """
        column = sort_of(query.sort, self.sorts)
        given = self._given(query, filters)
        shape = (tuple(given), query.include_deleted, query.sort, query.cursor is not None, query.limit + 1)
        name = repr((query.include_deleted, given))
        last = self._totals.last(name)
        found = await self._found(connection, shape, given | self._after(query, column) | last.params())
        count = SnapshotCount(*found[0][:2])
        if not last.capped:
            self._totals.keep(name, count)
        held = found[0][2]
        rows = [self.row(*values[3:]) for values in found] if held else []
        return self._cut(rows, held, query, column, count.total)

    async def patch(
        self,
        connection: Connection,
        actor: Actor,
        key: UUID,
        patch: msgspec.Struct,
        expected: ExpectedVersions | None = None,
    ) -> Row:
        """Change what ``patch`` sets, of one of the ``expected`` versions where the caller says which.

        Raises:
            NotFound, PreconditionFailed
            Conflict: where a living row has what only one can have: it is named.
        """
        names = _names(patch)
        if not names:
            return self._seen(await self.read(connection, key), expected)
        params = actor.params() | {"sent": _json(patch), "key": key}
        return await self._changed(connection, self._queries.update(names), params, expected)

    async def delete(
        self,
        connection: Connection,
        actor: Actor,
        key: UUID,
        reason: str | None,
        expected: ExpectedVersions | None = None,
    ) -> None:
        """Put the row in the trash.

        Raises:
            NotFound, PreconditionFailed
        """
        params = actor.params() | {"key": key, "reason": reason}
        await self._changed(connection, self._queries.delete(), params, expected)

    async def _changed(
        self, connection: Connection, query: bytes, params: Mapping[str, Any], expected: ExpectedVersions | None
    ) -> Row:
        """What a write makes of a living row; where it finds none, the row says why, unless that has just changed."""
        for _ in range(ATTEMPTS):
            changed = await self._alone(connection, query, {**params, "versions": listed(expected)})
            if changed is not None:
                return changed
            self._seen(await self.read(connection, params["key"]), expected)
        raise Unavailable(f"others are changing this {self.noun} at the same time; try again")

    async def restore(
        self, connection: Connection, actor: Actor, key: UUID, expected: ExpectedVersions | None = None
    ) -> Row:
        """Take the row out of the trash.

        Raises:
            NotFound: where there never was such a row.
            Forbidden: where somebody else deleted it, and the actor restores only what is their own.
            Conflict: where it is not deleted, or a living row took its place: it is named.
        """
        params = actor.params() | {"key": key, "versions": listed(expected), "all": actor.restores_all}
        restored = await self._alone(connection, self._queries.restore(), params)
        if restored is None:
            self._refuse_restore(await self.read(connection, key, include_deleted=True), actor, expected)
            raise Conflict(f"this {self.noun} is not deleted")
        return restored

    def _refuse_restore(self, current: Row, actor: Actor, expected: ExpectedVersions | None) -> None:
        if current.deleted_at is not None and not actor.restores_all and current.deleted_by != actor.subject:
            raise Forbidden(f"somebody else deleted this {self.noun}: only an admin restores it")
        self._seen(current, expected)

    async def living(self, connection: Connection, keys: list[UUID]) -> frozenset[UUID]:
        """Those of ``keys`` that exist and are not deleted."""
        found = await db.value(connection, self._queries.living(), {"keys": keys})
        return frozenset(found or ())

    @property
    def noun(self) -> str:
        """What a person calls such a row."""
        return self.entity_type.replace("_", " ")

    def _adapted(self, name: str, value: Any) -> Any:
        return Jsonb(value) if name in self.documents and value is not None else value

    def _seen(self, current: Row, expected: ExpectedVersions | None) -> Row:
        if expected and not expected.fits(current.version):
            raise PreconditionFailed(f"somebody changed this {self.noun}: it is at version {current.version} now")
        return current

    async def _alone(self, connection: Connection, query: bytes, params: Mapping[str, Any]) -> Row | None:
        """What a write gives back, or which row stands in its way."""
        if not self.unique:
            return await db.written(connection, self.row, query, params)
        try:
            async with db.savepoint(connection):  # so that after a clash we may still ask with what
                return await db.written(connection, self.row, query, params)
        except UniqueViolation:
            raise await self._clash(connection, params) from None

    async def _clash(self, connection: Connection, params: Mapping[str, Any]) -> Conflict:
        """Which living row has what a write would need; it may itself be gone again by now."""
        asked = {"key": params.get("key"), "sent": params.get("sent", "{}")}
        taken = await db.value(connection, self._queries.rival(self.unique), asked)
        rival = f"{self.noun} {taken}" if taken else f"another {self.noun}"
        return Conflict(f"{rival} has the same {', '.join(self.unique)}", field=self.unique[-1])

    def _given(self, query: PageQuery, filters: Mapping[str, Any]) -> dict[str, Any]:
        asked = {**filters, **{name: getattr(query, name) for name in _SINCE}, "q": query.q or None}
        return dict(self._one(name, value) for name, value in asked.items() if value is not None)

    def _one(self, name: str, value: Any) -> tuple[str, Any]:
        """A filter by the name of its condition: one value of several is like one alone, which an index serves."""
        if name + _ANY not in self._several or not isinstance(value, list):
            return name, self._adapted(name, value)
        return (name, value[0]) if len(value) == 1 else (name + _ANY, value)

    async def _found(self, connection: Connection, shape: Shape, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Which index serves best depends on what is filtered for; without filters one plan is good for all."""
        filters, query = shape[0], self._queries.page(*shape)
        return await db.raw_tuples(connection, query, params, prepare=False if filters else None)

    def _after(self, query: PageQuery, column: str) -> dict[str, Any]:
        if query.cursor is None:
            return {}
        position = decode_cursor(query.cursor, self._list(query), query.sort, self._kinds[column])
        return {"value": position.value, "id": position.id}

    def _list(self, query: PageQuery) -> str:
        return f"{self.name} {query.under}".rstrip()

    def _cut(self, found: list[Row], held: int, query: PageQuery, column: str, total: int) -> Page[Row]:
        page = Page(found[: query.limit], query.limit, min(total, COUNT_LIMIT), total > COUNT_LIMIT)
        if held > len(page.rows):
            last = page.rows[-1]
            value = "" if getattr(last, column) is None else getattr(last, column)
            page.next_cursor = encode_cursor(self._list(query), query.sort, value, getattr(last, self.key))
        return page


def _several(filters: Mapping[str, LiteralString]) -> dict[str, LiteralString]:
    """The conditions of filters that were given several values."""
    return {
        name + _ANY: condition.replace(f" = %({name})s", f" = any(%({name}{_ANY})s)")
        for name, condition in filters.items()
        if f" = %({name})s" in condition
    }


def _names(struct: msgspec.Struct) -> tuple[str, ...]:
    """The fields that are set."""
    return tuple(name for name, value in msgspec.structs.asdict(struct).items() if value is not msgspec.UNSET)


def _json(struct: msgspec.Struct) -> str:
    return msgspec.json.encode(struct).decode()


def _tags(columns: tuple[str, ...]) -> tuple[str, ...]:
    return ("tags",) if "tags" in columns else ()


def _kind(hint: Any) -> Any:
    """What the value of a cursor is, where a column's is ``hint``."""
    return KINDS[hint] if hint in KINDS else KINDS[get_args(hint)[0]]


def _blank(row: type[Entity], sorts: tuple[str, ...]) -> frozenset[str]:
    """The columns of ``sorts`` that may be null."""
    return frozenset(name for name in sorts if NoneType in get_args(get_type_hints(row)[name]))


def _json_columns(row: type[Entity]) -> frozenset[str]:
    """The columns whose values are JSON: objects and arrays of objects."""
    info = inspect.type_info(row)
    assert isinstance(info, inspect.StructType)  # noqa: S101
    return frozenset(field.name for field in info.fields if _is_json(field.type))


def _is_json(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.UnionType):
        return any(map(_is_json, kind.types))
    return isinstance(kind, inspect.DictType) or (isinstance(kind, inspect.ListType) and _is_json(kind.item_type))
