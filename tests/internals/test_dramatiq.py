"""What we lean on in Dramatiq, on a real Redis."""

import asyncio
import dataclasses
import inspect
from typing import Any
from uuid import uuid4

import dramatiq
import uvloop
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware.asyncio import AsyncIO

from pipeline.engine.broker import QuorumBroker
from pipeline.engine.messages import JobEncoder
from tests.internals.table import checks


class Channel:
    """Stands for RabbitMQ's, to see what is declared."""

    def __init__(self) -> None:
        self.declared: dict[str, dict[str, Any]] = {}

    def queue_declare(self, *, queue: str, durable: bool, arguments: dict[str, Any]) -> None:
        assert durable
        self.declared[queue] = arguments


@checks("acknowledged")
def test_redis_keeps_what_is_fetched_under_the_broker_until_it_is_acknowledged(services: dict[str, str]) -> None:
    name = uuid4().hex
    make: Any = RedisBroker
    broker = make(url=services["REDIS_URL"], namespace=name, middleware=[])
    broker.declare_queue("queue")
    message = broker.enqueue(dramatiq.Message("queue", "actor", (), {}, {}))
    message_id = message.options["redis_message_id"].encode()
    assert broker.client.llen(f"{name}:queue") == 1
    consumer = broker.consume("queue")
    fetched = next(consumer)
    assert broker.client.llen(f"{name}:queue") == 0
    assert broker.client.smembers(f"{name}:__acks__.{broker.broker_id}.queue") == {message_id}
    assert broker.client.hkeys(f"{name}:queue.msgs") == [message_id]
    told: list[tuple[str, str]] = []
    broker.do_ack = lambda queue, told_id: told.append((queue, told_id))
    consumer.ack(fetched)
    assert told == [("queue", message_id.decode())]
    broker._dispatch("ack")("queue", message_id)
    assert not broker.client.keys(f"{name}:queue*")
    assert not broker.client.keys(f"{name}:__acks__*")
    broker.client.delete(*broker.client.keys(f"{name}:*"))


@checks("queue arguments")
def test_rabbitmqs_queues_are_declared_with_our_arguments() -> None:
    channel = Channel()

    class Broker(QuorumBroker):
        @property
        def channel(self) -> Any:
            return channel

    broker: Any = Broker(url="amqp://127.0.0.1", middleware=[])
    broker._declare_queue("queue")
    ours, theirs = channel.declared["queue"], RabbitmqBroker._build_queue_arguments(broker, "queue")  # type: ignore[no-untyped-call]
    assert ours == {**theirs, "x-queue-type": "quorum"}
    assert theirs == {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "queue.XQ"}


@checks("message")
def test_a_message_is_made_of_what_our_encoder_gives() -> None:
    given = JobEncoder().decode(b"garbage")
    assert given.keys() == {field.name for field in dataclasses.fields(dramatiq.Message)}
    assert dramatiq.Message(**given).queue_name == given["queue_name"]
    assert "decode" in inspect.unwrap(dramatiq.Message.decode).__code__.co_names


@checks("prefetch")
def test_a_worker_fetches_as_many_messages_as_it_is_told_before_it_starts() -> None:
    broker = StubBroker(middleware=[])
    broker.declare_queue("queue")
    worker: Any = dramatiq.Worker(broker, worker_threads=1, worker_timeout=10)
    worker.queue_prefetch = 7
    worker.start()
    try:
        assert worker.consumers["queue"].prefetch == 7
    finally:
        worker.stop(timeout=1000)


@checks("event loop")
def test_the_event_loop_of_a_worker_is_made_by_the_policy_and_runs_once_the_middleware_has_booted() -> None:
    policy = asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    middleware, broker = AsyncIO(), StubBroker(middleware=[])
    try:
        middleware.before_worker_boot(broker, None)  # type: ignore[no-untyped-call]
        thread = get_event_loop_thread()
        assert thread is not None
        assert isinstance(thread.loop, uvloop.Loop)
        assert asyncio.run_coroutine_threadsafe(asyncio.sleep(0, "ran"), thread.loop).result(5) == "ran"
        middleware.after_worker_shutdown(broker, None)  # type: ignore[no-untyped-call]
    finally:
        asyncio.set_event_loop_policy(policy)
    assert get_event_loop_thread() is None
