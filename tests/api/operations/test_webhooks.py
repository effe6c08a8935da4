"""Webhooks from the outside: a real receiver is told what happened, and verifies it as receivers do."""

import json
import socket
import struct
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
import pytest
from standardwebhooks import Webhook as Verifier

from tests import media, work
from tests.eventually import eventually
from tests.receivers import Received, Receiver
from tests.resources import CLIP, EPISODE, OUTFIT, SHOW, create
from tests.stack import Stack

PATH = "/api/v1/webhooks"
ENTITY = ["entity.created", "entity.changed", "entity.deleted", "entity.restored"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def subscribe(editor: httpx2.Client, receiver: Receiver) -> Iterator[Callable[..., dict[str, Any]]]:
    """Makes webhooks of the receiver; removed at the end, so that nobody else's changes are told to it."""
    made: list[str] = []

    def new(*events: str, client: httpx2.Client = editor, **more: Any) -> dict[str, Any]:
        answer = client.post(PATH, json={"url": f"{receiver.url}/hook", "events": list(events or ENTITY)} | more)
        assert answer.status_code == 201, answer.text
        hook: dict[str, Any] = answer.json()["data"]
        made.append(hook["webhook_id"])
        return hook

    yield new
    for webhook_id in made:
        editor.delete(f"{PATH}/{webhook_id}")


def said(hook: dict[str, Any], received: Received) -> dict[str, Any]:
    """The event of a request, verified by its signature."""
    event: dict[str, Any] = Verifier(hook["secret"]).verify(received.body, received.headers)
    return event


def deliveries(client: httpx2.Client, hook: dict[str, Any], **params: Any) -> list[dict[str, Any]]:
    answer = client.get(f"{PATH}/{hook['webhook_id']}/deliveries", params=params)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def ended(client: httpx2.Client, hook: dict[str, Any], status: str = "succeeded") -> dict[str, Any]:
    """Its newest delivery once it is this."""
    return eventually(lambda: next((one for one in deliveries(client, hook)[:1] if one["status"] == status), None))


def hasten(server: Stack, hook: dict[str, Any]) -> None:
    """Let the next try be due now."""
    server.sql("update webhook_deliveries set due_at = now() where webhook_id = %s", hook["webhook_id"])


def test_each_change_of_an_entity_is_told_in_order_as_a_signed_cloud_event(
    editor: httpx2.Client, admin: httpx2.Client, receiver: Receiver, subscribe: Callable[..., dict[str, Any]]
) -> None:
    show = create(editor, SHOW)
    hook = subscribe("entity.*", filter={"entity_type": "clip"})
    assert (hook["events"], hook["filter"]) == (["entity.*"], {"entity_type": ["clip"]})
    create(editor, OUTFIT)
    clip = create(editor, CLIP)["clip_id"]
    path = f"{CLIP.path}/{clip}"
    assert editor.patch(path, json={"quality": "good"}).status_code == 200
    assert editor.delete(path).status_code == 204
    assert admin.post(f"{path}/restore").status_code == 200
    events = [said(hook, one) for one in receiver.wait_for(4)]
    assert [event["type"] for event in events] == ENTITY
    assert [event["data"]["version"] for event in events] == [1, 2, 3, 4]
    assert show["show_id"] not in receiver.received[0].body.decode()
    first, sent = events[0], receiver.received[0]
    assert sent.headers["content-type"].startswith("application/cloudevents+json")
    assert sent.headers["webhook-id"] == first["id"]
    assert (first["specversion"], first["source"], first["subject"]) == ("1.0", "/api/v1", f"clips/{clip}")
    assert first["datacontenttype"] == "application/json"
    assert editor.get(f"{first['source']}/{first['subject']}").json()["data"]["clip_id"] == clip
    assert first["data"]["actor"] == "tester"


def test_a_filter_by_show_takes_the_show_and_what_belongs_to_it(
    editor: httpx2.Client, receiver: Receiver, subscribe: Callable[..., dict[str, Any]]
) -> None:
    show = create(editor, SHOW)["show_id"]
    hook = subscribe(filter={"show_id": show})
    create(editor, EPISODE)  # of another show
    episode = editor.post(EPISODE.path, json=EPISODE.new | {"show_id": show}).json()["data"]["episode_id"]
    clip = editor.post(CLIP.path, json=CLIP.new | {"episode_id": episode}).json()["data"]["clip_id"]
    create(editor, CLIP)  # of no episode
    editor.patch(f"{SHOW.path}/{show}", json={"description": "Changed"})
    subjects = {said(hook, one)["subject"] for one in receiver.wait_for(3)}
    assert subjects == {f"episodes/{episode}", f"clips/{clip}", f"shows/{show}"}
    assert {said(hook, one)["data"]["show_id"] for one in receiver.received} == {show}


def test_the_end_of_a_job_is_told_with_its_outcome_or_its_error(
    editor: httpx2.Client, receiver: Receiver, subscribe: Callable[..., dict[str, Any]]
) -> None:
    hook = subscribe("job.*")
    good = work.post(editor, work.upload(editor, media.jpeg(seed=uuid4().int % 10_000)))
    (told,) = [said(hook, one) for one in receiver.wait_for(1)]
    assert (told["type"], told["data"]["job_id"], told["data"]["outcome"]) == (
        "job.succeeded",
        good["job_id"],
        "stored",
    )
    assert editor.get(f"{told['source']}/{told['subject']}").json()["data"]["status"] == "succeeded"
    work.post(editor, f"s3://episodes-media/clip/{uuid4()}-missing.jpg")
    failed = said(hook, receiver.wait_for(2)[1])
    assert (failed["type"], failed["data"]["error"]["code"]) == ("job.failed", "SOURCE_MISSING")


def test_the_end_of_a_batch_is_told(
    editor: httpx2.Client, receiver: Receiver, subscribe: Callable[..., dict[str, Any]]
) -> None:
    hook = subscribe("batch.ended")
    missing = {"entity_type": "clip", "source_reference": f"s3://episodes-media/clip/{uuid4()}-missing.jpg"}
    jobs = [{**missing, "entity_id": create(editor, CLIP)["clip_id"]} for _ in range(2)]
    posted = editor.post("/api/v1/ingest/batch", json={"name": "Pier", "jobs": jobs})
    assert posted.status_code == 202, posted.text
    told = said(hook, receiver.wait_for(1)[0])
    assert (told["type"], told["data"]["name"]) == ("batch.ended", "Pier")
    batch = editor.get(f"{told['source']}/{told['subject']}").json()["data"]
    assert (batch["batch_id"], batch["failed"]) == (posted.json()["data"]["batch_id"], 2)
    assert work.seconds_between(batch["finished_at"], told["data"]["finished_at"]) == 0


def test_what_a_request_takes_back_is_not_told(
    server: Stack, editor: httpx2.Client, subscribe: Callable[..., dict[str, Any]]
) -> None:
    hook = subscribe()
    with pytest.raises(psycopg.errors.RaiseException):
        server.sql("""
            do $$ begin
                insert into audit_log (actor, action, entity_type, entity_id, request_id)
                values ('x', 'create', 'show', uuidv7(), 'x');
                raise exception 'no';
            end $$
        """)
    assert deliveries(editor, hook) == []


def test_a_delivery_that_fails_is_tried_again_with_the_same_id_and_holds_up_its_entity_only(
    server: Stack, editor: httpx2.Client, receiver: Receiver, subscribe: Callable[..., dict[str, Any]]
) -> None:
    receiver.answer = 500
    hook = subscribe(filter={"entity_type": ["clip"]})
    first, other = create(editor, CLIP)["clip_id"], None
    receiver.wait_for(1)
    editor.patch(f"{CLIP.path}/{first}", json={"quality": "good"})
    other = create(editor, CLIP)["clip_id"]
    assert said(hook, receiver.wait_for(2)[1])["subject"] == f"clips/{other}"
    receiver.answer = 204
    eventually(lambda: editor.get(f"{PATH}/{hook['webhook_id']}").json()["data"]["failing_since"])
    (waiting, *_) = [one for one in deliveries(editor, hook) if one["entity_id"] == first][-1:]
    assert (waiting["status"], waiting["attempts"][0]["status_code"]) == ("pending", 500)
    assert waiting["next_attempt_at"] > waiting["attempts"][0]["finished_at"]
    hasten(server, hook)
    events = [said(hook, one) for one in receiver.wait_for(5)]
    of_first = [event for event in events if event["subject"] == f"clips/{first}"]
    assert [event["type"] for event in of_first] == ["entity.created", "entity.created", "entity.changed"]
    assert of_first[0]["id"] == of_first[1]["id"]
    eventually(lambda: editor.get(f"{PATH}/{hook['webhook_id']}").json()["data"]["failing_since"] is None)


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Close the connection without an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def gibberish(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"this is no HTTP\r\n\r\n")


def to_metadata(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "http://169.254.169.254/latest/meta-data/")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (503, (503, "answered 503")),
        (to_metadata, (302, "redirects are not followed")),
        (hang_up, (None, "")),
        (gibberish, (None, "illegal status line")),
    ],
)
def test_a_receiver_that_misbehaves_is_told_apart_in_the_attempt(
    editor: httpx2.Client,
    receiver: Receiver,
    subscribe: Callable[..., dict[str, Any]],
    answer: Any,
    told: tuple[int | None, str],
) -> None:
    receiver.answer = answer
    hook = subscribe()
    test = editor.post(f"{PATH}/{hook['webhook_id']}/test")
    assert test.status_code == 202, test.text

    def tried() -> Any:
        made = deliveries(editor, hook)[0]["attempts"]
        return made and made[0]["finished_at"] and made[0]

    attempt = eventually(tried)
    assert attempt["status_code"] == told[0]
    assert told[1] in attempt["error"]
    assert len(receiver.received) == 1


def lie(handler: BaseHTTPRequestHandler) -> None:
    """Promise more than comes."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"thank\0you")
    handler.close_connection = True


def pour(handler: BaseHTTPRequestHandler) -> None:
    """An answer without an end."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"x" * 65_536)
    except OSError:
        handler.close_connection = True


@pytest.mark.parametrize(("answer", "response"), [(lie, "thank\N{REPLACEMENT CHARACTER}you"), (pour, "x" * 1024)])
def test_what_was_answered_with_200_is_delivered_whatever_follows(
    editor: httpx2.Client,
    receiver: Receiver,
    subscribe: Callable[..., dict[str, Any]],
    answer: Any,
    response: str,
) -> None:
    receiver.answer = answer
    hook = subscribe()
    editor.post(f"{PATH}/{hook['webhook_id']}/test")
    delivery = ended(editor, hook)
    assert (delivery["event"], delivery["attempts"][0]["response"]) == ("webhook.test", response)
    assert len(receiver.received) == 1


def test_a_receiver_that_hangs_slows_nobody_else(
    editor: httpx2.Client, receiver: Receiver, subscribe: Callable[..., dict[str, Any]]
) -> None:
    receiver.answer = receiver.hang
    subscribe(filter={"entity_type": ["outfit"]})
    with Receiver() as quick:
        subscribe(url=f"{quick.url}/quick", filter={"entity_type": ["outfit"]})
        for _ in range(30):
            create(editor, OUTFIT)
        assert len(quick.wait_for(30)) == 30
        assert len(receiver.received) <= 16


def test_a_receiver_that_is_gone_is_switched_off_at_once_and_can_be_enabled_again(
    server: Stack, editor: httpx2.Client, receiver: Receiver, subscribe: Callable[..., dict[str, Any]]
) -> None:
    receiver.answer = 410
    hook = subscribe()
    path = f"{PATH}/{hook['webhook_id']}"
    editor.post(f"{path}/test")
    assert ended(editor, hook, "failed")["attempts"][0]["status_code"] == 410
    off = editor.get(path).json()["data"]
    assert off["disabled_at"]
    assert "410" in off["disabled_reason"]
    assert editor.post(f"{path}/test").status_code == 409
    create(editor, CLIP)
    assert len(deliveries(editor, hook)) == 1
    log = server.sql("select action from audit_log where entity_id = %s order by audit_id", hook["webhook_id"])
    assert log == [("create",), ("pause",)]
    receiver.answer = 204
    on = editor.post(f"{path}/enable").json()["data"]
    assert (on["disabled_at"], on["failing_since"]) == (None, None)
    assert editor.post(f"{path}/enable").status_code == 409


def test_a_delivery_is_given_up_after_days_and_its_webhook_with_it(
    server: Stack, editor: httpx2.Client, receiver: Receiver, subscribe: Callable[..., dict[str, Any]]
) -> None:
    receiver.answer = 500
    hook = subscribe()
    path = f"{PATH}/{hook['webhook_id']}"
    editor.post(f"{path}/test")
    eventually(lambda: editor.get(path).json()["data"]["failing_since"])
    server.sql(
        "update webhooks set failing_since = now() - interval '70 hours' where webhook_id = %s", hook["webhook_id"]
    )
    server.sql("update webhook_deliveries set give_up_at = now() where webhook_id = %s", hook["webhook_id"])
    hasten(server, hook)
    delivery = ended(editor, hook, "failed")
    assert len(delivery["attempts"]) == 2
    assert "nothing was delivered for days" in editor.get(path).json()["data"]["disabled_reason"]


def test_a_delivery_is_repeated_by_hand(
    editor: httpx2.Client, receiver: Receiver, subscribe: Callable[..., dict[str, Any]]
) -> None:
    hook = subscribe()
    editor.post(f"{PATH}/{hook['webhook_id']}/test")
    path = f"{PATH}/{hook['webhook_id']}/deliveries/{ended(editor, hook)['delivery_id']}"
    again = editor.post(f"{path}/retry")
    assert (again.status_code, again.json()["data"]["status"]) == (202, "pending")
    first, second = receiver.wait_for(2)
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert len(ended(editor, hook)["attempts"]) == 2
    assert editor.get(path).json()["data"]["status"] == "succeeded"
    receiver.answer = 500
    editor.post(f"{path}/retry")
    assert editor.post(f"{path}/retry").status_code == 409


def test_a_delivery_whose_sender_died_is_sent_again_by_another(
    server: Stack, editor: httpx2.Client, receiver: Receiver, subscribe: Callable[..., dict[str, Any]]
) -> None:
    hook = subscribe()
    server.sql(
        """
        insert into webhook_deliveries (webhook_id, event_id, event, entity_id, body, attempts, lease_expires_at)
        values (%s, uuidv7(), 'webhook.test', uuidv7(), '{}', 1, now() - interval '1 second')
        """,
        hook["webhook_id"],
    )
    assert [one["attempt"] for one in ended(editor, hook)["attempts"]] == [2]


def test_deliveries_are_paged_by_cursor_and_filtered_by_status(
    editor: httpx2.Client, receiver: Receiver, subscribe: Callable[..., dict[str, Any]]
) -> None:
    hook = subscribe()
    path = f"{PATH}/{hook['webhook_id']}"
    for _ in range(5):
        editor.post(f"{path}/test")
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = editor.get(f"{path}/deliveries", params=params).json()
        assert page["metadata"]["pagination"]["total"] == 5
        seen += [one["delivery_id"] for one in page["data"]]
        if (cursor := page["metadata"]["pagination"]["nextCursor"]) is None:
            break
    assert len(seen) == len(set(seen)) == 5
    assert deliveries(editor, hook, status="failed") == []
    assert editor.get(f"{path}/deliveries", params={"cursor": "x"}).status_code == 400


def test_a_webhook_is_its_creators_and_any_admins(
    server: Stack,
    editor: httpx2.Client,
    viewer: httpx2.Client,
    admin: httpx2.Client,
    subscribe: Callable[..., dict[str, Any]],
) -> None:
    hook = subscribe()
    path = f"{PATH}/{hook['webhook_id']}"
    with server.client("editor", subject="somebody else") as other:
        for method, at in (
            ("GET", path),
            ("GET", f"{path}/deliveries"),
            ("POST", f"{path}/test"),
            ("POST", f"{path}/enable"),
            ("DELETE", path),
        ):
            assert other.request(method, at).status_code == 403
        assert other.get(PATH).json()["data"] == []
    assert viewer.post(PATH, json={"url": "https://x.example", "events": ENTITY}).status_code == 403
    (listed,) = [one for one in admin.get(PATH).json()["data"] if one["webhook_id"] == hook["webhook_id"]]
    assert "secret" not in listed
    assert "secret" not in editor.get(path).json()["data"]
    assert admin.delete(path).status_code == 204
    assert editor.get(path).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "ftp://x.example", "events": ENTITY}, "url"),
        ({"url": "https://user:password@x.example", "events": ENTITY}, "url"),
        ({"url": "https://x.example:99999/", "events": ENTITY}, "url"),
        ({"url": "https:///path", "events": ENTITY}, "url"),
        ({"url": "https://x.example", "events": []}, "events"),
        ({"url": "https://x.example", "events": ["entity.eaten"]}, "events[0]"),
        ({"url": "https://x.example", "events": ENTITY, "filter": {"show_id": str(uuid4())}}, "filter.show_id"),
        ({"url": "https://x.example", "events": ENTITY, "filter": {"entity_type": ["x"]}}, "filter.entity_type[0]"),
        ({"url": "https://x.example", "events": ENTITY, "filter": {"entity_type": "x"}}, "filter.entity_type"),
        ({"url": "https://x.example", "events": ENTITY, "secret": "x"}, "secret"),
        ({"url": "http://169.254.169.254/latest/meta-data", "events": ENTITY}, "url"),
        ({"url": "http://10.0.0.1/", "events": ENTITY}, "url"),
    ],
)
def test_what_cannot_be_is_refused_by_name(editor: httpx2.Client, body: dict[str, Any], field: str) -> None:
    answer = editor.post(PATH, json=body)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_the_log_holds_neither_the_secret_nor_the_path_of_a_url(
    server: Stack, receiver: Receiver, subscribe: Callable[..., dict[str, Any]]
) -> None:
    hook = subscribe(url=f"{receiver.url}/token-of-mine")
    ((after,),) = server.sql("select after from audit_log where entity_id = %s", hook["webhook_id"])
    assert "token-of-mine" not in json.dumps(after)
    assert hook["secret"] not in json.dumps(after)
    assert hook["secret"].startswith("whsec_")
