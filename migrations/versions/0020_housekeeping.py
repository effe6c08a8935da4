"""The schedule of housekeeping, what it does as jobs of the ledger, and what it finds in the storage."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

ENTITIES = "'episode', 'clip', 'outfit', 'ui_element', 'background', 'component', 'guest'"
STAGES = "'ingest', 'deduplicate', 'thumbnail', 'index'"
LANES = "'interactive', 'batch', 'backfill'"
ACTIONS = (
    "'create', 'update', 'delete', 'restore', 'link', 'unlink', 'ingest', 'retry', 'cancel', 'pause', 'resume',"
    " 'reprocess'"
)
# Each task and the seconds between its runs.
TASKS = {
    "expired-uploads": 3600,
    "orphan-objects": 86400,
    "trash": 86400,
    "idempotency-keys": 3600,
    "finished-jobs": 3600,
    "search-check": 21600,
    "integrity": 3600,
}
# Where rows say in a column of its own which object they show: entity type, table, key, column, role.
HOLDERS = (
    ("clip", "clips", "clip_id", "file_reference", "primary"),
    ("outfit", "outfits", "outfit_id", "image_reference", "primary"),
    ("ui_element", "ui_elements", "ui_element_id", "file_reference", "primary"),
    ("background", "backgrounds", "background_id", "file_reference", "primary"),
    ("component", "components", "component_id", "file_reference", "primary"),
    ("guest", "guests", "guest_id", "photo_reference", "primary"),
    ("episode", "episodes", "episode_id", "thumbnail_reference", "thumbnail"),
    ("episode", "episodes", "episode_id", "trailer_reference", "trailer"),
    ("episode", "episodes", "episode_id", "script_file_reference", "script"),
    ("episode", "scripts", "episode_id", "file_reference", "script"),
)
# Where they may say it in passing.
MENTIONS = (
    *((table, "metadata") for table in ("shows", "episodes", "scripts", "clips", "outfits", "ui_elements")),
    *((table, "metadata") for table in ("backgrounds", "components", "guests")),
    *(("outfits", column) for column in ("top", "bottom", "shoes", "accessories")),
    ("components", "config"),
    ("guests", "social_links"),
    *((table, "description") for table in ("shows", "episodes", "clips", "outfits")),
    *((table, "description") for table in ("ui_elements", "backgrounds", "components")),
    ("episodes", "script_text"),
    ("scripts", "content"),
    ("scripts", "change_notes"),
    ("guests", "bio"),
)


def upgrade() -> None:
    _ledger()
    _schedule()
    _storage()


def _ledger() -> None:
    op.execute(f"""
        alter table ingest_jobs
            add column result jsonb,  -- what a task has done so far, by name
            drop constraint ingest_jobs_kind_check,
            add constraint ingest_jobs_kind_check check (kind in ('ingest', 'reprocess', 'housekeeping')),
            drop constraint ingest_jobs_stage_check,
            add constraint ingest_jobs_stage_check check (stage in ({STAGES}, 'housekeeping')),
            drop constraint ingest_jobs_entity_type_check,
            add constraint ingest_jobs_entity_type_check check (entity_type in ({ENTITIES}, 'housekeeping'));
        alter table ingest_pauses drop constraint ingest_pauses_name_check,
            add constraint ingest_pauses_name_check check (name in ({LANES}, {STAGES}, 'housekeeping'));
        alter table audit_log drop constraint audit_log_action_check,
            add constraint audit_log_action_check check (action in ({ACTIONS}, 'run', 'purge'));
    """)


def _schedule() -> None:
    rows = ", ".join(
        f"('{task}', {seconds}, now() + make_interval(secs => {seconds}))" for task, seconds in TASKS.items()
    )
    op.execute(f"""
        -- A row is due at `next_run_at`; who moves it on posts its job in the same statement.
        create table housekeeping_tasks (
            task text primary key,
            task_id uuid not null unique default uuidv7(),  -- the entity of its jobs, and of its rows in the audit log
            every_seconds integer not null check (every_seconds > 0),
            next_run_at timestamptz not null,
            position jsonb,  -- where a walk that takes several runs stands
            paused_until timestamptz,
            paused_by text,
            pause_reason text check (char_length(pause_reason) between 1 and 1000)
        );
        insert into housekeeping_tasks (task, every_seconds, next_run_at) values {rows};
    """)


def _storage() -> None:
    held = " union all ".join(
        f"select '{kind}' as entity_type, {key} as entity_id, '{role}' as role, {column} as reference"
        f" from {table} where {column} is not null"
        for kind, table, key, column, role in HOLDERS
    )
    said = " union all ".join(
        f"select {column}::text as said from {table} where {column}::text like '%s3://%'" for table, column in MENTIONS
    )
    op.execute(f"""
        create view held_references as {held};
        create view mentioned_references as
            select unnest(array[found[1], rtrim(found[1], '.-')]) as reference
            from ({said}) as texts, regexp_matches(said, '(s3://[A-Za-z0-9._/-]+)', 'g') as found;

        -- Objects that no row refers to, since when, and whether this application gave them their names.
        create table orphan_objects (
            bucket text not null,
            key text collate "C" not null,
            file_size bigint not null,
            modified_at timestamptz not null,
            ours boolean not null,
            found_at timestamptz not null default clock_timestamp(),
            primary key (bucket, key)
        );

        alter table files add column verified_at timestamptz;  -- empty: not since it was stored
        create index files_verified_idx on files (coalesce(verified_at, stored_at)) where stored_at is not null;
        create index files_reference_idx on files (file_reference);

        -- Stored files that are not what they were. A finding is over when the file is right again.
        create table integrity_findings (
            finding_id uuid primary key default uuidv7(),
            sha256 text not null references files on delete cascade,
            kind text not null check (kind in ('rot', 'loss')),
            actual_sha256 text,
            found_at timestamptz not null default clock_timestamp(),
            looked_at timestamptz not null default clock_timestamp(),
            resolved_at timestamptz
        );
        create unique index integrity_findings_open_idx on integrity_findings (sha256) where resolved_at is null;
    """)


def downgrade() -> None:
    # A job of another kind is none that the programs before could do. The log keeps what it says.
    op.execute(f"""
        drop table integrity_findings;
        drop index files_reference_idx;
        drop index files_verified_idx;
        alter table files drop column verified_at;
        drop table orphan_objects;
        drop view mentioned_references;
        drop view held_references;
        drop table housekeeping_tasks;

        alter table audit_log drop constraint audit_log_action_check,
            add constraint audit_log_action_check check (action in ({ACTIONS})) not valid;
        do $$ begin
            alter table audit_log validate constraint audit_log_action_check;
        exception when check_violation then null;
        end $$;
        delete from ingest_pauses where name = 'housekeeping';
        alter table ingest_pauses drop constraint ingest_pauses_name_check,
            add constraint ingest_pauses_name_check check (name in ({LANES}, {STAGES}));
        delete from ingest_jobs where kind = 'housekeeping';
        alter table ingest_jobs
            drop column result,
            drop constraint ingest_jobs_kind_check,
            add constraint ingest_jobs_kind_check check (kind in ('ingest', 'reprocess')),
            drop constraint ingest_jobs_stage_check,
            add constraint ingest_jobs_stage_check check (stage in ({STAGES})),
            drop constraint ingest_jobs_entity_type_check,
            add constraint ingest_jobs_entity_type_check check (entity_type in ({ENTITIES}));
    """)
