"""Job messages: the name of a stage and a job's id. Whatever else stands in the broker is read as no job at all.

A broker is written to by whoever has its password. Dramatiq trusts what it reads: a message that it cannot decode
strands those fetched with it, one with another queue or without its id ends the thread that runs it.
"""

from typing import Final, Literal
from uuid import UUID, uuid4

import msgspec
from dramatiq.encoder import JSONEncoder, MessageData

from models.jobs.types import Stage

QUEUE: Final = "pipeline"
NO_JOB: Final = ""  # what an actor is told by a message that names no job


class _Options(msgspec.Struct):
    redis_message_id: str = ""


class _JobMessage(msgspec.Struct):
    queue_name: Literal["pipeline"]
    actor_name: Stage
    args: tuple[UUID]
    options: _Options


class JobEncoder(JSONEncoder):
    """Dramatiq's own JSON, of which only what names a job is read."""

    def decode(self, data: bytes) -> MessageData:
        """The message of a job, with nothing in it that its sender could choose beside a stage and an id."""
        try:
            message = msgspec.json.decode(data, type=_JobMessage)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _message("ingest", NO_JOB, "")
        return _message(message.actor_name, str(message.args[0]), message.options.redis_message_id)


def _message(actor: Stage, job_id: str, redis_message_id: str) -> MessageData:
    return {
        "queue_name": QUEUE,
        "actor_name": actor,
        "args": [job_id],
        "kwargs": {},
        "options": {"redis_message_id": redis_message_id},
        "message_id": str(uuid4()),
        "message_timestamp": 0,
    }
