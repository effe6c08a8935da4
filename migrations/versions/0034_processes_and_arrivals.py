"""Which processes run; how the log is kept for a while; jobs counted as they arrive, and timed by priority."""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

LOCKS = "set local lock_timeout = '3s'"
NAMES = "'jobs', 'stage_retries', 'leases_expired', 'ingested_bytes', 'duplicates'"
BOUNDS = "0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200"
FINER = """
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600,
    7200, 14400
"""


def upgrade() -> None:
    _index_ends()
    op.execute(LOCKS)
    op.execute("""
        -- A row a process, which it writes again and again; one that has not been written for long is of a dead one.
        create table processes (
            process_id uuid primary key,
            program text not null check (program in ('api', 'dispatcher', 'worker')),
            name text not null,  -- a worker's is that of its attempts
            host text not null,
            pid integer not null,
            version text not null,
            commit text,
            threads integer,
            decoders integer,
            decoders_busy integer,
            loops jsonb not null default '[]',
            started_at timestamptz not null default clock_timestamp(),
            beat_at timestamptz not null default clock_timestamp()
        ) with (fillfactor = 50);

        -- At most one row: the level for all programs, in the place of their LOG_LEVEL.
        create table log_levels (
            only_one boolean primary key default true check (only_one),
            log_level_id uuid not null default uuidv7(),
            level text not null check (level in ('DEBUG', 'INFO', 'WARNING', 'ERROR')),
            set_by text not null,
            set_at timestamptz not null default clock_timestamp(),
            until timestamptz not null
        );
    """)
    _count_arrivals()
    _time(FINER, "new.priority")


def downgrade() -> None:
    op.execute(LOCKS)
    _time(BOUNDS, "''")
    op.execute(f"""
        drop trigger ingest_jobs_accepted on ingest_jobs;
        drop trigger ingest_jobs_accepted_again on ingest_jobs;
        drop function jobs_accepted();
        drop function job_accepted_again();
        delete from ingest_totals where name = 'jobs_accepted';
        alter table ingest_totals drop constraint ingest_totals_name_check,
            add constraint ingest_totals_name_check check (name in ({NAMES}));
        drop table log_levels;
        drop table processes;
    """)
    with op.get_context().autocommit_block():
        op.execute("drop index concurrently if exists ingest_jobs_finished_idx")


def _index_ends() -> None:
    """Built while others write; what an upgrade left that was broken off is of no use."""
    with op.get_context().autocommit_block():
        op.execute("drop index concurrently if exists ingest_jobs_finished_idx")
        op.execute("""
            create index concurrently ingest_jobs_finished_idx on ingest_jobs (finished_at)
            where finished_at is not null
        """)


def _count_arrivals() -> None:
    """Whose totals a transaction adds to, it adds to in one order."""
    op.execute(f"""
        alter table ingest_totals drop constraint ingest_totals_name_check,
            add constraint ingest_totals_name_check check (name in ({NAMES}, 'jobs_accepted'));

        create function jobs_accepted() returns trigger language plpgsql as $$
        begin
            perform add_to_total('jobs_accepted', priority, '', number)
            from (select priority, count(*) as number from accepted where kind <> 'housekeeping'
                  group by priority order by priority) as counted;
            return null;
        end $$;
        create trigger ingest_jobs_accepted after insert on ingest_jobs referencing new table as accepted
            for each statement execute function jobs_accepted();

        create function job_accepted_again() returns trigger language plpgsql as $$
        begin
            perform add_to_total('jobs_accepted', new.priority, '', 1);
            return null;
        end $$;
        create trigger ingest_jobs_accepted_again after update on ingest_jobs for each row
            when (old.finished_at is not null and new.finished_at is null and new.kind <> 'housekeeping')
            execute function job_accepted_again();

        -- What was accepted before it was counted, as far as the ledger still tells.
        insert into ingest_totals (name, label, error_code, shard, total)
        select 'jobs_accepted', priority, '', 0, count(*) from ingest_jobs where kind <> 'housekeeping'
        group by priority;
    """)


def _time(bounds: str, label: str) -> None:
    """Other buckets, which begin anew; nobody is timed meanwhile: who times holds a lock on one of these tables."""
    op.execute(f"""
        lock table ingest_jobs, ingest_attempts in share row exclusive mode;
        create or replace function histogram_bounds() returns float8[] language sql immutable
            return array[{bounds}];
        delete from ingest_histograms;

        create or replace function job_started() returns trigger language plpgsql as $$
        begin
            perform observe('job_wait', {label}, new.started_at - coalesce(new.retried_at, new.created_at));
            return null;
        end $$;

        create or replace function job_took() returns trigger language plpgsql as $$
        begin
            perform observe('job_duration', {label}, new.finished_at - coalesce(new.retried_at, new.created_at));
            return null;
        end $$;
    """)
