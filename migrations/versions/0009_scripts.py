"""The versions of an episode's script."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        create table scripts (
            script_id uuid primary key default uuidv7(),
            episode_id uuid not null constraint scripts_episode_id_fkey references episodes,
            version_number integer not null
                constraint scripts_version_number_check check (version_number >= 1),
            title text constraint scripts_title_check check (char_length(title) between 1 and 500),
            content text,
            file_reference text constraint scripts_file_reference_check check (char_length(file_reference) <= 1024),
            change_notes text,
            is_active boolean not null default false,
            metadata jsonb not null default '{}'
                constraint scripts_metadata_check check (jsonb_typeof(metadata) = 'object'),
            created_at timestamptz not null default now(),
            created_by text not null,
            updated_at timestamptz not null default now(),
            updated_by text not null,
            version integer not null default 1,
            deleted_at timestamptz,
            deleted_by text,
            deleted_reason text,
            restored_at timestamptz,
            restored_by text,
            constraint scripts_content_check check (content is not null or file_reference is not null)
        );
        -- deleted versions keep their numbers
        create unique index scripts_version_number_key on scripts (episode_id, version_number);
        create unique index scripts_is_active_key on scripts (episode_id) where is_active and deleted_at is null;
        create index scripts_created_at_idx on scripts (episode_id, created_at, script_id) where deleted_at is null;
        create trigger scripts_touch before update on scripts for each row execute function touch_row();

        create function refuse_rewriting() returns trigger language plpgsql as $$
        declare
            changing constant text[] := '{is_active, updated_at, updated_by, version,
                                          deleted_at, deleted_by, deleted_reason, restored_at, restored_by}';
        begin
            if to_jsonb(new) - changing <> to_jsonb(old) - changing then
                raise exception 'a version of a script is never changed' using errcode = 'restrict_violation';
            end if;
            return new;
        end $$;
        create trigger scripts_refuse before update on scripts for each row execute function refuse_rewriting();
    """)


def downgrade() -> None:
    op.execute("drop table scripts; drop function refuse_rewriting();")
