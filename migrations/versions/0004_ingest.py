"""The job ledger, the stored files, their thumbnails."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        create table ingest_jobs (
            job_id uuid primary key default uuidv7(),
            batch_id uuid,
            entity_type text not null check (entity_type in
                ('episode', 'clip', 'outfit', 'ui_element', 'background', 'component', 'guest')),
            entity_id uuid not null,
            role text not null check (role in ('primary', 'thumbnail', 'trailer', 'script')),
            source_reference text not null check (char_length(source_reference) <= 1024),
            declared_sha256 text,
            on_duplicate text not null check (on_duplicate in ('link', 'reject', 'keep')),
            priority text not null check (priority in ('interactive', 'batch', 'backfill')),
            status text not null default 'queued'
                check (status in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
            stage text not null default 'ingest'
                check (stage in ('ingest', 'deduplicate', 'thumbnail', 'index')),
            outcome text check (outcome in ('stored', 'duplicate')),
            duplicate_of jsonb,
            sha256 text,
            file_size bigint,
            media jsonb,
            source_etag text,
            attempts integer not null default 0,
            error_code text check (error_code in
                ('SOURCE_MISSING', 'EMPTY_FILE', 'FILE_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE', 'CORRUPT_FILE',
                 'HASH_MISMATCH', 'DUPLICATE', 'DECODER_KILLED', 'TIMEOUT', 'STORAGE_UNAVAILABLE', 'INTERNAL')),
            error_message text,
            request_id text not null,
            created_by text not null,
            created_at timestamptz not null default now(),
            started_at timestamptz,
            finished_at timestamptz,
            -- of the dispatcher and the workers
            lane smallint generated always as
                (case priority when 'interactive' then 0 when 'batch' then 1 else 2 end) stored,
            run_at timestamptz not null default now(),
            hinted_at timestamptz,
            fence bigint not null default 0,
            lease_expires_at timestamptz,
            retried_fence bigint not null default 0,  -- attempts up to here were before the last retry
            version bigint not null default 1
        );
        create index ingest_jobs_due_idx on ingest_jobs (lane, job_id)
            where status in ('queued', 'running') and lease_expires_at is null and hinted_at is null;
        create index ingest_jobs_hinted_idx on ingest_jobs (hinted_at)
            where status in ('queued', 'running') and lease_expires_at is null and hinted_at is not null;
        create index ingest_jobs_lease_idx on ingest_jobs (lease_expires_at)
            where status = 'running' and lease_expires_at is not null;
        create index ingest_jobs_status_idx on ingest_jobs (status, stage, job_id);
        create index ingest_jobs_failed_idx on ingest_jobs (error_code, job_id) where status = 'failed';
        create index ingest_jobs_entity_idx on ingest_jobs (entity_id, job_id);
        create index ingest_jobs_batch_idx on ingest_jobs (batch_id, job_id) where batch_id is not null;
        create index ingest_jobs_waiting_idx on ingest_jobs (sha256)
            where status in ('queued', 'running') and stage = 'deduplicate';

        -- Every change that a watcher can see raises the version; renewing a lease is not one.
        create function job_changed() returns trigger language plpgsql as $$
        begin
            new.version := old.version + 1;
            return new;
        end $$;
        create trigger ingest_jobs_changed before update on ingest_jobs for each row
            when (old.status is distinct from new.status or old.stage is distinct from new.stage
                  or old.fence is distinct from new.fence or old.outcome is distinct from new.outcome
                  or old.error_code is distinct from new.error_code)
            execute function job_changed();

        create table ingest_attempts (
            job_id uuid not null references ingest_jobs on delete cascade,
            fence bigint not null,
            stage text not null,
            attempt integer not null,
            worker text not null,
            started_at timestamptz not null default clock_timestamp(),
            finished_at timestamptz,
            result text check (result in ('succeeded', 'failed', 'lost', 'cancelled')),
            error_code text,
            error_message text,
            primary key (job_id, fence)
        );

        -- One row per content. `stored_at` is empty until its first job has proved that it decodes.
        create table files (
            sha256 text primary key check (sha256 ~ '^[0-9a-f]{64}$'),
            file_reference text not null,
            file_size bigint not null,
            entity_type text not null,
            entity_id uuid not null,
            role text not null,
            job_id uuid not null,
            thumbnails jsonb not null default '[]',
            created_at timestamptz not null default now(),
            stored_at timestamptz,
            displaced_at timestamptz  -- since when its entity shows another content
        );
        create index files_job_id_idx on files (job_id);
        create index files_entity_idx on files (entity_id) where displaced_at is null;

        create table thumbnails (
            thumbnail_id uuid primary key default uuidv7(),
            entity_type text not null,
            entity_id uuid not null,
            size_variant text not null check (size_variant in ('primary', 'medium', 'small')),
            file_reference text not null,
            width integer not null,
            height integer not null,
            file_size bigint not null,
            status text not null default 'ready' check (status in ('ready')),
            sha256 text not null,
            processed_at timestamptz not null default now(),
            unique (entity_type, entity_id, size_variant)
        );
    """)


def downgrade() -> None:
    op.execute("""
        drop table thumbnails;
        drop table files;
        drop table ingest_attempts;
        drop table ingest_jobs;
        drop function job_changed();
    """)
