"""Shows and the episodes of their seasons."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        create table shows (
            show_id uuid primary key default uuidv7(),
            name text not null constraint shows_name_check check (char_length(name) between 1 and 255),
            description text,
            status text not null default 'active'
                constraint shows_status_check check (status in ('active', 'archived', 'on_hold')),
            metadata jsonb not null default '{}'
                constraint shows_metadata_check check (jsonb_typeof(metadata) = 'object'),
            created_at timestamptz not null default now(),
            created_by text not null,
            updated_at timestamptz not null default now(),
            updated_by text not null,
            version integer not null default 1,
            deleted_at timestamptz,
            deleted_by text,
            deleted_reason text,
            restored_at timestamptz,
            restored_by text
        );
        create unique index shows_name_key on shows (name) where deleted_at is null;
        create index shows_created_at_idx on shows (created_at, show_id) where deleted_at is null;
        create index shows_updated_at_idx on shows (updated_at, show_id) where deleted_at is null;
        create index shows_status_idx on shows (status, created_at, show_id) where deleted_at is null;
        create index shows_metadata_idx on shows using gin (metadata);
        create index shows_text_idx on shows using gin (fold(name || ' ' || coalesce(description, '')) gin_trgm_ops);
        create trigger shows_touch before update on shows for each row execute function touch_row();

        create table episodes (
            episode_id uuid primary key default uuidv7(),
            show_id uuid not null constraint episodes_show_id_fkey references shows,
            title text not null constraint episodes_title_check check (char_length(title) between 1 and 500),
            episode_number integer not null constraint episodes_episode_number_check check (episode_number >= 1),
            season_number integer not null default 1
                constraint episodes_season_number_check check (season_number >= 1),
            status text not null default 'draft' constraint episodes_status_check check (status in
                ('draft', 'in_production', 'ready_for_publish', 'published', 'archived', 'on_hold', 'canceled')),
            description text,
            duration_seconds integer constraint episodes_duration_seconds_check check (duration_seconds >= 0),
            filming_date date,
            edit_deadline date,
            publish_date date,
            released_at timestamptz,
            script_text text,
            script_file_reference text constraint episodes_script_file_reference_check
                check (char_length(script_file_reference) <= 1024),
            trailer_reference text constraint episodes_trailer_reference_check
                check (char_length(trailer_reference) <= 1024),
            thumbnail_reference text constraint episodes_thumbnail_reference_check
                check (char_length(thumbnail_reference) <= 1024),
            category text constraint episodes_category_check check (char_length(category) <= 100),
            language text not null default 'en-US'
                constraint episodes_language_check check (char_length(language) between 1 and 35),
            copyright text,
            approval_status text not null default 'approved' constraint episodes_approval_status_check
                check (approval_status in ('draft', 'approved', 'rejected')),
            uploaded_by text,
            original_approver text,
            tags text[] not null default '{}',
            metadata jsonb not null default '{}'
                constraint episodes_metadata_check check (jsonb_typeof(metadata) = 'object'),
            created_at timestamptz not null default now(),
            created_by text not null,
            updated_at timestamptz not null default now(),
            updated_by text not null,
            version integer not null default 1,
            deleted_at timestamptz,
            deleted_by text,
            deleted_reason text,
            restored_at timestamptz,
            restored_by text
        );
        create unique index episodes_episode_number_key
            on episodes (show_id, season_number, episode_number) where deleted_at is null;
        create index episodes_created_at_idx on episodes (created_at, episode_id) where deleted_at is null;
        create index episodes_updated_at_idx on episodes (updated_at, episode_id) where deleted_at is null;
        create index episodes_title_idx on episodes (title, episode_id) where deleted_at is null;
        create index episodes_status_idx on episodes (status, created_at, episode_id) where deleted_at is null;
        create index episodes_publish_date_idx on episodes (publish_date) where deleted_at is null;
        create index episodes_tags_idx on episodes using gin (tags);
        create index episodes_metadata_idx on episodes using gin (metadata);
        create index episodes_text_idx
            on episodes using gin (fold(title || ' ' || coalesce(description, '')) gin_trgm_ops);
        create trigger episodes_touch before update on episodes for each row execute function touch_row();
    """)


def downgrade() -> None:
    op.execute("drop table episodes; drop table shows;")
