"""Redis and RabbitMQ as somebody who can do everything with them: what may stand in them, and what may befall them."""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Protocol
from uuid import uuid4

import pika
import redis

from ops.stack.services import Services
from tests.rabbitmq import RabbitMQ

QUEUE: Final = "episodes:pipeline"  # in Redis
Message = tuple[str, str | bytes]  # its id in Redis, and what it says


class Broker(Protocol):
    """What carries the messages."""

    def put(self, messages: Sequence[Message]) -> None:
        """Put messages into the queue."""

    def purge(self) -> None:
        """All that waits is gone."""

    def away(self) -> AbstractContextManager[None]:
        """It is gone, and comes back with nothing in it."""

    def frozen(self) -> AbstractContextManager[None]:
        """It neither answers nor refuses."""

    def full(self) -> AbstractContextManager[None]:
        """It takes nothing more."""


class Redis:
    """The Redis of services that are ours to break; the messages are in the database that the URL names."""

    def __init__(self, own: Services, url: str) -> None:
        assert own.redis is not None
        self._own = own
        self._process = own.redis
        self._client = redis.Redis.from_url(url)

    def put(self, messages: Sequence[Message]) -> None:
        for redis_id, body in messages:
            self._client.hset(f"{QUEUE}.msgs", redis_id, body)
            self._client.rpush(QUEUE, redis_id)

    def purge(self) -> None:
        self._client.flushall()

    @contextmanager
    def away(self) -> Iterator[None]:
        self._process.stop()
        shutil.rmtree(self._own.home / "valkey" / "appendonlydir", ignore_errors=True)
        try:
            yield
        finally:
            self._process.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    @contextmanager
    def full(self) -> Iterator[None]:
        self._client.config_set("maxmemory", "1")
        try:
            yield
        finally:
            self._client.config_set("maxmemory", "0")


class Rabbit:
    """A RabbitMQ server that is ours to break; the messages are in the virtual host that the URL names."""

    def __init__(self, server: RabbitMQ, url: str) -> None:
        self._server = server
        self._url = url

    def put(self, messages: Sequence[Message]) -> None:
        with pika.BlockingConnection(pika.URLParameters(self._url)) as connection:
            channel = connection.channel()
            for _, body in messages:
                channel.basic_publish("", "pipeline", body if isinstance(body, bytes) else body.encode())

    def purge(self) -> None:
        with pika.BlockingConnection(pika.URLParameters(self._url)) as connection:
            connection.channel().queue_purge("pipeline")

    @contextmanager
    def away(self) -> Iterator[None]:
        self._server.stop()
        shutil.rmtree(self._server.data)
        try:
            yield
        finally:
            self._server.start(within=120)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        assert self._server.pid is not None
        os.killpg(self._server.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._server.pid, signal.SIGCONT)

    @contextmanager
    def full(self) -> Iterator[None]:
        self._server.control("set_vm_memory_high_watermark", "0")  # any use of memory is too much: the alarm goes off
        try:
            yield
        finally:
            self._server.control("set_vm_memory_high_watermark", "0.4")


def message(job_id: object, actor: str = "ingest", **more: object) -> Message:
    """A message as Dramatiq writes it."""
    redis_id = str(uuid4())
    body = {
        "queue_name": "pipeline",
        "actor_name": actor,
        "args": [job_id],
        "kwargs": {},
        "options": {"redis_message_id": redis_id},
        "message_id": str(uuid4()),
        "message_timestamp": int(time.time() * 1000),
    }
    return redis_id, json.dumps(body | more)


def forgeries() -> list[Message]:
    """What somebody who can write to the broker may put there."""
    names = {"redis_message_id": str(uuid4())}
    deep = '{"args":' + "[" * 100_000
    return [
        (str(uuid4()), b"\x00\xff garbage"),
        (str(uuid4()), "[]"),
        (str(uuid4()), "null"),
        (str(uuid4()), deep),
        message(str(uuid4()), actor="shutdown"),
        message(str(uuid4()), actor="thumbnail"),
        message("'; drop table ingest_jobs; --"),
        message({"job": 1}),
        message(str(uuid4()), args=[]),
        message(str(uuid4()), args=[str(uuid4())] * 7),
        message(str(uuid4()), kwargs={"force": True}),
        message(str(uuid4()), options={}),
        message(str(uuid4()), options=names | {"eta": "soon"}),
        message(str(uuid4()), options=names | {"eta": 2**62}),
        message(str(uuid4()), options=names | {"pipe_target": {"actor": "index"}}),
        message(str(uuid4()), queue_name="another"),
        message(str(uuid4()), message_id=[1]),
        message("x" * 10_000_000),
        (str(uuid4()), b"\xff" * 10_000_000),
    ]
