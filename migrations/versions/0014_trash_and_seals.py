"""What a restore looks up, what a seal remembers of each row, and the bounds that only the structs had."""

from alembic import op

revision = "0014"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        create index episodes_deleted_idx on episodes (show_id) where deleted_at is not null;
        create index clips_deleted_idx on clips (episode_id) where deleted_at is not null;

        -- Which rows a seal is over, and 32 bytes of each in the same order, so that the one that was changed can be
        -- named. Seals that were made before have neither.
        alter table audit_seals add column audit_ids bigint[], add column digests bytea;
    """)


def downgrade() -> None:
    op.execute("""
        alter table audit_seals drop column audit_ids, drop column digests;
        drop index clips_deleted_idx;
        drop index episodes_deleted_idx;
    """)
