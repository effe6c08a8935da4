"""Batches: jobs that belong together, counted where they are posted and where they end; the names of files."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

COUNTED = "succeeded, failed, cancelled, stored, duplicate, bytes"


def upgrade() -> None:
    op.execute("set local lock_timeout = '3s'")
    _batches()
    _file_names()
    _posted()
    _ended()
    _before()


def _batches() -> None:
    op.execute("""
        create table batches (
            batch_id uuid primary key default uuidv7(),
            name text not null constraint batches_name_check check (char_length(name) between 1 and 255),
            kept_open boolean not null default false,  -- it does not end before it is closed
            created_by text not null,
            created_at timestamptz not null default clock_timestamp(),
            closed_at timestamptz,
            cancelled_at timestamptz,
            finished_at timestamptz
        );
        create unique index batches_open_idx on batches (created_by, name) where kept_open and closed_at is null;
        create index batches_unfinished_idx on batches (batch_id) where finished_at is null;

        -- A count is the sum of its shards, so that two connections that end jobs at once seldom wait for each other.
        -- What runs is not counted here: it is what has a lease.
        create table batch_counts (
            batch_id uuid not null references batches on delete cascade,
            shard smallint not null,
            total bigint not null default 0,
            succeeded bigint not null default 0,
            failed bigint not null default 0,
            cancelled bigint not null default 0,
            stored bigint not null default 0,
            duplicate bigint not null default 0,
            bytes bigint not null default 0,
            changes bigint not null default 0,
            ended_at timestamptz,
            recent float8 not null default 0,  -- ends, each of which counts e times less with each minute
            recent_at timestamptz not null default clock_timestamp(),
            primary key (batch_id, shard)
        ) with (fillfactor = 50);
    """)


def _file_names() -> None:
    op.execute("""
        alter table uploads add file_name text;
        alter table ingest_jobs add file_name text;  -- null: file_name_of the reference

        -- The last part of a key, without the id that this application puts before a name.
        create function file_name_of(reference text) returns text language sql immutable return
            case when reference like 's3://%' then
                regexp_replace(regexp_replace(reference, '^.*/', ''),
                               '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-', '') end;
    """)


def _posted() -> None:
    op.execute("""
        -- Who posts into a batch that nobody has opened opens it: so did the programs before.
        create function batch_posted() returns trigger language plpgsql as $$
        begin
            insert into batches (batch_id, name, created_by)
            select batch_id, case when min(kind) = 'reprocess' then 'thumbnails again' else count(*) || ' files' end,
                   min(created_by) from made
            where batch_id is not null group by batch_id
            on conflict (batch_id) do nothing;
            insert into batch_counts as counts (batch_id, shard, total, changes)
            select batch_id, pg_backend_pid() % 16, count(*), 1 from made
            where batch_id is not null group by batch_id order by batch_id
            on conflict (batch_id, shard) do update
            set total = counts.total + excluded.total, changes = counts.changes + 1;
            update batches set finished_at = null
            where finished_at is not null and batch_id in (select batch_id from made);
            return null;
        end $$;
        create trigger ingest_jobs_batch_posted after insert on ingest_jobs referencing new table as made
            for each statement execute function batch_posted();
    """)


def _ended() -> None:
    op.execute("""
        create function batch_job_ended() returns trigger language plpgsql as $$
        begin
            insert into batch_counts (batch_id, shard)
            select batch_id, pg_backend_pid() % 16 from batches where batch_id = new.batch_id
            on conflict do nothing;
            update batch_counts
            set succeeded = succeeded + (new.status = 'succeeded')::int,
                failed = failed + (new.status = 'failed')::int,
                cancelled = cancelled + (new.status = 'cancelled')::int,
                stored = stored + (new.status = 'succeeded' and coalesce(new.outcome, '') = 'stored')::int,
                duplicate = duplicate + (new.status = 'succeeded' and coalesce(new.outcome, '') = 'duplicate')::int,
                bytes = bytes + case when new.status = 'succeeded' then coalesce(new.file_size, 0) else 0 end,
                changes = changes + 1,
                ended_at = greatest(ended_at, new.finished_at),
                recent = 1 + recent
                    * exp(greatest(least(-extract(epoch from clock_timestamp() - recent_at) / 60, 0), -100)),
                recent_at = clock_timestamp()
            where batch_id = new.batch_id and shard = pg_backend_pid() % 16;
            return null;
        end $$;
        create trigger ingest_jobs_batch_ended after update on ingest_jobs for each row
            when (new.batch_id is not null and old.finished_at is null and new.finished_at is not null)
            execute function batch_job_ended();

        -- A retry. The lock on the batch keeps whoever would end it away until this commits.
        create function batch_job_again() returns trigger language plpgsql as $$
        begin
            perform from batches where batch_id = new.batch_id for no key update;
            update batches set finished_at = null where batch_id = new.batch_id and finished_at is not null;
            insert into batch_counts (batch_id, shard)
            select batch_id, pg_backend_pid() % 16 from batches where batch_id = new.batch_id
            on conflict do nothing;
            update batch_counts
            set failed = failed - (old.status = 'failed')::int,
                cancelled = cancelled - (old.status = 'cancelled')::int,
                changes = changes + 1
            where batch_id = new.batch_id and shard = pg_backend_pid() % 16;
            return null;
        end $$;
        create trigger ingest_jobs_batch_again after update on ingest_jobs for each row
            when (new.batch_id is not null and old.finished_at is not null and new.finished_at is null)
            execute function batch_job_again();
    """)


def _before() -> None:
    """The batches there are: the triggers hold writers until this commits, so that no job is counted twice or never."""
    op.execute(f"""
        insert into batches (batch_id, name, created_by, created_at)
        select batch_id, concat(count(*), ' files'), min(created_by), min(created_at) from ingest_jobs
        where batch_id is not null group by batch_id;
        insert into batch_counts (batch_id, shard, total, {COUNTED}, changes, ended_at)
        select batch_id, 0, count(*),
               count(*) filter (where status = 'succeeded'), count(*) filter (where status = 'failed'),
               count(*) filter (where status = 'cancelled'),
               count(*) filter (where status = 'succeeded' and outcome = 'stored'),
               count(*) filter (where status = 'succeeded' and outcome = 'duplicate'),
               coalesce(sum(file_size) filter (where status = 'succeeded'), 0), 1, max(finished_at)
        from ingest_jobs where batch_id is not null group by batch_id;
        update batches set finished_at = ended_at from batch_counts as counts
        where counts.batch_id = batches.batch_id and total = succeeded + failed + cancelled;
    """)


def downgrade() -> None:
    op.execute("set local lock_timeout = '3s'")
    op.execute("""
        drop trigger ingest_jobs_batch_posted on ingest_jobs;
        drop trigger ingest_jobs_batch_ended on ingest_jobs;
        drop trigger ingest_jobs_batch_again on ingest_jobs;
        drop function batch_posted();
        drop function batch_job_ended();
        drop function batch_job_again();
        drop function file_name_of(text);
        alter table ingest_jobs drop file_name;
        alter table uploads drop file_name;
        drop table batch_counts;
        drop table batches;
    """)
