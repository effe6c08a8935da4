"""How it ended for one file."""

from typing import Literal

import msgspec

Outcome = Literal["stored", "duplicate", "failed", "cancelled"]


class Why(msgspec.Struct, frozen=True):
    """Why a file failed: a code of the API's, or one of ours, and a sentence for a production assistant."""

    code: str
    message: str


class Original(msgspec.Struct, frozen=True):
    """What already holds the same bytes; ``deleted`` if it lies in the trash."""

    entity_type: str
    entity_id: str
    file_reference: str | None = None
    deleted: bool = False


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


class FileFailed(Exception):
    """This file cannot be ingested; the others go on."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.why = Why(code, message)
