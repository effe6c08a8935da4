"""What has happened to jobs, counted in the transactions in which it happens: true after any crash."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        -- A total is the sum of its shards, so that two connections that end jobs at once seldom wait for each other.
        create table ingest_totals (
            name text not null check (name in
                ('jobs', 'stage_retries', 'leases_expired', 'ingested_bytes', 'duplicates')),
            label text not null,  -- the outcome of a job, or the stage
            error_code text not null,
            shard smallint not null,
            total bigint not null,
            primary key (name, label, error_code, shard)
        ) with (fillfactor = 50);

        create function add_to_total(of_name text, of_label text, of_error_code text, number bigint) returns void
            language sql
            begin atomic
                insert into ingest_totals (name, label, error_code, shard, total)
                values (of_name, of_label, of_error_code, pg_backend_pid() % 64, number)
                on conflict (name, label, error_code, shard)
                do update set total = ingest_totals.total + excluded.total;
            end;

        create function job_ended() returns trigger language plpgsql as $$
        begin
            perform add_to_total('jobs', case when new.status = 'succeeded' then coalesce(new.outcome, new.kind)
                                              else new.status end,
                                 case when new.status = 'failed' then coalesce(new.error_code, '') else '' end, 1);
            if new.status = 'succeeded' and new.duplicate_of is not null then
                perform add_to_total('duplicates', '', '', 1);
            end if;
            return null;
        end $$;
        create trigger ingest_jobs_ended after update on ingest_jobs for each row
            when (old.finished_at is null and new.finished_at is not null)
            execute function job_ended();

        create function job_ingested() returns trigger language plpgsql as $$
        begin
            perform add_to_total('ingested_bytes', '', '', coalesce(new.file_size, 0));
            return null;
        end $$;
        create trigger ingest_jobs_ingested after update on ingest_jobs for each row
            when (old.stage = 'ingest' and new.stage = 'deduplicate')
            execute function job_ingested();

        -- A failed attempt leaves its job in the queue, a lost one raises the fence as well.
        create function job_put_back() returns trigger language plpgsql as $$
        begin
            perform add_to_total('stage_retries', new.stage, '', 1);
            return null;
        end $$;
        create trigger ingest_jobs_put_back after update on ingest_jobs for each row
            when (old.status = 'running' and new.status = 'queued' and new.error_code is not null
                  and new.fence = old.fence)
            execute function job_put_back();

        create function attempt_lost() returns trigger language plpgsql as $$
        begin
            perform add_to_total('leases_expired', '', '', 1);
            return null;
        end $$;
        create trigger ingest_attempts_lost after update on ingest_attempts for each row
            when (old.result is null and new.result = 'lost')
            execute function attempt_lost();

        -- What happened before there were totals, as far as the ledger still tells.
        insert into ingest_totals (name, label, error_code, shard, total)
        select 'jobs', case when status = 'succeeded' then coalesce(outcome, kind) else status end,
               case when status = 'failed' then coalesce(error_code, '') else '' end, 0, count(*)
        from ingest_jobs where finished_at is not null group by 1, 2, 3
        union all
        select 'duplicates', '', '', 0, count(*) from ingest_jobs
        where status = 'succeeded' and duplicate_of is not null having count(*) > 0
        union all
        select 'ingested_bytes', '', '', 0, sum(file_size) from ingest_jobs
        where file_size is not null having count(*) > 0
        union all
        select 'leases_expired', '', '', 0, count(*) from ingest_attempts where result = 'lost' having count(*) > 0;
    """)


def downgrade() -> None:
    op.execute("""
        drop trigger ingest_attempts_lost on ingest_attempts;
        drop trigger ingest_jobs_put_back on ingest_jobs;
        drop trigger ingest_jobs_ingested on ingest_jobs;
        drop trigger ingest_jobs_ended on ingest_jobs;
        drop function attempt_lost();
        drop function job_put_back();
        drop function job_ingested();
        drop function job_ended();
        drop function add_to_total(text, text, text, bigint);
        drop table ingest_totals;
    """)
