"""How many jobs of a lane may run at once, and the unfinished jobs of a caller."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        create table ingest_lanes (
            lane text primary key check (lane in ('interactive', 'batch', 'backfill')),
            lane_id uuid not null unique default uuidv7(),
            concurrency integer check (concurrency between 1 and 1000),
            updated_by text,
            updated_at timestamptz
        );
        insert into ingest_lanes (lane) values ('interactive'), ('batch'), ('backfill');

        create index ingest_jobs_caller_idx on ingest_jobs (created_by) where status in ('queued', 'running');
    """)


def downgrade() -> None:
    op.execute("""
        drop index ingest_jobs_caller_idx;
        drop table ingest_lanes;
    """)
