"""RabbitMQ carries the messages as Redis does; what it forgets is sent again."""

from collections.abc import Iterator

import httpx2
import pika
import pytest

from tests import media, work
from tests.eventually import eventually
from tests.rabbitmq import SERVER, RabbitMQ
from tests.stack import Stack, running

pytestmark = pytest.mark.skipif(not SERVER.exists(), reason="RabbitMQ is not installed (Debian: rabbitmq-server)")


@pytest.fixture(scope="module")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """A server for the tests of this module."""
    server = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"))
    server.start(within=60)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def stack(rabbitmq: RabbitMQ, services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose messages it carries."""
    with running(services, tmp_path_factory.mktemp("on-rabbitmq"), BROKER_URL=rabbitmq.url) as made:
        yield made


def test_a_file_goes_through_the_whole_pipeline(stack: Stack, rabbitmq: RabbitMQ) -> None:
    with stack.client() as client:
        job = work.ingested(client, work.unique(media.jpeg()))
        assert (job["status"], job["outcome"]) == ("succeeded", "stored")
    with pika.BlockingConnection(pika.URLParameters(rabbitmq.url)) as connection:
        channel = connection.channel()
        channel.queue_declare("pipeline", durable=True, arguments=_declared())  # refused if it were no quorum queue


def _declared() -> dict[str, str]:
    return {
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "pipeline.XQ",
        "x-queue-type": "quorum",
    }


def test_a_job_whose_message_was_lost_still_ends(stack: Stack, rabbitmq: RabbitMQ) -> None:
    with stack.client() as client:
        stack.worker.stop()
        job = work.post(client, work.upload(client, work.unique(media.jpeg())))
        with pika.BlockingConnection(pika.URLParameters(rabbitmq.url)) as connection:
            channel = connection.channel()
            eventually(lambda: channel.queue_purge("pipeline").method.message_count)
        stack.worker.start()
        assert work.ended(client, job, within=60)["status"] == "succeeded"


def test_while_it_is_away_jobs_are_taken_and_wait(stack: Stack, rabbitmq: RabbitMQ) -> None:
    with stack.client() as client:
        reference = work.upload(client, work.unique(media.jpeg()))
        rabbitmq.stop()
        try:
            assert broker_is(client, "down")
            job = work.post(client, reference)
            assert job["status"] == "queued"
        finally:
            rabbitmq.start(within=60)
        assert work.ended(client, job, within=60)["status"] == "succeeded"
        assert broker_is(client, "up")


def broker_is(client: httpx2.Client, state: str) -> bool:
    """Whether the health check says so of the broker, within a while."""

    def look() -> bool:
        return str(client.get("/health/ready").json()["data"]["broker"]["state"]) == state

    return eventually(look, 30)
