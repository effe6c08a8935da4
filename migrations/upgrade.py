"""Running the migrations from code; alembic is imported late, because its import takes two seconds."""

import time
from pathlib import Path
from typing import Final

import psycopg

from migrations.application import admit
from migrations.errors import ReachError, StepError, VersionError
from models.db.schema import NEEDED

FOLDER: Final = Path(__file__).parent
LOCK: Final = 6_305_217  # any number that nothing else in this database uses
HEAD: Final = NEEDED
OLDEST: Final = 18  # of PostgreSQL: uuidv7(), and generated columns that are not stored


def upgrade(database_url: str, revision: str = "head", *, application_url: str | None = None) -> None:
    """Bring the database to ``revision``, as the owner of its tables; a second caller waits for the first.

    The role of ``application_url``, where that is another one, then has its rights on them.

    Raises:
        ReachError: the database cannot be reached with this URL.
        OwnerError: that role could do what only the owner may.
        VersionError: the server is too old; nothing was tried.
        StepError: a step failed.
    """
    with _connected(database_url, application_url) as connection:
        _refuse_old(connection)
        _wait_for_lock(connection)
        if not (revision == "head" and _current(connection) == HEAD):
            _alembic("upgrade", database_url, revision)
        if application_url:
            admit(connection, application_url)


def downgrade(database_url: str, revision: str) -> None:
    """Take the database back to ``revision`` (``base`` is before the first)."""
    _alembic("downgrade", database_url, revision)


def _connected(url: str, application_url: str | None) -> psycopg.Connection:
    name = "DATABASE_URL" if application_url in (None, url) else "MIGRATION_DATABASE_URL"
    try:
        return psycopg.connect(url, autocommit=True)
    except (psycopg.OperationalError, psycopg.ProgrammingError) as error:  # out of reach, or no URL
        raise ReachError(f"{name}: {' '.join(str(error).split())}") from None


def _refuse_old(connection: psycopg.Connection) -> None:
    version = connection.info.parameter_status("server_version")
    if connection.info.server_version < OLDEST * 10_000:
        where = f"{connection.info.host}:{connection.info.port}"
        raise VersionError(f"DATABASE_URL: PostgreSQL {version} runs at {where}; Episodes needs {OLDEST} or newer")


def _current(connection: psycopg.Connection) -> str | None:
    exists = connection.execute("select to_regclass('alembic_version')").fetchone()
    if not exists or exists[0] is None:
        return None
    row = connection.execute("select version_num from alembic_version").fetchone()
    return str(row[0]) if row else None


def _wait_for_lock(connection: psycopg.Connection) -> None:
    """Poll: the blocking form of this lock hangs against ``create index concurrently``."""
    while True:
        row = connection.execute("select pg_try_advisory_lock(%s)", [LOCK]).fetchone()
        if row and row[0]:
            return
        time.sleep(0.1)


def _alembic(command_name: str, database_url: str, revision: str) -> None:
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["database_url"] = database_url
    try:
        getattr(command, command_name)(config, revision)
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        raise StepError(f"the database refused a step, of which nothing is left: {reason}") from error
