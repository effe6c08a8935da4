"""What is due is found by its caller; content that used up or killed its decoder is remembered."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

DUE = "status in ('queued', 'running') and lease_expires_at is null and hinted_at is null"


def upgrade() -> None:
    _replace("ingest_jobs_due_idx", "ingest_jobs_turn_idx", "lane, created_by, job_id")
    op.execute("""
        create table poisoned_contents (
            sha256 text primary key check (sha256 ~ '^[0-9a-f]{64}$'),
            error_code text not null,
            error_message text not null,
            job_id uuid not null,
            noted_at timestamptz not null default clock_timestamp()
        );
    """)


def downgrade() -> None:
    op.execute("drop table poisoned_contents")
    _replace("ingest_jobs_turn_idx", "ingest_jobs_due_idx", "lane, job_id")


def _replace(old: str, new: str, columns: str) -> None:
    """Built while others write; what an upgrade left that was broken off is of no use."""
    with op.get_context().autocommit_block():
        op.execute(f"drop index concurrently if exists {new}")
        op.execute(f"create index concurrently {new} on ingest_jobs ({columns}) where {DUE}")
        op.execute(f"drop index concurrently if exists {old}")
