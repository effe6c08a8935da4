"""Who is purged is forgotten: no table says any more what he was called, and the log's seals hold nevertheless."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import httpx2
import psycopg
import pytest

from tests.api.resources.test_search import word
from tests.eventually import eventually
from tests.pipeline.tasks.house import deleted, run
from tests.resources import EPISODE, GUEST, create
from tests.stack import Stack, running

Row = dict[str, Any]


@pytest.fixture(scope="module")
def shared(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose log may be tampered with."""
    with running(services, tmp_path_factory.mktemp("forgetting"), TRASH_RETENTION_DAYS="30") as made:
        yield made


@pytest.fixture
def stack(shared: Stack) -> Iterator[Stack]:
    """That stack, its log whole again after each test."""
    yield shared
    shared.sql("grant all on audit_log, audit_seals to current_user")
    for table in ("audit_log", "audit_seals"):
        shared.sql(f"alter table {table} disable trigger all; truncate {table}; alter table {table} enable trigger all")


@pytest.fixture
def chief(stack: Stack) -> Iterator[httpx2.Client]:
    """Signed in as an admin."""
    with stack.client("admin") as client:
        yield client


def all_text(stack: Stack) -> str:
    """Everything that the database holds, as text."""
    tables = stack.sql("select quote_ident(table_name) from information_schema.tables where table_schema = 'public'")
    return "\n".join(str(row) for (table,) in tables for row in stack.sql(f"select it::text from {table} as it"))


def sealed(client: httpx2.Client) -> Row:
    """What is true of the audit log, once all of it is sealed."""
    eventually(lambda: not verified(client)["unsealed"], within=30)
    return verified(client)


def verified(client: httpx2.Client) -> Row:
    """What is true of the audit log now."""
    found: Row = client.get("/api/v1/audit/verify").json()["data"]
    return found


def remember(chief: httpx2.Client, secrets: Sequence[str]) -> tuple[str, str]:
    """A guest who has said this and that about himself, visited an episode, and left; and the episode."""
    first, second, third, fourth = secrets
    guest = create(chief, GUEST, name=f"Jo {first}", email=f"{first}@{second}.example", bio=f"Born in {third}.")
    path = f"{GUEST.path}/{guest['guest_id']}"
    changed = {"name": f"Jo {second}", "social_links": {"site": f"https://{third}.example"}, "tags": [third]}
    assert chief.patch(path, json=changed | {"metadata": {"of": {"birth": fourth}}}).is_success
    episode = create(chief, EPISODE)["episode_id"]
    link = f"{EPISODE.path}/{episode}/guests/{guest['guest_id']}"
    for notes in (f"calls {first}", f"brings {fourth}"):
        assert chief.put(link, json={"notes": notes, "usage_context": f"with {second}"}).is_success
    eventually(lambda: chief.get("/api/v1/search", params={"q": second}).json()["data"])
    return guest["guest_id"], episode


def test_who_is_purged_is_forgotten_by_every_table_and_the_chain_of_seals_holds(
    stack: Stack, chief: httpx2.Client
) -> None:
    secrets = [word() for _ in range(4)]
    guest, episode = remember(chief, secrets)
    before = sealed(chief)
    deleted(stack, chief, f"{GUEST.path}/{guest}")
    eventually(lambda: not chief.get("/api/v1/search", params={"q": secrets[1]}).json()["data"])
    assert all(secret in all_text(stack) for secret in secrets)
    assert run(chief, "trash") == {"guests": 1}
    left = all_text(stack)
    assert [secret for secret in secrets if secret in left] == []
    after = sealed(chief)
    assert (after["intact"], after["broken"], before["redacted"]) == (True, None, 0)
    assert after["redacted"] == 6  # made, changed, linked, linked anew, deleted, unlinked
    assert chief.get("/api/v1/audit/verify", params={"seal": before["last_seal"]}).json()["data"]["intact"]
    rows = chief.get(f"{GUEST.path}/{guest}/history").json()["data"]
    assert [(row["action"], row["redacted"]) for row in rows] == [
        ("purge", False),
        ("delete", True),
        ("update", True),
        ("create", True),
    ]
    assert (rows[3]["after"]["guest_id"], rows[3]["after"]["email"]) == (guest, "[redacted]")
    assert {row["actor"] for row in rows} == {"tester", "housekeeping"}
    with stack.client("viewer") as viewer:
        assert viewer.get(f"{GUEST.path}/{guest}/history").status_code == httpx2.codes.NOT_FOUND
        seen = viewer.get(f"{EPISODE.path}/{episode}/history").json()["data"]
    assert [row["action"] for row in seen] == ["create"]
    links = chief.get(f"{EPISODE.path}/{episode}/history").json()["data"]
    assert [row["action"] for row in links] == ["unlink", "link", "link", "create"]
    assert not any(secret in str(links) for secret in secrets)


FORGED: Final = {
    "what is left was changed": 'update audit_log set before = \'{{"name": "Somebody"}}\' where audit_id = {row}',
    "its digest was changed": "update audit_log set digest = sha256('x') where audit_id = {row}",
    "a row was redacted that no purge vouches for": (
        "update audit_log set digest = audit_digest(audit_log), after = redacted(after), redacted_with = entity_id"
        " where audit_id = {other}"
    ),
    "another purge is said to have redacted it": (
        "update audit_log set redacted_with = uuidv7() where audit_id = {row}"
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_whoever_forges_what_is_redacted_is_found_out(stack: Stack, chief: httpx2.Client, name: str) -> None:
    guest = create(chief, GUEST)["guest_id"]
    other = create(chief, GUEST)["guest_id"]
    deleted(stack, chief, f"{GUEST.path}/{guest}")
    run(chief, "trash")
    assert sealed(chief)["intact"]
    (row,), (living,) = (
        stack.sql("select min(audit_id) from audit_log where entity_id = %s", key)[0] for key in (guest, other)
    )
    owner = "grant all on audit_log to current_user; alter table audit_log disable trigger all"
    stack.sql(owner)
    stack.sql(FORGED[name].format(row=row, other=living))
    broken = verified(chief)["broken"]
    assert (broken["what"], broken["audit_id"]) == ("row changed", living if "no purge" in name else row)


def test_the_database_redacts_nothing_but_what_is_gone_and_nothing_else(stack: Stack, chief: httpx2.Client) -> None:
    guest = create(chief, GUEST)["guest_id"]
    application = psycopg.connect(stack.environ["DATABASE_URL"], autocommit=True)
    for statement in (
        "select redact('guest', %(guest)s)",
        "select redact('audit_seal', %(guest)s)",
        "update audit_log set after = redacted(after) where entity_id = %(guest)s",
        "insert into audit_log (actor, action, entity_type, entity_id, request_id, redacted_with)"
        " values ('x', 'create', 'guest', %(guest)s, 'x', %(guest)s)",
    ):
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidParameterValue)):
            application.execute(statement.encode(), {"guest": guest})
    application.close()
    for change in (
        "after = '{}'",
        "digest = sha256('x'), redacted_with = entity_id, after = redacted(after)",
        "digest = audit_digest(audit_log), redacted_with = entity_id",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            stack.sql(f"update audit_log set {change} where entity_id = %s", guest)
