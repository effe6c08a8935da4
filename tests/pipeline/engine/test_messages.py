"""What stands in the broker and names no job is dropped by the worker that fetches it."""

from collections.abc import Callable
from uuid import uuid4

import redis

from pipeline.engine.broker import NAMESPACE
from pipeline.engine.messages import QUEUE
from tests import media, work
from tests.chaos.brokers import Message, message
from tests.eventually import eventually
from tests.stack import Stack


def telling(known_id: str) -> Message:
    """A message that tells another id than its own."""
    return message(str(uuid4()), options={"redis_message_id": known_id})


def test_garbage_unknown_actors_and_forged_ids_do_not_stay_in_redis(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack()
    stack.start()
    unknown, garbage = message(str(uuid4()), actor="shutdown"), (str(uuid4()), b"\x00\xff garbage")
    forged = [unknown, telling(""), telling(str(uuid4())), garbage]
    with redis.Redis.from_url(stack.environ["REDIS_URL"]) as queue:
        for known_id, body in forged:
            queue.hset(f"{NAMESPACE}:{QUEUE}.msgs", known_id, body)
            queue.rpush(f"{NAMESPACE}:{QUEUE}", known_id)
        queue.rpush(f"{NAMESPACE}:{QUEUE}", "an id without a message")
        left = (f"{NAMESPACE}:{QUEUE}*", f"{NAMESPACE}:__acks__*")
        with stack.client() as client:
            assert work.ended(client, work.post(client, work.upload(client, media.jpeg())))["status"] == "succeeded"
        eventually(lambda: not any(queue.keys(pattern) for pattern in left), within=20)
    assert "messages that named no job are dropped" in stack.log("worker")
