"""What was announced of a file, kept until it has arrived: parts, size and hash are held against it."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        create table uploads (
            file_reference text primary key,
            owner text not null,  -- who announced it
            file_type text not null,
            file_size bigint not null check (file_size > 0),
            sha256 text check (sha256 ~ '^[0-9a-f]{64}$'),
            upload_id text,  -- the storage's, of an upload in parts
            part_size bigint check (part_size > 0),
            created_at timestamptz not null default clock_timestamp(),
            check ((upload_id is null) = (part_size is null))
        );
        create index uploads_created_idx on uploads (created_at);
    """)


def downgrade() -> None:
    op.execute("drop table uploads")
