"""Keys for machines, by the SHA-256 of each."""

from alembic import op

revision = "0036"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
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
    op.execute("drop table api_keys")
