"""No text of a request gets into the text of a statement, as PostgreSQL itself logs it: it travels as a parameter.

``models`` composes SQL of its own constants, and so the lint rule against composing (S608) is off there.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from ops.stack.services import Services
from tests.resources import RESOURCES
from tests.stack import Stack, running

pytestmark = pytest.mark.services

# Statements with neither parameters nor the values that an error tells.
LOGGED = "log_statement = 'all'\nlog_parameter_max_length = 0\nlog_error_verbosity = terse\n"
MARKER = f"marker{uuid4().hex}"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logging")


@pytest.fixture(scope="module")
def stack(home: Path) -> Iterator[Stack]:
    """On a PostgreSQL that logs each statement."""
    with Services(home, {}) as services:
        data = home / "postgres"
        with (data / "postgresql.auto.conf").open("a") as settings:
            settings.write(LOGGED)
        os.kill(int((data / "postmaster.pid").read_text().split()[0]), signal.SIGHUP)
        (home / "stack").mkdir()
        with running(services.environment, home / "stack") as made:
            yield made


def used(client: httpx2.Client) -> None:
    """Every way for a client's words to reach the database: bodies, filters, cursors, headers, reasons, who calls."""
    for resource in RESOURCES:
        row = resource.body(client) | {resource.title: MARKER, "description": MARKER, "metadata": {MARKER: MARKER}}
        row |= {"bio": row.pop("description")} if "bio" in resource.new else {}
        row |= {} if resource.key == "show_id" else {"tags": [MARKER]}
        posted = client.post(resource.path, json=row, headers={"Idempotency-Key": f"{MARKER}{resource.key}"})
        assert posted.status_code == httpx2.codes.CREATED, posted.text
        where = posted.headers["Location"]
        assert client.patch(where, json={"metadata": {MARKER: [MARKER]}}).is_success
        for query in (f"q={MARKER}", f"sort={resource.title}&limit=1&include_deleted=true"):
            assert client.get(f"{resource.path}?{query}").is_success
        assert resource.key == "show_id" or client.get(resource.path, params={"tag": MARKER}).is_success
        assert client.delete(where, params={"reason": MARKER}).is_success or resource.key == "show_id"
        client.post(f"{where}/restore")
        assert client.get(f"{where}/history").is_success
    assert client.get("/api/v1/search", params={"q": f"{MARKER} -{MARKER}x"}).is_success
    assert client.get("/api/v1/audit", params={"actor": MARKER}).is_success
    assert client.get("/api/v1/ingest", params={"error_code": MARKER}).status_code < 500
    job = {"entity_type": "clip", "entity_id": str(uuid4()), "source_reference": f"s3://episodes-media/{MARKER}"}
    assert client.post("/api/v1/ingest", json=job).status_code < 500


def test_the_log_of_postgresql_has_statements_and_no_word_of_a_client(stack: Stack, home: Path) -> None:
    with stack.client("admin", subject=MARKER) as client:
        client.headers["X-Request-ID"] = MARKER
        used(client)
    stack.sql("select 'a word in a statement'")
    logged = (home / "logs" / "postgres.log").read_text(errors="replace").replace('"', "")
    for statement in ("insert into clips", "update guests", "from audit_log", "'a word in a statement'"):
        assert statement in logged
    assert not [line for line in logged.splitlines() if MARKER in line.casefold()]
