"""Running the migrations from code; alembic is imported late, because its import takes two seconds."""

import time
from pathlib import Path
from typing import Final

import psycopg

from migrations.application import admit
from models.db.schema import NEEDED

FOLDER: Final = Path(__file__).parent
LOCK: Final = 6_305_217  # any number that nothing else in this database uses
HEAD: Final = NEEDED


def upgrade(database_url: str, revision: str = "head", *, application_url: str | None = None) -> None:
    """Bring the database to ``revision``, as the owner of its tables; a second caller waits for the first.

    The role of ``application_url``, where that is another one, then has its rights on them.

    Raises:
        OwnerError: that role could do what only the owner may.
    """
    with psycopg.connect(database_url, autocommit=True) as connection:
        _wait_for_lock(connection)
        if not (revision == "head" and _current(connection) == HEAD):
            _alembic("upgrade", database_url, revision)
        if application_url:
            admit(connection, application_url)


def downgrade(database_url: str, revision: str) -> None:
    """Take the database back to ``revision`` (``base`` is before the first)."""
    _alembic("downgrade", database_url, revision)


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

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["database_url"] = database_url
    getattr(command, command_name)(config, revision)
