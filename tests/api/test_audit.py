"""Who changed what, kept where nobody can change it."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
import pytest

from tests import media
from tests.eventually import eventually
from tests.resources import CLIP, RESOURCES, SHOW, Resource, create
from tests.stack import Stack
from tests.work import ingested, unique

every = pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.path.rsplit("/", 1)[1])


def history(client: httpx2.Client, resource: Resource, key: str) -> list[dict[str, Any]]:
    """The changes of a row, the oldest first."""
    rows: list[dict[str, Any]] = client.get(f"{resource.path}/{key}/history").json()["data"]
    return rows[::-1]


@every
def test_each_change_is_traced_to_its_author(
    editor: httpx2.Client, admin: httpx2.Client, viewer: httpx2.Client, resource: Resource
) -> None:
    row = create(editor, resource)
    path = f"{resource.path}/{row[resource.key]}"
    request = f"change-{uuid4()}"
    editor.patch(path, json=resource.patch, headers={"X-Request-ID": request})
    editor.delete(path, params={"reason": "a mistake"})
    admin.post(f"{path}/restore")
    made, changed, deleted, restored = history(viewer, resource, row[resource.key])
    assert [one["action"] for one in (made, changed, deleted, restored)] == ["create", "update", "delete", "restore"]
    assert made["before"] is None
    assert made["after"][resource.title] == row[resource.title]
    assert changed["before"] == {name: row[name] for name in resource.patch}
    assert changed["after"] == resource.patch
    assert (changed["actor"], changed["request_id"], changed["job_id"]) == ("tester", request, None)
    assert deleted["after"]["deleted_reason"] == "a mistake"
    assert restored["before"]["deleted_by"] == "tester"
    assert restored["after"]["deleted_at"] is None


def test_a_refused_change_leaves_no_trace(editor: httpx2.Client) -> None:
    show = create(editor, SHOW)
    path = f"{SHOW.path}/{show['show_id']}"
    assert editor.patch(path, json={"status": "archived"}, headers={"If-Match": '"9"'}).status_code == 412
    assert editor.patch(path, json={"status": "gone"}).status_code == 400
    assert [one["action"] for one in history(editor, SHOW, show["show_id"])] == ["create"]


def test_what_the_pipeline_sets_is_traced_to_its_job(editor: httpx2.Client) -> None:
    job = ingested(editor, unique(media.jpeg()))
    _, ingest = history(editor, CLIP, job["entity_id"])
    assert (ingest["action"], ingest["job_id"], ingest["actor"]) == ("ingest", job["job_id"], "tester")
    assert ingest["request_id"] == job["request_id"]
    assert ingest["after"]["file_hash"] == job["sha256"]


def test_the_log_is_filtered_and_walked_by_admins_only(
    editor: httpx2.Client, admin: httpx2.Client, server: Stack
) -> None:
    began = datetime.now(UTC).isoformat()
    name = f"auditor-{uuid4()}"
    with server.client("editor", name) as somebody:
        shows = [create(somebody, SHOW)["show_id"] for _ in range(5)]
        somebody.delete(f"{SHOW.path}/{shows[0]}")
    assert editor.get("/api/v1/audit").status_code == 403
    params: dict[str, Any] = {"actor": name, "action": "create", "entity_type": "show", "from": began, "limit": 2}
    seen: list[str] = []
    while True:
        page = admin.get("/api/v1/audit", params=params).json()
        assert page["metadata"]["pagination"]["total"] == 5
        seen += [row["entity_id"] for row in page["data"]]
        params["cursor"] = page["metadata"]["pagination"]["nextCursor"]
        if params["cursor"] is None:
            break
    assert seen == shows[::-1]
    assert admin.get("/api/v1/audit", params={"actor": name, "to": began}).json()["data"] == []
    (deleted,) = admin.get("/api/v1/audit", params={"entity_id": shows[0], "action": "delete"}).json()["data"]
    assert deleted["actor"] == name


@pytest.mark.parametrize("value", ['"x"', "-1", "1e99", "[]", "true", "null"])
def test_a_made_up_cursor_is_named(admin: httpx2.Client, value: str) -> None:
    text = f'["-audit_id",{value},"{uuid4()}"]'
    cursor = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    answer = admin.get("/api/v1/audit", params={"cursor": cursor})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "cursor"


def test_what_never_was_has_no_history(editor: httpx2.Client) -> None:
    assert editor.get(f"{SHOW.path}/{uuid4()}/history").status_code == 404


@pytest.mark.parametrize("table", ["audit_log", "audit_seals"])
@pytest.mark.parametrize("change", ["update {} set {}", "delete from {}", "truncate {}"])
def test_the_database_refuses_to_change_the_log(editor: httpx2.Client, server: Stack, table: str, change: str) -> None:
    create(editor, SHOW)
    column = "actor = 'nobody'" if table == "audit_log" else "rows = 0"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        server.sql(change.format(table, column))


@pytest.mark.parametrize(
    "tampering",
    [
        "update audit_log set actor = 'nobody' where audit_id = 2",
        "delete from audit_log where audit_id = 2",
        "insert into audit_log (actor, action, entity_type, entity_id, request_id, transaction)"
        " select actor, action, entity_type, entity_id, request_id, transaction from audit_log where audit_id = 2",
        "delete from audit_seals where seal_id = 1",
        "update audit_seals set hash = sha256('x') where seal_id = 1",
    ],
)
def test_tampering_is_found(new_stack: Callable[..., Stack], tampering: str) -> None:
    stack = new_stack()
    stack.api.start()
    stack.dispatcher.spawn()
    with stack.client("admin") as client:

        def verdict() -> dict[str, Any]:
            found: dict[str, Any] = client.get("/api/v1/audit/verify").json()["data"]
            return found

        for _ in range(2):
            create(client, SHOW)
            create(client, SHOW)
            eventually(lambda: verdict()["unsealed"] == 0, within=20)
        assert verdict() | {"seals": 2} == {"seals": 2, "rows": 4, "unsealed": 0, "intact": True, "broken_at": None}
        for table in ("audit_log", "audit_seals"):
            stack.sql(f"grant all on {table} to current_user")
            stack.sql(f"alter table {table} disable trigger all")
        stack.sql(tampering)
        assert verdict()["intact"] is False
        assert verdict()["broken_at"] is not None
