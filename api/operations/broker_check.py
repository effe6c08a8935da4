"""Whether the broker answers: the API sends it nothing, but jobs wait where it is away."""

import asyncio

import pika
import redis.asyncio

from models import broker_errors
from models.errors import Unavailable
from models.settings import Settings

PATIENCE_SECONDS = 2


class Broker:
    """The broker of ``BROKER_URL``, as a health check sees it."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.broker
        self._redis = None if settings.on_rabbitmq else _redis(settings.broker)

    async def ping(self) -> None:
        """One round trip; to RabbitMQ a connection of its own.

        Raises:
            Unavailable
        """
        try:
            await (self._redis.ping() if self._redis else asyncio.to_thread(_greet, self._url))
        except broker_errors.AWAY:
            raise Unavailable("the broker does not answer") from None

    async def aclose(self) -> None:
        """Let go of the connections."""
        if self._redis:
            await self._redis.aclose()


def _redis(url: str) -> "redis.asyncio.Redis":
    patience = PATIENCE_SECONDS
    return redis.asyncio.Redis.from_url(url, socket_timeout=patience, socket_connect_timeout=patience)


def _greet(url: str) -> None:
    parameters = pika.URLParameters(url)
    parameters.socket_timeout = parameters.stack_timeout = parameters.blocked_connection_timeout = PATIENCE_SECONDS
    pika.BlockingConnection(parameters).close()
