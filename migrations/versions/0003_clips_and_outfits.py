"""Raw clips and the outfits somebody wears."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        create table clips (
            clip_id uuid primary key default uuidv7(),
            title text not null constraint clips_title_check check (char_length(title) between 1 and 500),
            description text,
            episode_id uuid constraint clips_episode_id_fkey references episodes,
            talent_source text constraint clips_talent_source_check
                check (talent_source in ('Lala', 'JustAWomanInHerPrime', 'Guest')),
            quality text constraint clips_quality_check check (quality in ('hero', 'good', 'maybe', 'reject')),
            status text not null default 'pending_review' constraint clips_status_check
                check (status in ('pending_review', 'approved', 'rejected', 'used')),
            recorded_at timestamptz,
            file_reference text constraint clips_file_reference_check check (char_length(file_reference) <= 1024),
            file_hash text constraint clips_file_hash_check check (file_hash ~ '^[0-9a-f]{64}$'),
            file_size bigint,
            mime_type text,
            width integer,
            height integer,
            duration_seconds double precision,
            frame_rate double precision,
            codec text,
            duplicate_of uuid,
            tags text[] not null default '{}',
            metadata jsonb not null default '{}'
                constraint clips_metadata_check check (jsonb_typeof(metadata) = 'object'),
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
        create index clips_created_at_idx on clips (created_at, clip_id) where deleted_at is null;
        create index clips_updated_at_idx on clips (updated_at, clip_id) where deleted_at is null;
        create index clips_title_idx on clips (title, clip_id) where deleted_at is null;
        create index clips_episode_id_idx on clips (episode_id, created_at, clip_id) where deleted_at is null;
        create index clips_status_idx on clips (status, created_at, clip_id) where deleted_at is null;
        create index clips_quality_idx on clips (quality, created_at, clip_id) where deleted_at is null;
        create index clips_talent_source_idx on clips (talent_source, created_at, clip_id) where deleted_at is null;
        create index clips_file_hash_idx on clips (file_hash) where deleted_at is null;
        create index clips_duplicates_idx on clips (created_at, clip_id)
            where deleted_at is null and duplicate_of is not null;
        create index clips_tags_idx on clips using gin (tags);
        create index clips_metadata_idx on clips using gin (metadata);
        create index clips_text_idx
            on clips using gin (fold(title || ' ' || coalesce(description, '')) gin_trgm_ops);
        create trigger clips_touch before update on clips for each row execute function touch_row();

        create table outfits (
            outfit_id uuid primary key default uuidv7(),
            name text not null constraint outfits_name_check check (char_length(name) between 1 and 255),
            description text,
            top jsonb constraint outfits_top_check check (jsonb_typeof(top) = 'object'),
            bottom jsonb constraint outfits_bottom_check check (jsonb_typeof(bottom) = 'object'),
            shoes jsonb constraint outfits_shoes_check check (jsonb_typeof(shoes) = 'object'),
            accessories jsonb not null default '[]'
                constraint outfits_accessories_check check (jsonb_typeof(accessories) = 'array'),
            brand text constraint outfits_brand_check check (char_length(brand) <= 255),
            season text constraint outfits_season_check check (char_length(season) <= 100),
            occasion text constraint outfits_occasion_check check (char_length(occasion) <= 100),
            image_reference text constraint outfits_image_reference_check
                check (char_length(image_reference) <= 1024),
            tags text[] not null default '{}',
            metadata jsonb not null default '{}'
                constraint outfits_metadata_check check (jsonb_typeof(metadata) = 'object'),
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
        create index outfits_created_at_idx on outfits (created_at, outfit_id) where deleted_at is null;
        create index outfits_updated_at_idx on outfits (updated_at, outfit_id) where deleted_at is null;
        create index outfits_name_idx on outfits (name, outfit_id) where deleted_at is null;
        create index outfits_brand_idx on outfits (brand, created_at, outfit_id) where deleted_at is null;
        create index outfits_season_idx on outfits (season, created_at, outfit_id) where deleted_at is null;
        create index outfits_occasion_idx on outfits (occasion, created_at, outfit_id) where deleted_at is null;
        create index outfits_top_idx on outfits using gin (top jsonb_path_ops);
        create index outfits_bottom_idx on outfits using gin (bottom jsonb_path_ops);
        create index outfits_shoes_idx on outfits using gin (shoes jsonb_path_ops);
        create index outfits_accessories_idx on outfits using gin (accessories jsonb_path_ops);
        create index outfits_tags_idx on outfits using gin (tags);
        create index outfits_metadata_idx on outfits using gin (metadata);
        create index outfits_text_idx
            on outfits using gin (fold(name || ' ' || coalesce(description, '')) gin_trgm_ops);
        create trigger outfits_touch before update on outfits for each row execute function touch_row();
    """)


def downgrade() -> None:
    op.execute("drop table outfits; drop table clips;")
