"""What goes wrong on the way to the broker, Redis or RabbitMQ: one list for who sends, who fetches and who asks."""

from typing import Final

import pika.exceptions
import redis
from pika.adapters.utils.connection_workflow import AMQPConnectorException

# pika has two families of errors: those of a connection, and those of one that does not come about.
AWAY: Final = (redis.RedisError, pika.exceptions.AMQPError, AMQPConnectorException, OSError)
