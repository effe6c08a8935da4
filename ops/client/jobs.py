"""A job as a client sees it."""

from datetime import datetime

import msgspec

from .errors import Why


class Original(msgspec.Struct, frozen=True):
    """What already holds the same bytes; ``deleted`` if it lies in the trash."""

    entity_type: str
    entity_id: str
    file_reference: str | None = None
    deleted: bool = False


class Job(msgspec.Struct):
    """What we use of a job; the API tells more of it."""

    job_id: str
    entity_type: str
    entity_id: str
    status: str
    batch_id: str | None = None
    outcome: str | None = None
    duplicate_of: Original | None = None
    sha256: str | None = None
    error: Why | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.status in ("succeeded", "failed", "cancelled")

    @property
    def seconds(self) -> float:
        """From the start of its first stage to its end."""
        if self.started_at is None or self.finished_at is None:
            return 0.0
        return (self.finished_at - self.started_at).total_seconds()
