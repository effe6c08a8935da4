"""PostgreSQL: reach, version, extensions, schema, rights, clock."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import psycopg

from migrations.upgrade import OLDEST
from models.db.schema import NEEDED
from models.settings import Settings
from ops.doctor.finding import Finding, sentence

AREA: Final = "database"
PATIENCE_SECONDS: Final = 5
EXTENSIONS: Final = ("pg_trgm", "unaccent")
SKEW_SECONDS: Final = 5.0  # leases and times of rows are by the database's clock, tokens by that of the API
NO_TABLE: Final = (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege)
MIGRATE: Final = "run python -m migrations, as the owner of MIGRATION_DATABASE_URL"


def check(settings: Settings) -> Iterator[Finding]:
    """What can be seen as the role of the programs."""
    where = urlsplit(settings.database_url).netloc.rpartition("@")[2] or "its socket"
    try:
        connection = psycopg.connect(settings.database_url, autocommit=True, connect_timeout=PATIENCE_SECONDS)
    except psycopg.Error as error:
        mend = "check DATABASE_URL, that PostgreSQL runs there, and that its pg_hba.conf lets this machine in"
        yield Finding(AREA, "wrong", f"no connection to {where}: {sentence(error)}", mend)
        return
    with connection:
        yield _version(connection, where)
        yield from _extensions(connection)
        yield _schema(connection)
        yield _rights(connection)
        yield _clock(connection)


def _version(connection: psycopg.Connection, where: str) -> Finding:
    version = connection.info.parameter_status("server_version")
    if connection.info.server_version < OLDEST * 10_000:
        return Finding(AREA, "wrong", f"PostgreSQL {version} at {where}", f"upgrade it to {OLDEST} or newer")
    return Finding(AREA, "good", f"PostgreSQL {version} at {where}")


def _extensions(connection: psycopg.Connection) -> Iterator[Finding]:
    rows = connection.execute("select name from pg_available_extensions").fetchall()
    for name in EXTENSIONS:
        if (name,) not in rows:
            mend = "install PostgreSQL's contrib package on the server"
            yield Finding(AREA, "wrong", f"the server has no extension {name}", mend)


def _schema(connection: psycopg.Connection) -> Finding:
    try:
        row = connection.execute("select version_num from alembic_version").fetchone()
    except NO_TABLE:
        row = None
    if row is None:
        return Finding(AREA, "wrong", "there is no schema yet, or none that this role may see", MIGRATE)
    if row[0] < NEEDED:
        return Finding(AREA, "wrong", f"schema {row[0]}, this code needs {NEEDED}", MIGRATE)
    if row[0] > NEEDED:
        what = f"schema {row[0]} is newer than this code, which needs {NEEDED}"
        return Finding(AREA, "wrong", what, "start the version that belongs to it")
    return Finding(AREA, "good", f"schema {NEEDED}")


def _rights(connection: psycopg.Connection) -> Finding:
    query = """
        select current_user, pg_has_role(current_user, relowner, 'member')
        from pg_class where oid = to_regclass('audit_log')
    """
    row = connection.execute(query).fetchone()
    if row and row[1]:
        what = f"{row[0]} owns the tables, so it could change the audit log"
        mend = "give DATABASE_URL a role of its own and MIGRATION_DATABASE_URL the owner's"
        return Finding(AREA, "warning", what, mend)
    return Finding(AREA, "good", f"{connection.info.user} may use the tables and owns none")


def _clock(connection: psycopg.Connection) -> Finding:
    before = datetime.now(UTC)
    row = connection.execute("select clock_timestamp()").fetchone()
    middle = before + (datetime.now(UTC) - before) / 2
    skew = abs((row[0] - middle).total_seconds()) if row else 0.0
    if skew > SKEW_SECONDS:
        mend = "let both machines take their time from NTP"
        return Finding(AREA, "warning", f"the clocks of the server and of this machine differ by {skew:.0f} s", mend)
    return Finding(AREA, "good", "its clock is ours")
