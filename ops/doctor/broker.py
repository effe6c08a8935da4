"""Redis or RabbitMQ: reach, version, and whether a full Redis would lose messages."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from models import broker_errors
from models.settings import Settings
from ops.doctor.finding import Finding, sentence

AREA: Final = "broker"
PATIENCE_SECONDS: Final = 5.0
OLDEST: Final = 7  # of Redis and Valkey


def check(settings: Settings) -> Iterator[Finding]:
    """What messages travel by."""
    where = urlsplit(settings.broker).netloc.rpartition("@")[2] or urlsplit(settings.broker).path
    try:
        yield from _rabbitmq(settings.broker, where) if settings.on_rabbitmq else _redis(settings.broker, where)
    except broker_errors.AWAY as error:
        name = "BROKER_URL" if settings.broker_url else "REDIS_URL"
        yield Finding(AREA, "wrong", f"no connection to {where}: {sentence(error)}", f"check {name} and the server")


def _redis(url: str, where: str) -> Iterator[Finding]:
    import redis

    patience = PATIENCE_SECONDS
    with redis.Redis.from_url(url, socket_timeout=patience, socket_connect_timeout=patience) as client:
        told = client.info("server")
        name = "Valkey" if "valkey_version" in told else "Redis"
        version = str(told.get("valkey_version") or told["redis_version"])
        fit = int(version.partition(".")[0]) >= OLDEST
        mend = None if fit else f"upgrade it to {OLDEST} or newer"
        yield Finding(AREA, "good" if fit else "wrong", f"{name} {version} at {where}", mend)
        yield _eviction(str(client.info("memory").get("maxmemory_policy", "noeviction")))


def _eviction(policy: str) -> Finding:
    if policy == "noeviction":
        return Finding(AREA, "good", "a full broker refuses messages and keeps those it has")
    what = f"a full broker throws messages away (maxmemory-policy {policy}); their jobs wait until they are sent again"
    return Finding(AREA, "warning", what, "set maxmemory-policy noeviction")


def _rabbitmq(url: str, where: str) -> Iterator[Finding]:
    import pika

    parameters = pika.URLParameters(url)
    parameters.socket_timeout = parameters.stack_timeout = parameters.blocked_connection_timeout = PATIENCE_SECONDS
    pika.BlockingConnection(parameters).close()
    yield Finding(AREA, "good", f"RabbitMQ at {where}")
