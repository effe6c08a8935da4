"""Keys for machines, by the SHA-256 of each.

Search finds an outfit by who wears it, and a script says where its text stands.
"""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


# How long those who write may wait for us; who cannot be had in this time is asked again by another upgrade.
LOCKS = "lock_timeout = '3s'"


def upgrade() -> None:
    op.execute(f"set local {LOCKS}")
    _keys()
    op.execute("""
        -- Whoever changes or purges a link has the outfit's document say so.
        create function announce_worn_outfit() returns trigger language plpgsql as $$
        begin
            insert into outbox (entity_type, entity_id) values ('outfit', coalesce(new.outfit_id, old.outfit_id));
            return null;
        end $$;
        create trigger episode_outfits_announce after insert or delete or update of worn_by on episode_outfits
            for each row execute function announce_worn_outfit();
        insert into outbox (entity_type, entity_id)
        select distinct 'outfit', outfit_id from episode_outfits where worn_by is not null;
        alter table scripts add column content_source text not null
            generated always as (case when content is null then 'file' else 'text' end) virtual
            constraint scripts_content_source_check check (content_source in ('text', 'file'));
    """)


def _keys() -> None:
    op.execute("""
        create table api_keys (
            key_id uuid primary key default uuidv7(),
            name text not null constraint api_keys_name_check check (char_length(name) between 1 and 100),
            role text not null constraint api_keys_role_check check (role in ('viewer', 'editor', 'admin')),
            network cidr,
            hash bytea not null constraint api_keys_hash_key unique check (octet_length(hash) = 32),
            created_at timestamptz not null default clock_timestamp(),
            created_by text not null,
            expires_at timestamptz not null,
            last_used_at timestamptz,
            revoked_at timestamptz,
            revoked_by text,
            check ((revoked_at is null) = (revoked_by is null))
        );
        create unique index api_keys_name_idx on api_keys (name) where revoked_at is null;
    """)


def downgrade() -> None:
    op.execute(f"set local {LOCKS}")
    op.execute("""
        alter table scripts drop column content_source;
        drop trigger episode_outfits_announce on episode_outfits;
        drop function announce_worn_outfit();
        drop table api_keys;
    """)
