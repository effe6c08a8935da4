"""What a job is and how it is told: kinds, stages, statuses, and the chain of each kind."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from models.db.fields import FileName, ObjectReference, Sha256
from models.entities import EntityType, FileRole
from models.errors import ErrorCode

JobKind = Literal["ingest", "reprocess", "housekeeping"]


Stage = Literal["ingest", "deduplicate", "thumbnail", "index", "housekeeping"]


Subject = Literal[EntityType, "housekeeping"]  # what a job is for: an entity, or a task of ours


Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]


StageStatus = Literal["pending", "queued", "running", "succeeded", "failed", "cancelled", "skipped"]


OnDuplicate = Literal["link", "reject", "keep"]


Priority = Literal["interactive", "batch", "backfill"]


Outcome = Literal["stored", "duplicate"]
AttemptResult = Literal["succeeded", "failed", "lost", "cancelled"]
RetryableStatus = Literal["failed", "cancelled"]
CancellableStatus = Literal["queued", "running"]
BatchState = Literal["running", "finished"]


STAGES: Final[tuple[Stage, ...]] = ("ingest", "deduplicate", "thumbnail", "index")


# The stages of each kind of job: what makes pictures again begins where an ingest has its file.
CHAINS: Final[Mapping[JobKind, tuple[Stage, ...]]] = {
    "ingest": STAGES,
    "reprocess": ("thumbnail", "index"),
    "housekeeping": ("housekeeping",),
}


class NewJob(Struct, forbid_unknown_fields=True):
    """What a client asks to have ingested; ``file_name`` where it is not the one of the upload."""

    entity_type: EntityType
    entity_id: UUID
    source_reference: ObjectReference
    role: FileRole = "primary"
    sha256: Sha256 | None = None
    on_duplicate: OnDuplicate = "link"
    priority: Priority = "interactive"
    file_name: FileName | None = None


class DuplicateOf(Struct):
    """The entity that had the same bytes first."""

    entity_type: EntityType
    entity_id: UUID
    file_reference: str
    deleted: bool = False


class JobFailure(Struct):
    """Why a job failed, or why its last attempt did."""

    code: ErrorCode
    message: str


class StageReport(Struct):
    """How one stage went; ``seconds`` is the time its attempts worked."""

    name: Stage
    status: StageStatus
    attempts: int
    started_at: datetime | None
    finished_at: datetime | None
    seconds: float | None


class Job(Struct):
    """A job as its client sees it; an ingest, where no ``kind`` is said.

    ``file_name`` is what was said with the job, else with the upload, else the end of the key. Where the job is of
    housekeeping, its ``source_reference`` is the name of the task, its entity the task's id, and there is no file.
    """

    job_id: UUID
    batch_id: UUID | None
    entity_type: Subject
    entity_id: UUID
    role: FileRole
    source_reference: str
    file_name: str | None
    priority: Priority
    on_duplicate: OnDuplicate
    status: Status
    stage: Stage
    outcome: Outcome | None
    duplicate_of: DuplicateOf | None
    sha256: str | None
    file_size: int | None
    mime_type: str | None
    attempts: int
    error: JobFailure | None
    stages: list[StageReport]
    request_id: str
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    version: int
    kind: JobKind | UnsetType = UNSET


class Attempt(Struct):
    """One start of one stage."""

    stage: Stage
    attempt: int
    worker: str
    started_at: datetime
    finished_at: datetime | None
    result: AttemptResult | None
    error: JobFailure | None


class JobFilter(Struct, forbid_unknown_fields=True):
    """Which jobs; what is None does not count. ``file_name`` is a part of the name, in capitals or not.

    Times are from ``_after`` on and up to, but not at, ``_before``.

    Those of housekeeping count only where ``kind`` or ``stage`` asks for them.
    """

    kind: JobKind | None = None
    status: Status | None = None
    stage: Stage | None = None
    error_code: ErrorCode | None = None
    entity_type: EntityType | None = None
    entity_id: UUID | None = None
    batch_id: UUID | None = None
    file_name: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    finished_after: datetime | None = None
    finished_before: datetime | None = None

    def given(self) -> dict[str, Any]:
        """What counts."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}

    def conditions(self) -> tuple[str, dict[str, Any]]:
        """SQL and its parameters."""
        given = self.given()
        which = "true" if self.kind or self.stage == "housekeeping" else "kind <> 'housekeeping'"
        return " and ".join([which, *(_CONDITIONS.get(name, f"{name} = %({name})s") for name in given)]), given


# Jobs that no client posted have no name of their own: their reference tells it.
FILE_NAME: Final = "coalesce(file_name, file_name_of(source_reference))"
_CONDITIONS: Final = {
    "file_name": f"strpos(lower({FILE_NAME}), lower(%(file_name)s)) > 0",
    "created_after": "created_at >= %(created_after)s",
    "created_before": "created_at < %(created_before)s",
    "finished_after": "finished_at >= %(finished_after)s",
    "finished_before": "finished_at < %(finished_before)s",
}
