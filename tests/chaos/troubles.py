"""PostgreSQL's own refusals, made to happen: two sessions in each other's way, a disk that is full, no writing.

``url`` is the database as its owner reaches it.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql

PATIENCE: Final = 30.0  # seconds until somebody must be in the way
NO_SPACE: Final = Path("/dev/full")  # the kernel refuses every write to it, as it does on a disk that is full
OTHERS: Final = "backend_type = 'client backend' and datname = current_database() and pid <> pg_backend_pid()"
Wish = tuple[LiteralString, list[Any]]  # a query and its parameters
CLIPS: Final[Wish] = "lock table clips in exclusive mode", []
# Not who reads it for the search, whom nobody needs to wait for.
WAITS: Final = """
    select exists (select from pg_stat_activity
                   where %s = any(pg_blocking_pids(pid)) and query ilike '%%update%%clips%%')
"""
EPISODE: Final = "select from episodes where episode_id = %s for update"
CLIP: Final = "select from clips where clip_id = %s for update"
JOB: Final = "select from ingest_jobs where job_id = %s for update"
TOUCH: Final = "update clips set title = title where clip_id = %s"


def in_the_way(url: str, pid: int, within: float = PATIENCE) -> bool:
    """Wait until who changes a clip waits for what a session holds; whether anybody has in so many seconds."""
    until = time.monotonic() + within
    with psycopg.connect(url, autocommit=True) as connection:
        while time.monotonic() < until:
            if connection.execute(WAITS, [pid]).fetchone() == (True,):
                return True
            time.sleep(0.01)
    return False


def cross(
    url: str, first: Wish, second: Wish, *, begin: Callable[[], object] = lambda: None, within: float = PATIENCE
) -> bool:
    """Hold ``first``, ``begin`` something, and when that waits to change a clip do ``second``, and commit.

    Where that one holds what ``second`` wants it is a deadlock, of which it is the victim. Whether anybody came.
    """
    with psycopg.connect(url) as session:
        session.isolation_level = psycopg.IsolationLevel.READ_COMMITTED  # whatever everybody else has to have
        session.execute(*first)
        begin()
        came = in_the_way(url, session.info.backend_pid, within)
        if came:
            session.execute("select pg_sleep(0.2)")  # who has waited for longer looks first whether it is a deadlock
            session.execute(*second)
    return came


@contextmanager
def everybody(url: str, setting: str, value: str) -> Iterator[None]:
    """The database has a setting for all who connect from now on, as everybody then has to; and the same back."""
    _for_everybody(url, sql.SQL("set {} = {}").format(sql.Identifier(setting), sql.Literal(value)))
    try:
        yield
    finally:
        _for_everybody(url, sql.SQL("reset {}").format(sql.Identifier(setting)))


def _for_everybody(url: str, change: sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set default_transaction_read_only = off")
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("alter database {} {}").format(name, change))
    end_backends(url)


def end_backends(url: str) -> None:
    """End every other session of the database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where {OTHERS}".encode())


@contextmanager
def disk_full(url: str, data: Path, table: str, times: int | None = None) -> Iterator[None]:
    """Rows of a table have no room any more, or the first so many have none.

    A trigger puts a row beside each, into a table whose file is ``/dev/full``: the server tries to make the file
    longer, the kernel says ENOSPC, and the server raises what it raises then. ``data`` is the server's directory.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table no_room (at timestamptz); create sequence no_room_dealt")
        place = data / str(connection.execute("select pg_relation_filepath('no_room')").fetchall()[0][0])
    _replace(place, NO_SPACE)
    _trigger(url, table, f"nextval('no_room_dealt') <= {times or 2**62}")
    try:
        yield
    finally:
        place.unlink()
        place.touch()
        os.chown(place, data.stat().st_uid, data.stat().st_gid)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("drop function no_room cascade; drop sequence no_room_dealt; drop table no_room")


def _replace(place: Path, by: Path) -> None:
    place.unlink()
    place.symlink_to(by)


def _trigger(url: str, table: str, when: str) -> None:
    body = f"begin if {when} then insert into no_room values (now()); end if; return new; end"
    function = f"create function no_room() returns trigger language plpgsql security definer as $${body}$$"
    trigger = f"create trigger no_room before insert on {table} for each row execute function no_room()"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"{function}; {trigger}".encode())


@contextmanager
def held(url: str, wish: Wish) -> Iterator[None]:
    """Somebody has a lock, and lets it go."""
    with psycopg.connect(url) as session:
        session.execute(*wish)
        yield
