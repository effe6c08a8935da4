"""The broker and its middleware, listed top to bottom.

It carries hints only, each a job's id; PostgreSQL knows what is to be done. So there are no retries here, no results
and no pipelines of Dramatiq's own: those lose messages when the broker fails at the wrong moment.
"""

from typing import Final

from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Middleware
from dramatiq.middleware.asyncio import AsyncIO

from models.settings import Settings

QUEUE: Final = "pipeline"
NAMESPACE: Final = "episodes"


def make_broker(settings: Settings, *middleware: Middleware) -> RedisBroker:
    """The broker of ``BROKER_URL``; nothing is sent or fetched yet."""
    broker = RedisBroker(  # type: ignore[no-untyped-call]  # the package leaves its constructor untyped
        url=settings.broker,
        namespace=NAMESPACE,
        middleware=[
            AsyncIO(),  # one event loop a process, which runs every stage
            *middleware,
        ],
    )
    broker.declare_queue(QUEUE)
    return broker


def depth(broker: RedisBroker) -> int:
    """How many hints the broker holds, those that a worker has fetched but not ended too."""
    return int(broker.do_qsize(QUEUE))
