"""One table of links between episodes and things of another kind: put, remove and list exist here and nowhere else.

A link is seen while both of its sides live. Each change of one is recorded in the history of its episode. Whoever
changes a link holds its episode, then its thing, so that neither is deleted meanwhile and nobody waits in a circle.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, Generic, LiteralString, NamedTuple, TypeVar
from uuid import UUID

from msgspec import Struct, structs
from psycopg.sql import SQL, Composable, Composed, Identifier, Placeholder

from models.catalog.episodes import EPISODES, Episode
from models.db import connection as db
from models.db.actions import Action
from models.db.connection import Connection
from models.db.fields import Note, Position
from models.db.page_sizes import fits, size_of, told
from models.db.paging import COUNT_LIMIT, Instant, Page, Whole, decode_cursor, encode_cursor
from models.db.preconditions import ExpectedVersions
from models.db.recording import Actor
from models.db.table import Table
from models.errors import NotFound, PreconditionFailed

SORT: Final = "position"
_PLACE: Final = tuple[Whole, Instant]  # position, and when it was linked
# Rows in the order of their links, each behind how many there were before the page was cut.
_PAGE: Final = SQL("""
    with page as materialized (
        select {columns} from {join} where {where} and {place} order by {order} limit %(limit)s
    )
    select held, {told} from (select count(*) as held, sum({size}) as bytes from page) as weighed
    join page on {fits} order by {order}
""")
# How the filter by show of a linked thing ends: it is linked with a living episode of that show.
OF_SHOW: Final[LiteralString] = (
    " join episodes using (episode_id) where show_id = %(show_id)s and episodes.deleted_at is null)"
)
_LINK_COLUMNS: Final = {"linked_at": "created_at", "linked_by": "created_by"}


class Link(Struct):
    """What every link carries besides its thing's id and its own fields."""

    episode_id: UUID
    usage_context: str | None
    notes: str | None
    position: int
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
    version: int


class NewLink(Struct, forbid_unknown_fields=True):
    """What a client says of a link; ``position`` is its place among the episode's."""

    usage_context: Note | None = None
    notes: Note | None = None
    position: Position = 0


class LinkedEpisode(Episode):
    """An episode as a list of one thing's shows it."""

    usage_context: str | None
    notes: str | None
    position: int
    linked_at: datetime
    linked_by: str


class Pair(NamedTuple):
    """The two sides of a link."""

    episode_id: UUID
    thing_id: UUID


class Window(Struct, frozen=True):
    """Which page of a list of links."""

    limit: int = 50
    cursor: str | None = None


L = TypeVar("L", bound=Link)
New = TypeVar("New", bound=NewLink)
OfEpisode = TypeVar("OfEpisode", bound=Struct)
OfThing = TypeVar("OfThing", bound=Struct)
View = TypeVar("View", bound=Struct)


class LinkTable(Generic[L, New, OfEpisode, OfThing]):
    """The links between episodes and the rows of ``things``.

    ``of_episode`` is a thing as a list of the episode's shows it: the thing's own fields and the link's, with
    ``linked_at`` and ``linked_by``; ``of_thing`` is an episode in the same way.
    """

    def __init__(
        self,
        name: str,
        link: type[L],
        new: type[New],
        *,
        things: Table[Any],
        of_episode: type[OfEpisode],
        of_thing: type[OfThing],
    ) -> None:
        self.name: Final = name
        self.link: Final = link
        self.new: Final = new
        self.things: Final = things
        self._texts: Final = _Texts(name, link, new, things)
        self._of_episode: Final = _List(name, of_episode, things, EPISODES.key)
        self._of_thing: Final = _List(name, of_thing, EPISODES, things.key)

    async def put(
        self, connection: Connection, actor: Actor, pair: Pair, new: New, expected: ExpectedVersions | None = None
    ) -> tuple[L, bool]:
        """Link the two, or replace what their link says; the link, and whether it is new.

        Raises:
            NotFound: where either side is missing or deleted.
            PreconditionFailed: where the link is at none of the ``expected`` versions.
        """
        before = await self._held(connection, pair)
        self._check(before, expected)
        params = structs.asdict(new) | actor.params() | pair._asdict()
        link = await db.row(connection, self.link, self._texts.put, params)
        assert link is not None, "an upsert returns its row"  # noqa: S101
        return link, before is None

    async def remove(
        self, connection: Connection, actor: Actor, pair: Pair, expected: ExpectedVersions | None = None
    ) -> None:
        """Take the link away.

        Raises:
            NotFound: where there is no link, or either side is missing or deleted.
            PreconditionFailed: where the link is at none of the ``expected`` versions.
        """
        before = await self._held(connection, pair)
        if before is None:
            raise NotFound(f"this {self.things.noun} is not linked to this episode")
        self._check(before, expected)
        await db.execute(connection, self._texts.remove, actor.params() | pair._asdict())

    async def page_of_episode(self, connection: Connection, episode_id: UUID, window: Window) -> Page[OfEpisode]:
        """The episode's things, by position.

        Raises:
            NotFound: where there is no such episode.
            Invalid: naming ``cursor``.
        """
        await EPISODES.read(connection, episode_id)
        return await self._of_episode.page(connection, episode_id, window)

    async def page_of_thing(self, connection: Connection, thing_id: UUID, window: Window) -> Page[OfThing]:
        """The episodes that use the thing, by position.

        Raises:
            NotFound: where there is no such thing.
            Invalid: naming ``cursor``.
        """
        await self.things.read(connection, thing_id)
        return await self._of_thing.page(connection, thing_id, window)

    async def _held(self, connection: Connection, pair: Pair) -> L | None:
        """The link there is, once both sides are held."""
        params = pair._asdict()
        if not await db.value(connection, self._texts.hold_episode, params):
            raise NotFound(f"there is no episode {pair.episode_id}")
        if not await db.value(connection, self._texts.hold_thing, params):
            raise NotFound(f"there is no {self.things.noun} {pair.thing_id}")
        return await db.row(connection, self.link, self._texts.read, params)

    def _check(self, link: L | None, expected: ExpectedVersions | None) -> None:
        if expected is None or expected.fits(link.version if link else None):
            return
        state = f"it is at version {link.version} now" if link else "there is none"
        raise PreconditionFailed(f"somebody changed this link: {state}")


class _Texts:
    """The SQL of one table of links."""

    def __init__(self, name: str, link: type[Link], new: type[NewLink], things: Table[Any]) -> None:
        self._name = Identifier(name)
        self._thing = Identifier(things.key)
        self._columns = _listed(Identifier(field.name) for field in structs.fields(link))
        self._own = [field.name for field in structs.fields(new)]
        hold = SQL("select true from {} where {} = {} and deleted_at is null for {}")
        self.hold_episode: Final = hold.format(
            Identifier(EPISODES.name), Identifier(EPISODES.key), Placeholder("episode_id"), SQL("share")
        ).as_bytes()
        self.hold_thing: Final = hold.format(
            Identifier(things.name), self._thing, Placeholder("thing_id"), SQL("no key update")
        ).as_bytes()
        self.read: Final = SQL("select {} from {} where {}").format(self._columns, self._name, self._pair()).as_bytes()
        self.put: Final = self._recorded(self._upsert(), "link", SQL("new")).as_bytes()
        delete = SQL("delete from {} where {}").format(self._name, self._pair())
        self.remove: Final = self._recorded(delete, "unlink", SQL("old")).as_bytes()

    def _pair(self) -> Composed:
        return SQL("episode_id = %(episode_id)s and {} = %(thing_id)s").format(self._thing)

    def _upsert(self) -> Composed:
        names = _listed(map(Identifier, self._own))
        values = _listed(map(Placeholder, self._own))
        again = _listed(SQL("{0} = excluded.{0}").format(Identifier(name)) for name in self._own)
        query = SQL(
            "insert into {} (episode_id, {}, {}, created_by, updated_by)"
            " values (%(episode_id)s, %(thing_id)s, {}, %(actor)s, %(actor)s)"
            " on conflict (episode_id, {}) do update set {}, updated_by = excluded.updated_by"
        )
        return query.format(self._name, self._thing, names, values, self._thing, again)

    def _recorded(self, write: Composable, action: Action, kept: SQL) -> Composed:
        """The write with its row in the audit log, which says of both states which thing it is about."""
        query = SQL("""
            with changed as ({} returning {}.*, to_jsonb(old) as was, to_jsonb(new) as became), audited as (
                insert into audit_log (actor, action, entity_type, entity_id, before, after, request_id, job_id)
                select %(actor)s, {}, {}, episode_id, link_said(was), link_said(became), %(request_id)s, %(job_id)s
                from changed
            ) select {} from changed
        """)
        return query.format(write, kept, action, EPISODES.entity_type, self._columns)


class _List(Generic[View]):
    """What a row of one side is linked to: the living rows of ``listed`` as ``view``, found by the link's ``by``."""

    def __init__(self, name: str, view: type[View], listed: Table[Any], by: str) -> None:
        self._name = name
        self._view = view
        self._key = listed.key
        key = Identifier(listed.key)
        join = SQL("{} as link join {} as listed using ({})").format(Identifier(name), Identifier(listed.name), key)
        where = SQL("link.{} = %(key)s and deleted_at is null").format(Identifier(by))
        beyond = SQL("(position, link.created_at, link.{}) > (%(position)s, %(linked_at)s, %(id)s)").format(key)
        count = SQL("select count(*) from (select from {} where {} limit {}) as counted")
        columns = _listed(_column(field.name, listed) for field in structs.fields(view))
        order = SQL("position, linked_at, {}").format(key)
        size = listed.size + size_of(("usage_context", "notes"), ())
        said = _listed(_told(field.name, listed) for field in structs.fields(view))

        def page(place: Composable) -> bytes:
            fitting = fits(self._key, order=order, size=size.exactly)
            found = {"columns": columns, "join": join, "where": where, "place": place, "order": order}
            return _PAGE.format(**found, told=said, size=size.most, fits=fitting).as_bytes()

        self._count = count.format(join, where, COUNT_LIMIT + 1).as_bytes()
        self._first = page(SQL("true"))
        self._following = page(beyond)

    async def page(self, connection: Connection, key: UUID, window: Window) -> Page[View]:
        """By position, then by when they were linked."""
        params = {"key": key, "limit": window.limit + 1} | self._after(key, window.cursor)
        total = await db.value(connection, self._count, params)
        query = self._first if window.cursor is None else self._following
        found = await db.raw_tuples(connection, query, params)
        rows = [self._view(*values[1:]) for values in found[: window.limit]]
        page = Page(rows, window.limit, min(total, COUNT_LIMIT), total > COUNT_LIMIT)
        if found and found[0][0] > len(rows):
            last: Any = page.rows[-1]
            value = (last.position, last.linked_at)
            page.next_cursor = encode_cursor(self._list(key), SORT, value, getattr(last, self._key))
        return page

    def _after(self, key: UUID, cursor: str | None) -> dict[str, Any]:
        if cursor is None:
            return {}
        position = decode_cursor(cursor, self._list(key), SORT, _PLACE)
        place, linked_at = position.value
        return {"position": place, "linked_at": linked_at, "id": position.id}

    def _list(self, key: UUID) -> str:
        return f"{self._name} {key}"


def _column(name: str, listed: Table[Any]) -> Composed:
    """A field of a view: of the row that is listed, or of the link."""
    if name in listed.row.__struct_fields__:
        return SQL("listed.{}").format(Identifier(name))
    return SQL("link.{} as {}").format(Identifier(_LINK_COLUMNS.get(name, name)), Identifier(name))


def _told(name: str, listed: Table[Any]) -> Composed:
    return told(name) if name in listed.documents else SQL("page.{}").format(Identifier(name))


def _listed(parts: Iterable[Composable]) -> Composed:
    return SQL(", ").join(parts)
