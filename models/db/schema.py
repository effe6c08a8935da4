"""The schema that this code needs, and whether the database has it.

It is the newest of our migrations, known by their files' names: alembic itself takes two seconds to import.
"""

from pathlib import Path
from typing import Final

import psycopg

from models.db import connection as db
from models.db.connection import Connection
from models.errors import Unavailable

MIGRATIONS: Final = Path(__file__).parents[2] / "migrations" / "versions"
NEEDED: Final = max(path.name.partition("_")[0] for path in MIGRATIONS.glob("[0-9]*.py"))
PATIENCE_SECONDS: Final = 5
_QUERY: Final = "select version_num from alembic_version"
# Not there, or not for this role, whose rights the migrations give.
_UNREADABLE: Final = (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege)


class SchemaError(Exception):
    """The database has another schema than this code needs; the message says what to do."""


async def check(connection: Connection) -> None:
    """One look, on a connection outside any transaction.

    Raises:
        SchemaError
    """
    try:
        _compare(await db.value(connection, _QUERY))
    except _UNREADABLE:
        _compare(None)


def require(url: str) -> None:
    """The same at a program's start, before it does anything.

    Raises:
        SchemaError
        Unavailable: the database does not answer.
    """
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=PATIENCE_SECONDS) as connection:
            _compare(_found(connection))
    except psycopg.OperationalError as error:
        raise Unavailable(f"DATABASE_URL: the database does not answer: {' '.join(str(error).split())}") from None


def _found(connection: psycopg.Connection) -> str | None:
    try:
        row = connection.execute(_QUERY).fetchone()
    except _UNREADABLE:
        return None
    return str(row[0]) if row else None


def _compare(found: str | None) -> None:
    """Another one is refused in both directions: nobody knows what a newer one asks of those who write."""
    if found is None:
        raise SchemaError(
            f"DATABASE_URL: the database has no schema yet for this role, {NEEDED} is needed; run the migrations"
        )
    if found != NEEDED:
        what = "run the migrations" if found < NEEDED else "start the version that belongs to it"
        raise SchemaError(f"DATABASE_URL: the database's schema is {found}, {NEEDED} is needed; {what}")
