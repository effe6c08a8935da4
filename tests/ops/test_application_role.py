"""A role that owns nothing runs everything, and can do nothing to the audit log but add to it."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from ops.services import PROJECT
from tests import media, work
from tests.resources import SHOW, create
from tests.stack import Stack, own_database

SCRIPT = PROJECT / "ops" / "application_role.sql"
ROLE = "episodes_app"


@pytest.fixture
def url(services: dict[str, str]) -> Iterator[str]:
    """A database as that role reaches it."""
    owned = own_database(services["DATABASE_URL"])
    parts = urlsplit(owned)
    with psycopg.connect(owned, autocommit=True) as owner:
        owner.execute(f"create role {ROLE} login password 'secret'".encode())
        try:
            owner.execute(SCRIPT.read_bytes())
            yield parts._replace(netloc=f"{ROLE}:secret@{parts.hostname}:{parts.port}").geturl()
        finally:
            owner.execute(f"grant {ROLE} to current_user; drop owned by {ROLE}; drop role {ROLE}".encode())


def test_it_runs_api_and_pipeline(services: dict[str, str], tmp_path: Path, url: str) -> None:
    stack = Stack(services, tmp_path, DATABASE_URL=url)
    try:
        stack.start()
        with stack.client() as client:
            show = create(client, SHOW)
            assert client.delete(f"{SHOW.path}/{show['show_id']}").status_code == 204
            assert work.ingested(client, work.unique(media.jpeg()))["status"] == "succeeded"
    finally:
        stack.stop()


@pytest.mark.parametrize(
    "tampering",
    [
        "update audit_log set actor = 'nobody'",
        "delete from audit_log",
        "truncate audit_log",
        "update audit_seals set rows = 0",
        "grant update on audit_log to current_user",
        "alter table audit_log disable trigger all",
        "drop table audit_log",
        "create or replace function refuse_change() returns trigger language sql as 'select null'",
    ],
)
def test_it_cannot_touch_the_audit_log(url: str, tampering: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        if tampering.startswith("grant"):
            connection.execute(tampering.encode())  # a warning: nothing was granted
            tampering = "update audit_log set actor = 'nobody'"
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(tampering.encode())
