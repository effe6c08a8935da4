"""``episodes webhooks`` and ``episodes keys``: made, tested, looked at, repeated, taken away."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.command_line import episodes
from tests.eventually import eventually
from tests.receivers import Receiver
from tests.stack import PLAIN, Stack


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Takes whatever it is sent."""
    with Receiver() as running:
        yield running


def said(server: Stack, *args: str, code: int = 0) -> Any:
    """What a command says as JSON."""
    done = episodes(server.environ, *args, "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_a_webhook_is_made_tested_looked_at_repeated_and_removed(server: Stack, receiver: Receiver) -> None:
    made = said(server, "webhooks", "add", receiver.url, "--event", "job.failed", "--event", "batch.ended")
    hook = made["webhook_id"]
    assert made["secret"].startswith("whsec_")
    assert made["events"] == ["job.failed", "batch.ended"]
    delivery = said(server, "webhooks", "test", hook)
    assert (delivery["event"], delivery["status"], len(receiver.received)) == ("webhook.test", "succeeded", 1)
    said(server, "webhooks", "retry", hook, delivery["delivery_id"])
    receiver.wait_for(2)

    def repeated() -> list[Any]:
        return [one for one in said(server, "webhooks", "deliveries", hook) if len(one["attempts"]) > 1]

    (listed,) = eventually(repeated)
    assert listed["delivery_id"] == delivery["delivery_id"]
    assert hook in [one["webhook_id"] for one in said(server, "webhooks", "list")]
    assert said(server, "webhooks", "show", hook)["url"] == receiver.url
    assert "secret" not in said(server, "webhooks", "show", hook)
    assert episodes(server.environ, "webhooks", "remove", hook).returncode == 0
    gone = episodes(server.environ, "webhooks", "show", hook)
    assert (gone.returncode, "there is no" in gone.stderr) == (1, True)


def test_a_test_that_does_not_arrive_says_why(server: Stack, receiver: Receiver) -> None:
    receiver.answer = 500
    hook = said(server, "webhooks", "add", receiver.url, "--event", "entity.*", "--entity-type", "clip")["webhook_id"]
    done = episodes(server.environ, "webhooks", "test", hook)
    assert (done.returncode, "the receiver answered 500" in done.stdout) == (1, True)
    for table in (("list",), ("show", hook), ("deliveries", hook)):
        shown = episodes(server.environ, "webhooks", *table)
        assert (shown.returncode, hook in shown.stdout or "webhook.test" in shown.stdout) == (0, True), table
    on = episodes(server.environ, "webhooks", "enable", hook)
    assert (on.returncode, "episodes: " in on.stderr) == (1, True)
    episodes(server.environ, "webhooks", "remove", hook)


def test_what_is_wrong_with_a_webhook_is_told(server: Stack) -> None:
    for args in ((), ("not-a-url", "--event", "job.failed"), ("http://127.0.0.1:1", "--event", "job.eaten")):
        assert episodes(server.environ, "webhooks", "add", *args).returncode != 0


def test_a_key_is_made_for_a_while_listed_used_and_taken_back(server: Stack) -> None:
    name = f"night run {uuid4()}"
    done = episodes(server.environ, "keys", "add", name, "--role", "viewer", "--for", "30d", "--network", "127.0.0.0/8")
    key = done.stdout.strip()
    headers = {"Authorization": f"Bearer {key}"}
    assert httpx2.get(f"{server.url}/api/v1/shows", headers=headers, **PLAIN).status_code == 200
    (found,) = [one for one in said(server, "keys", "list") if one["name"] == name]
    assert (found["role"], found["network"], found["revoked_at"]) == ("viewer", "127.0.0.0/8", None)
    assert key not in episodes(server.environ, "keys", "list").stdout
    assert episodes(server.environ, "keys", "revoke", found["key_id"]).returncode == 0
    eventually(lambda: httpx2.get(f"{server.url}/api/v1/shows", headers=headers, **PLAIN).status_code == 401)
    refused = episodes(server.environ, "keys", "add", name, "--role", "viewer", "--for", "3w", "--until", "2030-01-01")
    assert (refused.returncode, "not both" in refused.stderr) == (1, True)
