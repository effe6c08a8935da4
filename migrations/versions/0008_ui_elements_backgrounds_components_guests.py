"""What is laid over an episode, where it plays, what it is built from, and who visits."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(r"""
        create table ui_elements (
            ui_element_id uuid primary key default uuidv7(),
            name text not null constraint ui_elements_name_check check (char_length(name) between 1 and 255),
            description text,
            element_type text not null default 'other' constraint ui_elements_element_type_check
                check (element_type in ('lower_third', 'logo', 'overlay', 'transition', 'title_card', 'icon', 'other')),
            file_reference text constraint ui_elements_file_reference_check check (char_length(file_reference) <= 1024),
            tags text[] not null default '{}',
            metadata jsonb not null default '{}'
                constraint ui_elements_metadata_check check (jsonb_typeof(metadata) = 'object'),
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
        create index ui_elements_created_at_idx on ui_elements (created_at, ui_element_id) where deleted_at is null;
        create index ui_elements_updated_at_idx on ui_elements (updated_at, ui_element_id) where deleted_at is null;
        create index ui_elements_name_idx on ui_elements (name, ui_element_id) where deleted_at is null;
        create index ui_elements_element_type_idx
            on ui_elements (element_type, created_at, ui_element_id) where deleted_at is null;
        create index ui_elements_tags_idx on ui_elements using gin (tags);
        create index ui_elements_metadata_idx on ui_elements using gin (metadata);
        create index ui_elements_text_idx
            on ui_elements using gin (fold(name || ' ' || coalesce(description, '')) gin_trgm_ops);
        create trigger ui_elements_touch before update on ui_elements for each row execute function touch_row();

        create table backgrounds (
            background_id uuid primary key default uuidv7(),
            name text not null constraint backgrounds_name_check check (char_length(name) between 1 and 255),
            description text,
            background_type text not null default 'other' constraint backgrounds_background_type_check
                check (background_type in ('studio', 'location', 'virtual', 'green_screen', 'graphic', 'other')),
            file_reference text constraint backgrounds_file_reference_check check (char_length(file_reference) <= 1024),
            tags text[] not null default '{}',
            metadata jsonb not null default '{}'
                constraint backgrounds_metadata_check check (jsonb_typeof(metadata) = 'object'),
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
        create index backgrounds_created_at_idx on backgrounds (created_at, background_id) where deleted_at is null;
        create index backgrounds_updated_at_idx on backgrounds (updated_at, background_id) where deleted_at is null;
        create index backgrounds_name_idx on backgrounds (name, background_id) where deleted_at is null;
        create index backgrounds_background_type_idx
            on backgrounds (background_type, created_at, background_id) where deleted_at is null;
        create index backgrounds_tags_idx on backgrounds using gin (tags);
        create index backgrounds_metadata_idx on backgrounds using gin (metadata);
        create index backgrounds_text_idx
            on backgrounds using gin (fold(name || ' ' || coalesce(description, '')) gin_trgm_ops);
        create trigger backgrounds_touch before update on backgrounds for each row execute function touch_row();

        create table components (
            component_id uuid primary key default uuidv7(),
            name text not null constraint components_name_check check (char_length(name) between 1 and 255),
            description text,
            component_type text not null default 'other' constraint components_component_type_check
                check (component_type in ('intro', 'outro', 'segment', 'jingle', 'template', 'other')),
            config jsonb constraint components_config_check check (jsonb_typeof(config) = 'object'),
            file_reference text constraint components_file_reference_check check (char_length(file_reference) <= 1024),
            tags text[] not null default '{}',
            metadata jsonb not null default '{}'
                constraint components_metadata_check check (jsonb_typeof(metadata) = 'object'),
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
        create index components_created_at_idx on components (created_at, component_id) where deleted_at is null;
        create index components_updated_at_idx on components (updated_at, component_id) where deleted_at is null;
        create index components_name_idx on components (name, component_id) where deleted_at is null;
        create index components_component_type_idx
            on components (component_type, created_at, component_id) where deleted_at is null;
        create index components_tags_idx on components using gin (tags);
        create index components_metadata_idx on components using gin (metadata);
        create index components_text_idx
            on components using gin (fold(name || ' ' || coalesce(description, '')) gin_trgm_ops);
        create trigger components_touch before update on components for each row execute function touch_row();

        create table guests (
            guest_id uuid primary key default uuidv7(),
            name text not null constraint guests_name_check check (char_length(name) between 1 and 255),
            bio text,
            email text constraint guests_email_check
                check (char_length(email) <= 254 and email ~ '^[^@[\:space\:]]+@[^@[\:space\:]]+$'),
            social_links jsonb constraint guests_social_links_check check (jsonb_typeof(social_links) = 'object'),
            photo_reference text constraint guests_photo_reference_check check (char_length(photo_reference) <= 1024),
            tags text[] not null default '{}',
            metadata jsonb not null default '{}'
                constraint guests_metadata_check check (jsonb_typeof(metadata) = 'object'),
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
        create index guests_created_at_idx on guests (created_at, guest_id) where deleted_at is null;
        create index guests_updated_at_idx on guests (updated_at, guest_id) where deleted_at is null;
        create index guests_name_idx on guests (name, guest_id) where deleted_at is null;
        create index guests_tags_idx on guests using gin (tags);
        create index guests_metadata_idx on guests using gin (metadata);
        create index guests_text_idx
            on guests using gin (fold(name || ' ' || coalesce(bio, '')) gin_trgm_ops);
        create trigger guests_touch before update on guests for each row execute function touch_row();
    """)


def downgrade() -> None:
    op.execute("drop table guests; drop table components; drop table backgrounds; drop table ui_elements;")
