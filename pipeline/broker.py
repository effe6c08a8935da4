"""The broker and its middleware, listed top to bottom.

It carries hints only, each a job's id; PostgreSQL knows what is to be done. So there are no retries here, no results
and no pipelines of Dramatiq's own: those lose messages when the broker fails at the wrong moment.
"""

from typing import Any, Final

import pika.exceptions
import redis
from dramatiq import Broker, set_encoder
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import BrokerError
from dramatiq.middleware import Middleware
from dramatiq.middleware.asyncio import AsyncIO

from models.settings import Settings
from pipeline.hints import QUEUE, HintEncoder

NAMESPACE: Final = "episodes"
TROUBLE: Final = (redis.RedisError, pika.exceptions.AMQPError, BrokerError, OSError)


class QuorumBroker(RabbitmqBroker):
    """RabbitMQ with queues that several of its nodes hold."""

    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        arguments = super()._build_queue_arguments(queue_name)  # type: ignore[no-untyped-call]  # the package leaves it untyped
        return {**arguments, "x-queue-type": "quorum"}


def make_broker(settings: Settings, *middleware: Middleware) -> Broker:
    """The broker of ``BROKER_URL``; nothing is sent or fetched yet."""
    set_encoder(HintEncoder())
    layers = [
        AsyncIO(),  # one event loop a process, which runs every stage
        *middleware,
    ]
    broker: Broker
    if settings.on_rabbitmq:
        broker = QuorumBroker(url=settings.broker, confirm_delivery=True, middleware=layers)
    else:
        broker = RedisBroker(url=settings.broker, namespace=NAMESPACE, middleware=layers)  # type: ignore[no-untyped-call]  # the package leaves its constructor untyped
    broker.declare_queue(QUEUE)
    return broker


def waiting(broker: Broker) -> int:
    """How many hints wait in the broker; not those that a worker has fetched, which may be dead by now."""
    if isinstance(broker, RedisBroker):
        return int(broker.client.llen(f"{NAMESPACE}:{QUEUE}"))
    assert isinstance(broker, RabbitmqBroker)  # noqa: S101  (there are these two)
    broker.declare_queue(QUEUE, ensure=True)
    return int(broker.get_queue_message_counts(QUEUE)[0])
