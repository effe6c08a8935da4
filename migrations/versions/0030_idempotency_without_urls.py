"""The answers to Idempotency-Keys keep what it takes to sign their URLs anew, and no URL that is good for anything."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("set local lock_timeout = '3s'")
    op.execute("alter table idempotency_keys add presigned jsonb")
    # Who repeats such a request gets a new upload: the old one is left, and expires.
    op.execute("delete from idempotency_keys where position('X-Amz-Signature'::bytea in body) > 0")


def downgrade() -> None:
    op.execute("set local lock_timeout = '3s'")
    op.execute("delete from idempotency_keys where presigned <> '[]'")  # their marks mean nothing to what was before
    op.execute("alter table idempotency_keys drop presigned")
