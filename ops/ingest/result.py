"""How it ended for one file."""

from typing import Literal

import msgspec

from ops.client.errors import Why
from ops.client.jobs import Original

Outcome = Literal["stored", "duplicate", "failed", "cancelled"]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The end of one file. ``seconds`` is work, upload and pipeline, without the time spent in line.

    ``empty`` says that the entity was created for this file and shows nothing.
    """

    file: str
    outcome: Outcome
    entity_type: str
    entity_id: str | None = None
    job_id: str | None = None
    batch_id: str | None = None
    seconds: float = 0.0
    error: Why | None = None
    duplicate_of: Original | None = None
    empty: bool = False
