"""Whether a job can be: what it is for lives, its role fits, its file is in one of our buckets."""

from typing import Any
from uuid import UUID

from msgspec import convert

from api.http.envelope import ErrorEntry
from api.http.validation import value_errors
from models.db.connection import Connection
from models.errors import Invalid
from models.jobs import targets
from models.jobs.types import NewJob
from models.media import references
from models.media.limits import roles
from models.media.s3 import Storage


def read(item: dict[str, Any]) -> NewJob | ErrorEntry:
    """One item of a list of jobs, or the first thing that is wrong with it."""
    wrong = value_errors(item, NewJob)
    return wrong[0] if wrong else convert(item, NewJob)


async def judge(db: Connection, files: Storage, wanted: list[NewJob]) -> list[ErrorEntry | None]:
    """Why each job cannot be, or None; roles left out are filled in."""
    alive: set[tuple[str, UUID]] = set()
    for entity_type in {job.entity_type for job in wanted}:
        ids = {job.entity_id for job in wanted if job.entity_type == entity_type}
        alive |= {(entity_type, found) for found in await targets.living(db, entity_type, ids)}
    return [_wrong(job, files, (job.entity_type, job.entity_id) in alive) for job in wanted]


def _wrong(job: NewJob, files: Storage, alive: bool) -> ErrorEntry | None:
    try:
        _check(job, files, alive)
    except Invalid as error:
        return ErrorEntry(error.code, error.message, error.field)
    return None


def _check(job: NewJob, files: Storage, alive: bool) -> None:
    allowed = roles(job.entity_type)
    if job.role == "primary":
        job.role = allowed[0]
    if job.role not in allowed:
        raise Invalid(f"a file of {job.entity_type} has the role {' or '.join(allowed)}", field="role")
    if references.parse(job.source_reference).bucket not in files.buckets:
        raise Invalid(
            f"only objects in {' and '.join(sorted(files.buckets))} can be ingested", field="source_reference"
        )
    if not alive:
        raise Invalid(f"there is no {job.entity_type.replace('_', ' ')} {job.entity_id}", field="entity_id")
