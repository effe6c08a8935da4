"""PostgreSQL: the pool, and how a connection reads rows into structs."""

import asyncio
import select
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Final, LiteralString, TypeVar

import msgspec
from psycopg import AsyncConnection, AsyncCursor, AsyncTransaction, OperationalError, adapters, errors
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format, TransactionStatus
from psycopg.rows import args_row, tuple_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from models.errors import Unavailable
from models.settings import Settings

Row = TypeVar("Row")
Query = LiteralString | bytes
Params = Mapping[str, Any] | Sequence[Any] | None

# How long a statement may run and wait for a lock, and a transaction be idle. Nobody waits longer for an answer, and
# a request that waits holds a connection that others need; the pipeline has time.
ANSWERING = "-c lock_timeout=3s -c statement_timeout=15s -c idle_in_transaction_session_timeout=30s"
WORKING = "-c lock_timeout=0 -c statement_timeout=30s -c idle_in_transaction_session_timeout=60s"

KEPT_CURSORS: Final = 256  # of a connection, one for each text
# The database does not do now what it would do at another time; psycopg counts the last two among the bugs of others.
AWAY: Final = (
    OperationalError,
    PoolTimeout,
    Unavailable,
    errors.ReadOnlySqlTransaction,
    errors.IdleInTransactionSessionTimeout,
)
# It would not do this at another time either, or not for sure: whoever tries again counts.
REFUSED: Final = (
    errors.QueryCanceled,
    errors.ProgramLimitExceeded,
    errors.StatementTooComplex,
    errors.OutOfMemory,
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.LockNotAvailable,
)
REACH_SECONDS: Final = 10.0  # in which a database that starts with us has to be there
REACH_PAUSE_SECONDS: Final = 0.25
RECONNECT_SECONDS: Final = 3.0  # the pool's pauses between attempts double up to here; then whoever asks begins anew

# A server that vanished without a word is found out by the kernel, which then closes the socket.
_KEEPALIVE: Final = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}


class _JsonbLoader(Loader):
    """JSON as PostgreSQL sends it in binary: behind a byte that says which form it has, of which there is one."""

    format = Format.BINARY

    def load(self, data: Buffer) -> Any:
        return msgspec.json.decode(memoryview(data)[1:])


class _RawLoader(Loader):
    """JSON that is told and not looked into: as the database writes it."""

    format = Format.BINARY

    def load(self, data: Buffer) -> msgspec.Raw:
        return msgspec.Raw(bytes(data))


set_json_dumps(msgspec.json.encode)
set_json_loads(msgspec.json.decode)
adapters.register_loader("jsonb", _JsonbLoader)


class _Cursor(AsyncCursor[Row]):
    """A cursor that is used again, and so lets go of what it found."""

    async def first(self) -> Row | None:
        try:
            return await self.fetchone()
        finally:
            self._let_go()

    async def every(self) -> list[Row]:
        try:
            return await self.fetchall()
        finally:
            self._let_go()

    def touched(self) -> int:
        """How many rows."""
        number = self.rowcount
        self._let_go()
        return number

    def _let_go(self) -> None:
        """Both the cursor and what reads its columns hold the result; psycopg has no public way to empty them."""
        self._reset()
        self._tx.set_pgresult(None)


class Connection(AsyncConnection[tuple[Any, ...]]):
    """A connection that keeps its cursors: one that runs the same text again knows how its columns are read.

    To find that out costs as much as reading thirty columns six times.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._kept: dict[object, _Cursor[Any]] = {}
        self._opening: Callable[[], Awaitable[None]] | None = None

    def open_later(self, opening: Callable[[], Awaitable[None]] | None) -> None:
        """Have ``opening`` begin a transaction before the first statement that does not stand alone; None: nothing."""
        self._opening = opening

    async def opened(self) -> None:
        """Begin the transaction that waits for its first statement, if one does."""
        opening, self._opening = self._opening, None
        if opening is not None:
            await opening()

    def wrote(self) -> None:
        """A statement that stands alone has written: a transaction that still waits may only read, so that what a
        request writes is written whole or not at all."""
        if self._opening is not None:
            self._opening = partial(self._reading, self._opening)

    async def _reading(self, opening: Callable[[], Awaitable[None]]) -> None:
        await opening()
        await execute(self, "set transaction read only")

    @asynccontextmanager
    async def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> AsyncIterator[AsyncTransaction]:
        """A transaction, inside the one that waits for a statement."""
        await self.opened()
        async with super().transaction(savepoint_name, force_rollback) as inner:
            yield inner

    def cursor_of(self, query: Query, kind: type[Any] | None = None, *, raw: bool = False) -> _Cursor[Any]:
        """The cursor of a text whose rows become ``kind``, or tuples; where it is ``raw``, its bytes are JSON."""
        name = query, kind
        if (kept := self._kept.get(name)) is not None:
            return kept
        if len(self._kept) >= KEPT_CURSORS:
            self._kept.clear()
        cursor = self._kept[name] = _Cursor(self, row_factory=args_row(kind) if kind else tuple_row)
        cursor.format = Format.BINARY
        if raw:
            cursor.adapters.register_loader("bytea", _RawLoader)
        return cursor


Pool = AsyncConnectionPool[Connection]


def pool(settings: Settings, *, size: int | None = None, limits: str = WORKING) -> Pool:
    """A pool not yet open: open it after a fork, inside the loop that uses it.

    Connections autocommit, so that a read costs one round trip; writes open a transaction. The pool looks
    whether a connection still lives before it gives it out, so that a restart of PostgreSQL reaches no caller.
    ``limits`` are the session's, ``ANSWERING`` or ``WORKING``.
    """
    size = size or settings.database_pool_max
    return AsyncConnectionPool(
        settings.database_url,
        connection_class=Connection,
        min_size=min(settings.database_pool_min, size),
        max_size=size,
        timeout=5,
        reconnect_timeout=RECONNECT_SECONDS,
        kwargs={
            "autocommit": True,
            "application_name": "episodes",
            **_KEEPALIVE,
            "options": f"-c timezone=UTC -c pg_trgm.word_similarity_threshold=0.4 {limits}",
        },
        check=_check,
        open=False,
    )


async def _check(connected: Connection) -> None:
    """A server that goes away closes the socket, and then there is something to read: only then ask it.

    Raises:
        OperationalError: it does not answer.
    """
    watch = select.poll()
    watch.register(connected.fileno(), select.POLLIN)
    if watch.poll(0):
        await AsyncConnectionPool.check_connection(connected)


async def take(source: Pool) -> Connection:
    """A connection of a pool; ``putconn`` gives it back, rolls back what is left open, and mends what broke.

    Raises:
        Unavailable: where the database does not give one in time.
    """
    try:
        return await source.getconn()
    except PoolTimeout:
        raise Unavailable("the database does not answer; try again") from None


class borrow:  # noqa: N801  (it reads as a verb: async with borrow(pool))
    """A connection of a pool, for the time of a block.

    Raises:
        Unavailable: where the database does not give one in time.
    """

    def __init__(self, source: Pool) -> None:
        self._source = source

    async def __aenter__(self) -> Connection:
        self._connection = await take(self._source)
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        await self._source.putconn(self._connection)


@asynccontextmanager
async def transaction(source: Pool) -> AsyncIterator[Connection]:
    """A connection inside one transaction, committed where the block ends well."""
    async with borrow(source) as connected, connected.transaction():
        yield connected


@asynccontextmanager
async def savepoint(connected: Connection) -> AsyncIterator[None]:
    """Where this fails, what was done inside is undone and no more; a statement alone is anyway."""
    if connected.info.transaction_status == TransactionStatus.IDLE:
        yield
    else:
        async with connected.transaction():
            yield


async def rows(connected: Connection, kind: type[Row], query: Query, params: Params = None) -> list[Row]:
    """All rows of a query as ``kind``, whose fields stand in the order of the columns."""
    await connected.opened()
    cursor = connected.cursor_of(query, kind)
    await cursor.execute(query, params)
    return await cursor.every()


async def tuples(
    connected: Connection, query: Query, params: Params = None, *, prepare: bool | None = None
) -> list[tuple[Any, ...]]:
    """All rows of a query as they come; planned for its parameters each time where ``prepare`` is False."""
    await connected.opened()
    cursor = connected.cursor_of(query)
    await cursor.execute(query, params, prepare=prepare)
    return await cursor.every()


async def raw_tuples(
    connected: Connection, query: Query, params: Params = None, *, prepare: bool | None = None
) -> list[tuple[Any, ...]]:
    """The same, where each column of bytes is JSON that goes into an answer as it is."""
    await connected.opened()
    cursor = connected.cursor_of(query, raw=True)
    await cursor.execute(query, params, prepare=prepare)
    return await cursor.every()


async def row(connected: Connection, kind: type[Row], query: Query, params: Params = None) -> Row | None:
    """The first row of a query as ``kind``, or None."""
    await connected.opened()
    cursor = connected.cursor_of(query, kind)
    await cursor.execute(query, params)
    return await cursor.first()


async def written(connected: Connection, kind: type[Row], query: Query, params: Params = None) -> Row | None:
    """The row that a statement writes and gives back, or None where it writes nothing.

    It stands alone: outside a transaction it is one by itself, which saves a ``begin`` and a ``commit``.
    """
    cursor = connected.cursor_of(query, kind)
    await cursor.execute(query, params)
    found = await cursor.first()
    if found is not None:
        connected.wrote()
    return found


async def value(connected: Connection, query: Query, params: Params = None) -> Any:
    """The first column of the first row, or None."""
    await connected.opened()
    cursor = connected.cursor_of(query)
    await cursor.execute(query, params)
    found = await cursor.first()
    return found[0] if found else None


async def execute(connected: Connection, query: Query, params: Params = None) -> int:
    """Run a statement; the number of rows it touched."""
    await connected.opened()
    cursor = connected.cursor_of(query)
    await cursor.execute(query, params)
    return cursor.touched()


async def reach(settings: Settings, seconds: float = REACH_SECONDS) -> None:
    """Wait until the database takes a connection.

    Raises:
        Unavailable: saying why it did not, in so many seconds.
    """
    why = "it does not answer"
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while refusal := await _refusal(settings):
                why = refusal
                await asyncio.sleep(REACH_PAUSE_SECONDS)
            return
    raise Unavailable(f"DATABASE_URL: the database was not to be had in {seconds:g} seconds: {why}")


async def _refusal(settings: Settings) -> str:
    try:
        await (await AsyncConnection.connect(settings.database_url)).close()
    except OperationalError as error:
        return str(error) or "it does not answer"
    return ""


async def ping(source: Pool) -> None:
    """One round trip.

    Raises:
        Unavailable: where there is no answer.
    """
    try:
        async with borrow(source) as connected:
            await execute(connected, "select 1")
    except OperationalError:
        raise Unavailable("the database does not answer; try again") from None
