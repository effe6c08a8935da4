"""Who changed what, kept where nobody can change it."""

import base64
from collections.abc import Iterator
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


def verdict(client: httpx2.Client, **params: str) -> dict[str, Any]:
    """What is true of the log."""
    found: dict[str, Any] = client.get("/api/v1/audit/verify", params=params).json()["data"]
    return found


KEEP = """
    create schema kept;
    create table kept.audit_log as table audit_log;
    create table kept.audit_seals as table audit_seals;
    grant all on audit_log, audit_seals to current_user;
    alter table audit_log disable trigger all;
    alter table audit_seals disable trigger all
"""
RESTORE = """
    truncate audit_log, audit_seals;
    insert into audit_log overriding system value table kept.audit_log;
    insert into audit_seals overriding system value table kept.audit_seals;
    select setval(pg_get_serial_sequence('audit_log', 'audit_id'), max(audit_id)) from audit_log;
    select setval(pg_get_serial_sequence('audit_seals', 'seal_id'), max(seal_id)) from audit_seals
"""


@pytest.fixture(scope="module")
def sealed(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that lets its log be tampered with: four changes in two seals."""
    stack = Stack(services, tmp_path_factory.mktemp("sealed"))
    try:
        stack.api.start()
        stack.dispatcher.spawn()
        with stack.client("admin") as client:
            for _ in range(2):
                create(client, SHOW)
                create(client, SHOW)
                eventually(lambda: verdict(client)["unsealed"] == 0, within=30)
        stack.dispatcher.stop()
        stack.sql(KEEP)
        yield stack
    finally:
        stack.stop()


@pytest.fixture
def tampered(sealed: Stack) -> Iterator[Stack]:
    """That stack, whole again after each test."""
    yield sealed
    sealed.dispatcher.stop()
    sealed.sql(RESTORE)


COPY = """
    insert into audit_log (actor, action, entity_type, entity_id, request_id, transaction)
    select actor, action, entity_type, entity_id, request_id, transaction from audit_log where audit_id = 2
"""
SWAP = """
    update audit_log as one set entity_id = other.entity_id, after = other.after, at = other.at
    from audit_log as other where one.audit_id + other.audit_id = 5 and one.audit_id in (2, 3)
"""
OLD = "update audit_seals set digests = null, audit_ids = null where seal_id = 2"
TAMPERING = {
    "a changed row": (["update audit_log set actor = 'nobody' where audit_id = 2"], 1, "row changed", 2),
    "a removed row": (["delete from audit_log where audit_id = 1"], 1, "row removed", 1),
    "the last row removed": (["delete from audit_log where audit_id = 4"], 2, "row removed", 4),
    "the last rows removed": (["delete from audit_log where audit_id > 1"], 1, "row removed", 2),
    "a row added": ([COPY], 1, "row added", 5),
    "rows in another order": ([SWAP], 1, "row changed", 2),
    "a seal removed": (["delete from audit_seals where seal_id = 1"], 1, "seal removed", None),
    "a seal removed with its rows": (
        ["delete from audit_log where audit_id < 3", "delete from audit_seals where seal_id = 1"],
        1,
        "seal removed",
        None,
    ),
    "a seal changed": (["update audit_seals set hash = sha256('x') where seal_id = 1"], 1, "seal changed", None),
    "a seal that claims fewer rows": (["update audit_seals set rows = 1 where seal_id = 2"], 2, "seal changed", None),
    "a seal of another time": (
        ["update audit_seals set sealed_at = sealed_at - interval '1 day' where seal_id = 2"],
        2,
        "seal changed",
        None,
    ),
    "a seal made like an old one": ([OLD], 2, "seal changed", None),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_tampering_is_found_where_it_was_done(tampered: Stack, name: str) -> None:
    queries, seal_id, what, audit_id = TAMPERING[name]
    with tampered.client("admin") as client:
        before = verdict(client)
        name, digest = before.pop("last_seal").split(":")
        assert before == {"seals": 2, "rows": 4, "unsealed": 0, "redacted": 0, "intact": True, "broken": None}
        assert (name, len(digest)) == ("2", 64)
        for query in queries:
            tampered.sql(query)
        after = verdict(client)
        assert (after["intact"], after["seals"], after["rows"]) == (False, seal_id - 1, 2 * (seal_id - 1))
        broken = after["broken"]
        assert (broken["seal_id"], broken["what"], broken["audit_id"]) == (seal_id, what, audit_id)


def test_a_cut_off_end_is_found_by_whoever_kept_the_last_seal(tampered: Stack) -> None:
    with tampered.client("admin") as client:
        kept = verdict(client)["last_seal"]
        assert kept in tampered.log("dispatcher")
        assert verdict(client, seal=kept)["intact"] is True
        tampered.sql("delete from audit_log where audit_id > 2")
        tampered.sql("delete from audit_seals where seal_id > 1")
        assert verdict(client)["intact"] is True
        broken = {"seal_id": 2, "sealed_at": None, "audit_id": None, "what": "seal removed"}
        assert verdict(client, seal=kept)["broken"] == broken
        other = f"1:{'0' * 64}"
        assert verdict(client, seal=other)["broken"] == broken | {"seal_id": 1, "what": "seal changed"}


@pytest.mark.parametrize("seal", ["1", "1:abc", f"-1:{'0' * 64}", f"{'9' * 19}:{'0' * 64}"])
def test_what_is_no_seal_is_named(admin: httpx2.Client, seal: str) -> None:
    answer = admin.get("/api/v1/audit/verify", params={"seal": seal})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "seal")


def test_a_seal_from_before_there_were_digests_still_holds(tampered: Stack) -> None:
    with tampered.client("admin") as client:
        tampered.sql("truncate audit_seals restart identity")
        old = """
            insert into audit_seals (upto, rows, hash)
            select (max(transaction::text::bigint) + 1)::text::xid8, count(*),
                sha256(''::bytea || convert_to(string_agg(said::text, E'\n' order by audit_id), 'UTF8'))
            from audit_log, lateral (select to_jsonb(audit_log) - '{digest,redacted_with}'::text[] as said) as row
    where audit_id <= 3
        """
        tampered.sql(f"set timezone to 'UTC'; {old}")
        create(client, SHOW)
        tampered.dispatcher.spawn()
        eventually(lambda: verdict(client)["unsealed"] == 0, within=20)
        assert verdict(client)["intact"] is True
        tampered.sql("update audit_log set actor = 'nobody' where audit_id = 2")
        broken = verdict(client)["broken"]
        assert (broken["what"], broken["audit_id"]) == ("seal changed", None)
