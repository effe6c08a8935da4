"""A hint on the wire: the name of a stage and a job's id. Whatever else stands in the broker is read as no hint at all.

A broker is written to by whoever has its password. Dramatiq trusts what it reads: a message that it cannot decode
strands those fetched with it, one with another queue or without its id ends the thread that runs it.
"""

from typing import Final, Literal
from uuid import UUID, uuid4

import msgspec
from dramatiq.encoder import JSONEncoder, MessageData

from models.jobs.types import Stage

QUEUE: Final = "pipeline"
NO_JOB: Final = ""  # what an actor is told by a message that is no hint


class _Options(msgspec.Struct):
    redis_message_id: str = ""


class _Hint(msgspec.Struct):
    queue_name: Literal["pipeline"]
    actor_name: Stage
    args: tuple[UUID]
    options: _Options


class HintEncoder(JSONEncoder):
    """Dramatiq's own JSON, of which only what makes a hint is read."""

    def decode(self, data: bytes) -> MessageData:
        """The message of a hint, with nothing in it that its sender could choose beside a stage and an id."""
        try:
            hint = msgspec.json.decode(data, type=_Hint)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _message("ingest", NO_JOB, "")
        return _message(hint.actor_name, str(hint.args[0]), hint.options.redis_message_id)


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
