"""The first answer to each Idempotency-Key."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        create table idempotency_keys (
            caller text not null,
            key text not null,
            request_hash bytea not null,
            status smallint,
            headers jsonb,
            body bytea,
            created_at timestamptz not null default now(),
            primary key (caller, key)
        );
        create index idempotency_keys_created_at_idx on idempotency_keys (created_at);
    """)


def downgrade() -> None:
    op.execute("drop table idempotency_keys;")
