"""The broker and its middleware, listed top to bottom.

It carries messages only, each a job's id; PostgreSQL knows what is to be done. So there are no retries here, no results
and no pipelines of Dramatiq's own: those lose messages when the broker fails at the wrong moment.
"""

from typing import Any, Final

import structlog
from dramatiq import Broker, get_encoder, set_encoder
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import BrokerError
from dramatiq.middleware import Middleware
from dramatiq.middleware.asyncio import AsyncIO

from models.broker_errors import AWAY
from models.settings import Settings
from pipeline.engine.messages import QUEUE, JobEncoder

log = structlog.get_logger()

NAMESPACE: Final = "episodes"
TROUBLE: Final = (*AWAY, BrokerError)


class JobBroker(RedisBroker):
    """Redis, in which nothing stays of what was fetched and names no job.

    Dramatiq acknowledges a message by the id that stands in it. Where it is garbage or a forgery that is none, or
    another's, and its own would stay among what is at work, to be fetched again once this worker is dead.
    """

    def do_ack(self, queue_name: str, told_id: str) -> None:
        """Acknowledge a message."""
        if not self.client.sismember(self._at_work(queue_name), told_id):
            self._drop_forgeries(queue_name)
        self._acknowledge(queue_name, told_id)

    def _drop_forgeries(self, queue_name: str) -> None:
        """Acknowledge what does not tell the id that it has."""
        dropped = 0
        for known_id in self.client.smembers(self._at_work(queue_name)):
            body: Any = self.client.hget(f"{NAMESPACE}:{queue_name}.msgs", known_id)
            told_id = get_encoder().decode(body or b"")["options"]["redis_message_id"]
            if told_id.encode() != known_id:
                self._acknowledge(queue_name, known_id)
                dropped += 1
        if dropped:
            log.warning("messages that named no job are dropped", number=dropped)

    def _acknowledge(self, queue_name: str, message_id: str | bytes) -> None:
        self._dispatch("ack")(queue_name, message_id)  # type: ignore[no-untyped-call]  # the package leaves it untyped

    def _at_work(self, queue_name: str) -> str:
        """The key under which Dramatiq keeps the ids of what this process has fetched."""
        return f"{NAMESPACE}:__acks__.{self.broker_id}.{queue_name}"


class QuorumBroker(RabbitmqBroker):
    """RabbitMQ with queues that several of its nodes hold."""

    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        arguments = super()._build_queue_arguments(queue_name)  # type: ignore[no-untyped-call]  # the package leaves it untyped
        return {**arguments, "x-queue-type": "quorum"}


def make_broker(settings: Settings, *middleware: Middleware) -> Broker:
    """The broker of ``BROKER_URL``; nothing is sent or fetched yet."""
    set_encoder(JobEncoder())
    layers = [
        AsyncIO(),  # one event loop a process, which runs every stage
        *middleware,
    ]
    broker: Broker
    if settings.on_rabbitmq:
        broker = QuorumBroker(url=settings.broker, confirm_delivery=True, middleware=layers)
    else:
        broker = JobBroker(url=settings.broker, namespace=NAMESPACE, middleware=layers)  # type: ignore[no-untyped-call]  # the package leaves its constructor untyped
    broker.declare_queue(QUEUE)
    return broker


def waiting(broker: Broker) -> int:
    """How many messages wait in the broker; not those that a worker has fetched, which may be dead by now."""
    if isinstance(broker, RedisBroker):
        return int(broker.client.llen(f"{NAMESPACE}:{QUEUE}"))
    assert isinstance(broker, RabbitmqBroker)  # noqa: S101  (there are these two)
    broker.declare_queue(QUEUE, ensure=True)
    return int(broker.get_queue_message_counts(QUEUE)[0])
