"""What can be asked of a job in SQL, each worded once, over ``ingest_jobs as job``.

Partial indexes answer them, so the words are those of the migrations.
"""

from typing import Final

MAX_ATTEMPTS: Final = 3

WAITING: Final = "job.status in ('queued', 'running') and job.lease_expires_at is null"  # for a worker
UNDISPATCHED: Final = f"{WAITING} and job.dispatched_at is null"
DISPATCHED: Final = f"{WAITING} and job.dispatched_at is not null"

LEASED: Final = "job.status = 'running' and job.lease_expires_at is not null"
# The same, said by a condition that all leases meet, for counts: the planner then reads the small index of leases.
COUNTED_AS_LEASED: Final = "job.status = 'running' and job.lease_expires_at > '-infinity'"
MINE: Final = f"job.job_id = %(job_id)s and job.fence = %(fence)s and {LEASED}"

# A worker died with this stage since the job was posted or retried. Such a job is a suspect: its last attempt runs
# alone in its process, so that no other job dies with it, and only an attempt that ran alone makes it guilty.
DIED_WITH_IT: Final = """
    exists (select from ingest_attempts as earlier
            where earlier.job_id = job.job_id and earlier.fence > job.retried_fence and earlier.stage = job.stage
              and earlier.result = 'lost')
"""
SUSPECT: Final = f"(job.attempts >= {MAX_ATTEMPTS - 1} and {DIED_WITH_IT})"
GUILTY: Final = f"(job.attempts >= {MAX_ATTEMPTS} and {DIED_WITH_IT})"
