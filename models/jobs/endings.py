"""How a stage ends: what it returns, and the one function that writes it, where the job is still ours.

The end of a stage and the claim of the next one are one statement, so no worker lets go of a job between its stages.
"""

import random
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct, json

from models.db import connection as db
from models.db.connection import Connection
from models.errors import JobError, Rejected
from models.jobs import poison
from models.jobs.claims import CLAIMED_COLUMNS, Claimed, Holder
from models.jobs.pauses import PAUSED
from models.jobs.predicates import MAX_ATTEMPTS, MINE
from models.jobs.types import CHAINS, DuplicateOf, Outcome, Stage
from models.media import files
from models.media.types import Media

RETRY_PAUSES: Final = (2.0, 15.0)  # seconds before the second and the third attempt, each jittered by half
POSTPONE_SECONDS: Final = 2.0  # how long a job waits for another's file unless that one wakes it


class Probed(Struct):
    """What the ingest stage learns of a file."""

    sha256: str
    file_size: int
    media: Media
    source_etag: str


class Deduplicated(Struct):
    """What deduplication decided."""

    outcome: Outcome
    duplicate_of: DuplicateOf | None = None


class Advanced(Struct, frozen=True):
    """The stage is done and the next one of the chain begins, with what was learned."""

    learned: Probed | Deduplicated | None = None


class Succeeded(Struct, frozen=True):
    """The last stage is done, and the job with it."""


class Failed(Struct, frozen=True):
    """The stage did not do its work: it is tried again after so many seconds, or the job has failed where that is None.

    The error stays visible until the stage begins again.
    """

    error: JobError
    retry_seconds: float | None = None


class Postponed(Struct, frozen=True):
    """The stage is put off as if it had not begun: it waits for another job, or another process, not for luck."""

    seconds: float = POSTPONE_SECONDS


Ending = Advanced | Succeeded | Failed | Postponed


class Ended(Struct, frozen=True):
    """That an ending was written; ``following`` is the next stage where this worker holds it already."""

    following: Claimed | None = None


def failed(claimed: Claimed, error: JobError) -> Failed:
    """The ending of an attempt that met an error: final where it is the input's fault, or the third of its kind."""
    if isinstance(error, Rejected) or claimed.attempts >= MAX_ATTEMPTS:
        return Failed(error)
    return Failed(error, RETRY_PAUSES[claimed.attempts - 1] * random.uniform(0.5, 1.5))  # noqa: S311  (jitter)


async def end(connection: Connection, claimed: Claimed, ending: Ending, holder: Holder) -> Ended | None:
    """Write how a stage ended; None, and nothing is written, where the job is no longer ours."""
    match ending:
        case Advanced(learned):
            return await _advance(connection, claimed, learned, holder)
        case Failed(error, None):
            async with connection.transaction():
                return await _fail(connection, claimed, error)
        case Failed(error, seconds):
            return await _write(connection, _PUT_OFF, claimed, **_said(error), seconds=seconds)
        case Postponed(seconds):
            return await _write(connection, _POSTPONED, claimed, seconds=seconds)
        case Succeeded():
            return await _write(connection, _SUCCEEDED, claimed)


async def _write(connection: Connection, query: bytes, claimed: Claimed, **params: Any) -> Ended | None:
    params |= {"job_id": claimed.job_id, "fence": claimed.fence}
    return Ended() if await db.value(connection, query, params) else None


def _ended(sets: str, attempt: str) -> bytes:
    """The statement that ends an attempt: what it sets of the job, and what becomes of the attempt's own row."""
    return f"""
        with ended as (
            update ingest_jobs as job set {sets}, lease_expires_at = null where {MINE} returning job_id, fence
        ), reported as (
            {attempt} where attempt.job_id = ended.job_id and attempt.fence = ended.fence
        )
        select true from ended
    """.encode()


_ERROR: Final = "error_code = %(code)s, error_message = %(message)s"
_LATER: Final = "status = 'queued', run_at = clock_timestamp() + make_interval(secs => %(seconds)s)"
_SUCCEEDED: Final = _ended(
    "status = 'succeeded', finished_at = clock_timestamp()",
    "update ingest_attempts as attempt set finished_at = clock_timestamp(), result = 'succeeded' from ended",
)
_REPORTED: Final = f"""
    update ingest_attempts as attempt set finished_at = clock_timestamp(), result = 'failed', {_ERROR} from ended
"""
_PUT_OFF: Final = _ended(f"{_LATER}, {_ERROR}", _REPORTED)
_FAILED: Final = _ended(
    f"""status = 'failed', finished_at = clock_timestamp(), outcome = null, {_ERROR},
        sha256 = coalesce(%(sha256)s, sha256), file_size = coalesce(%(size)s, file_size)""",
    _REPORTED,
)
_POSTPONED: Final = _ended(f"{_LATER}, attempts = attempts - 1", "delete from ingest_attempts as attempt using ended")


def _said(error: JobError) -> dict[str, Any]:
    return {"code": error.code, "message": error.message}


async def _fail(connection: Connection, claimed: Claimed, error: JobError) -> Ended | None:
    """The error stays until somebody retries the job; whoever waits for its content may have it."""
    sha256, size = error.content or (None, None)
    ended = await _write(connection, _FAILED, claimed, **_said(error), sha256=sha256, size=size)
    if ended:
        await files.release(connection, claimed.job_id)
        await poison.remember(connection, sha256 or claimed.sha256, error, claimed.job_id)
    return ended


async def _advance(
    connection: Connection, claimed: Claimed, learned: Probed | Deduplicated | None, holder: Holder
) -> Ended | None:
    """Where the next stage is paused it has no attempts: it waits in the queue."""
    params = _learned(learned) | {"job_id": claimed.job_id, "fence": claimed.fence, "stage": _following(claimed)}
    params |= {"priority": claimed.priority, "worker": holder.worker, "lease": holder.lease_seconds}
    following = await db.row(connection, Claimed, _ADVANCED[type(learned)], params)
    return Ended(following if following.attempts else None) if following else None


def _following(claimed: Claimed) -> Stage:
    chain = CHAINS[claimed.kind]
    return chain[chain.index(claimed.stage) + 1]


def _learned(learned: Probed | Deduplicated | None) -> dict[str, Any]:
    if isinstance(learned, Probed):
        media = json.encode(learned.media).decode()
        return {"sha256": learned.sha256, "size": learned.file_size, "media": media, "etag": learned.source_etag}
    if isinstance(learned, Deduplicated):
        of = json.encode(learned.duplicate_of).decode() if learned.duplicate_of else None
        return {"outcome": learned.outcome, "of": of}
    return {}


def _advanced(sets: str = "") -> bytes:
    return f"""
        with pause as materialized (
            select {PAUSED.format(priority="%(priority)s", stage="%(stage)s")} as holds
        ), claimed as (
            update ingest_jobs as job
            set stage = %(stage)s, fence = fence + 1, {sets}
                status = case when holds then 'queued' else 'running' end, attempts = case when holds then 0 else 1 end,
                lease_expires_at = case when not holds then clock_timestamp() + make_interval(secs => %(lease)s) end
            from pause where {MINE} returning job.*, holds
        ), ended as (
            update ingest_attempts as attempt set finished_at = clock_timestamp(), result = 'succeeded'
            from claimed where attempt.job_id = claimed.job_id and attempt.fence = %(fence)s
        ), begun as (
            insert into ingest_attempts (job_id, fence, stage, attempt, worker)
            select job_id, fence, stage, attempts, %(worker)s from claimed where not holds
        )
        select {CLAIMED_COLUMNS} from claimed
    """.encode()


_ADVANCED: Final[Mapping[type, bytes]] = {
    Probed: _advanced("sha256 = %(sha256)s, file_size = %(size)s, media = %(media)s::jsonb, source_etag = %(etag)s,"),
    Deduplicated: _advanced("outcome = %(outcome)s, duplicate_of = %(of)s::jsonb,"),
    type(None): _advanced(),
}
