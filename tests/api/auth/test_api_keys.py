"""Keys for machines: what they open, from where, until when; and what is known of them."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests import media
from tests.api.ingest.test_multipart import PICTURE, complete, send, start
from tests.eventually import eventually
from tests.resources import CLIP, SHOW, create
from tests.stack import PLAIN, Stack
from tests.work import ended, post, unique

PATH = "/api/v1/api-keys"
SOON = 1.0  # seconds; what the API promises


def make(admin: httpx2.Client, **fields: Any) -> dict[str, Any]:
    """A new key, which is an editor's where nothing else is said."""
    answer = admin.post(PATH, json={"name": f"importer {uuid4()}", "role": "editor", **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()["data"]
    return made


def holder(server: Stack, key: str) -> httpx2.Client:
    """Somebody who has the key."""
    return httpx2.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}"}, timeout=30, **PLAIN)


def refusal(answer: httpx2.Response) -> tuple[int, str]:
    """Status and the first message."""
    return answer.status_code, answer.json()["errors"][0]["message"]


def test_a_key_stands_wherever_a_token_does_and_acts_in_its_own_name(server: Stack, admin: httpx2.Client) -> None:
    made = make(admin)
    with holder(server, made["key"]) as machine:
        clip = create(machine, CLIP)
        assert clip["created_by"] == f"key:{made['name']}"
        (entry,) = machine.get(f"{CLIP.path}/{clip['clip_id']}/history").json()["data"]
        assert (entry["actor"], entry["action"]) == (f"key:{made['name']}", "create")
        assert machine.delete(f"{CLIP.path}/{clip['clip_id']}").status_code == 204
        assert machine.post(f"{CLIP.path}/{clip['clip_id']}/restore").status_code == 200
        assert refusal(machine.get("/api/v1/audit"))[0] == 403
        assert refusal(machine.post(PATH, json={"name": "mine", "role": "viewer"}))[0] == 403


@pytest.mark.parametrize(("role", "may"), [("viewer", [200, 403, 403]), ("admin", [200, 201, 200])])
def test_a_key_may_what_its_role_may(server: Stack, admin: httpx2.Client, role: str, may: list[int]) -> None:
    with holder(server, make(admin, role=role)["key"]) as machine:
        said = (machine.get(SHOW.path), machine.post(CLIP.path, json=CLIP.new), machine.get("/api/v1/audit"))
        assert [answer.status_code for answer in said] == may


def test_a_key_is_shown_once_and_its_hash_is_kept(server: Stack, admin: httpx2.Client) -> None:
    body, headers = {"name": f"once {uuid4()}", "role": "viewer"}, {"Idempotency-Key": uuid4().hex}
    first, again = (admin.post(PATH, json=body, headers=headers) for _ in range(2))
    key = first.json()["data"]["key"]
    assert key.startswith("epk_")
    assert again.json()["data"] == first.json()["data"] | {"key": None}
    listed = admin.get(PATH).json()
    assert listed["data"][0] == {name: value for name, value in first.json()["data"].items() if name != "key"}
    for table in ("api_keys", "audit_log", "idempotency_keys"):
        assert key not in str(server.sql(f"select t::text, encode(to_jsonb(t)::text::bytea, 'escape') from {table} t"))
        assert not server.sql(f"select from {table} t where position(%s in t::text) > 0", key.encode().hex())


def test_a_revoked_key_opens_nothing_within_a_second(server: Stack, admin: httpx2.Client) -> None:
    made = make(admin)
    with holder(server, made["key"]) as machine:
        assert machine.get(SHOW.path).status_code == 200
        assert admin.delete(f"{PATH}/{made['key_id']}").status_code == 204
        revoked = time.monotonic()
        eventually(lambda: machine.get(SHOW.path).status_code == 401)
        assert time.monotonic() < revoked + SOON
        assert refusal(machine.get(SHOW.path)) == (401, f"the api key {made['name']} was revoked")
    assert refusal(admin.delete(f"{PATH}/{made['key_id']}"))[0] == 404
    (row,) = (row for row in admin.get(PATH).json()["data"] if row["key_id"] == made["key_id"])
    assert (row["revoked_by"], row["revoked_at"] is not None) == ("tester", True)
    past = admin.get("/api/v1/audit", params={"entity_type": "api_key", "entity_id": made["key_id"]}).json()["data"]
    assert [(one["action"], one["actor"]) for one in past] == [("delete", "tester"), ("create", "tester")]
    assert make(admin, name=made["name"])["key"] != made["key"]


def test_an_upload_goes_on_with_a_key_of_the_same_name_where_its_own_was_revoked(
    server: Stack, admin: httpx2.Client
) -> None:
    made, picture = make(admin), unique(media.jpeg())
    with holder(server, made["key"]) as machine:
        upload = start(machine, **PICTURE, file_size=len(picture))
        admin.delete(f"{PATH}/{made['key_id']}")
        eventually(lambda: complete(machine, upload).status_code == 401)
        (part,) = upload["parts"]
        send(part, picture)  # the URL was given before
        assert complete(machine, upload).status_code == 401
    with holder(server, make(admin)["key"]) as another:
        assert complete(another, upload).status_code == 404
    with holder(server, make(admin, name=made["name"])["key"]) as successor:
        assert complete(successor, upload).status_code == 200
        job = ended(successor, post(successor, upload["fileReference"]))
        assert (job["outcome"], job["created_by"]) == ("stored", f"key:{made['name']}")


def test_a_key_ends_by_itself(server: Stack, admin: httpx2.Client) -> None:
    made = make(admin, expires_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    server.sql("update api_keys set expires_at = clock_timestamp() where key_id = %s", made["key_id"])
    with holder(server, made["key"]) as machine:
        assert refusal(machine.get(SHOW.path)) == (401, f"the api key {made['name']} has expired")


def test_a_key_is_good_for_a_year_where_nothing_is_said_and_never_longer(admin: httpx2.Client) -> None:
    until = datetime.fromisoformat(make(admin)["expires_at"])
    assert timedelta(days=364) < until - datetime.now(UTC) <= timedelta(days=365)
    for wrong in (timedelta(days=-1), timedelta(days=367)):
        body = {"name": f"x{uuid4()}", "role": "viewer", "expires_at": (datetime.now(UTC) + wrong).isoformat()}
        answer = admin.post(PATH, json=body)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "expires_at")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a/b"}, "name"),
        ({"role": "owner"}, "role"),
        ({"network": "10.0.0.1/8"}, "network"),
        ({"network": "999.1.1.1"}, "network"),
        ({"network": "here"}, "network"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_with_a_new_key_is_named(admin: httpx2.Client, fields: dict[str, Any], field: str) -> None:
    answer = admin.post(PATH, json={"name": f"x{uuid4()}", "role": "viewer", **fields})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)


def test_two_keys_that_are_good_never_have_one_name(admin: httpx2.Client) -> None:
    made = make(admin)
    answer = admin.post(PATH, json={"name": made["name"], "role": "viewer"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, "name")


def test_a_key_for_a_network_opens_nothing_elsewhere(server: Stack, admin: httpx2.Client) -> None:
    with holder(server, make(admin, network="127.0.0.0/8")["key"]) as here:
        assert here.get(SHOW.path).status_code == 200
    with holder(server, make(admin, network="10.1.0.0/16")["key"]) as elsewhere:
        refused = elsewhere.get(SHOW.path, headers={"X-Forwarded-For": "10.1.2.3"})
        assert refusal(refused) == (403, "this api key is good in the network 10.1.0.0/16 only")


def test_the_last_use_of_a_key_is_known_to_the_minute(server: Stack, admin: httpx2.Client) -> None:
    made = make(admin)
    used = "select last_used_at from api_keys where key_id = %s"
    assert server.sql(used, made["key_id"]) == [(None,)]
    with holder(server, made["key"]) as machine:
        machine.get(SHOW.path)
        ((first,),) = server.sql(used, made["key_id"])
        assert first is not None
        time.sleep(1)  # longer than a process trusts what it has looked up
        machine.get(SHOW.path)
        assert server.sql(used, made["key_id"]) == [(first,)]


@pytest.mark.parametrize("key", ["epk_", "epk_" + "a" * 43, "epk_\xff"])
def test_what_is_no_key_opens_nothing(server: Stack, key: str) -> None:
    headers = [(b"Authorization", f"Bearer {key}".encode("latin-1"))]
    answer = httpx2.get(f"{server.url}{SHOW.path}", headers=headers, **PLAIN)
    assert refusal(answer) == (401, "there is no such api key")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_keys_are_listed_page_by_page(admin: httpx2.Client) -> None:
    made = [make(admin)["key_id"] for _ in range(3)]
    first = admin.get(PATH, params={"limit": 2}).json()
    cursor = first["metadata"]["pagination"]["nextCursor"]
    second = admin.get(PATH, params={"limit": 2, "cursor": cursor}).json()
    assert [row["key_id"] for row in first["data"] + second["data"]][:3] == made[::-1]
    assert first["metadata"]["pagination"]["total"] >= 3


def test_no_token_speaks_in_the_name_of_a_key(server: Stack) -> None:
    with server.client("admin", "key:importer") as pretender:
        assert pretender.get(SHOW.path).status_code == 401
