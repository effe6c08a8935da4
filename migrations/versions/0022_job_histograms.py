"""How long jobs and their stages take, counted where they end; when a job was last put in the queue by hand."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        alter table ingest_jobs add column retried_at timestamptz;  -- null: it is as old as it was made

        -- Seconds: the upper ends of the histograms' buckets, but for the last one, which has none.
        create function histogram_bounds() returns float8[] language sql immutable
            return array[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200];

        -- Sharded like ingest_totals.
        create table ingest_histograms (
            name text not null check (name in ('job_wait', 'job_duration', 'stage_duration')),
            label text not null,  -- the stage
            shard smallint not null,
            counts bigint[] not null,  -- by bucket, each of its own
            seconds float8 not null,
            primary key (name, label, shard)
        ) with (fillfactor = 50);

        -- Times are whole microseconds: less half of one, a time that is a bound is below it.
        create function observe(of_name text, of_label text, span interval) returns void language plpgsql as $$
        declare
            taken float8 := greatest(extract(epoch from span), 0);
            bucket integer := width_bucket(taken - 0.0000005, histogram_bounds()) + 1;
            counted bigint[] := array_fill(0::bigint, array[cardinality(histogram_bounds()) + 1]);
        begin
            counted[bucket] := 1;
            insert into ingest_histograms (name, label, shard, counts, seconds)
            values (of_name, of_label, pg_backend_pid() % 64, counted, taken)
            on conflict (name, label, shard) do update
            set counts[bucket] = ingest_histograms.counts[bucket] + 1,
                seconds = ingest_histograms.seconds + excluded.seconds;
        end $$;

        create function job_started() returns trigger language plpgsql as $$
        begin
            perform observe('job_wait', '', new.started_at - coalesce(new.retried_at, new.created_at));
            return null;
        end $$;
        create trigger ingest_jobs_started after update on ingest_jobs for each row
            when (old.started_at is null and new.started_at is not null)
            execute function job_started();

        create function job_took() returns trigger language plpgsql as $$
        begin
            perform observe('job_duration', '', new.finished_at - coalesce(new.retried_at, new.created_at));
            return null;
        end $$;
        create trigger ingest_jobs_took after update on ingest_jobs for each row
            when (old.finished_at is null and new.finished_at is not null and new.status <> 'cancelled')
            execute function job_took();

        -- How long one worked that died is not known.
        create function stage_took() returns trigger language plpgsql as $$
        begin
            perform observe('stage_duration', new.stage, new.finished_at - new.started_at);
            return null;
        end $$;
        create trigger ingest_attempts_took after update on ingest_attempts for each row
            when (old.finished_at is null and new.finished_at is not null and new.result in ('succeeded', 'failed'))
            execute function stage_took();
    """)


def downgrade() -> None:
    op.execute("""
        drop trigger ingest_attempts_took on ingest_attempts;
        drop trigger ingest_jobs_took on ingest_jobs;
        drop trigger ingest_jobs_started on ingest_jobs;
        drop function stage_took();
        drop function job_took();
        drop function job_started();
        drop function observe(text, text, interval);
        drop table ingest_histograms;
        drop function histogram_bounds();
        alter table ingest_jobs drop column retried_at;
    """)
