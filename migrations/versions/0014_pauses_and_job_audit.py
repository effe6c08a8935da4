"""Pauses of lanes and stages, and the audit of what is done to jobs."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

BEFORE = "'create', 'update', 'delete', 'restore', 'link', 'unlink', 'ingest'"


def upgrade() -> None:
    op.execute(f"""
        create table ingest_pauses (
            name text primary key check (name in
                ('interactive', 'batch', 'backfill', 'ingest', 'deduplicate', 'thumbnail', 'index')),
            pause_id uuid not null unique default uuidv7(),
            reason text not null check (char_length(reason) between 1 and 1000),
            paused_by text not null,
            paused_at timestamptz not null default clock_timestamp(),
            until timestamptz not null
        );

        alter table audit_log drop constraint audit_log_action_check,
            add constraint audit_log_action_check check (action in ({BEFORE}, 'retry', 'cancel', 'pause', 'resume'));
    """)


def downgrade() -> None:
    # The log keeps what it says: where that is more than the check allowed before, the check is for new rows.
    op.execute(f"""
        alter table audit_log drop constraint audit_log_action_check,
            add constraint audit_log_action_check check (action in ({BEFORE})) not valid;
        do $$ begin
            alter table audit_log validate constraint audit_log_action_check;
        exception when check_violation then null;
        end $$;
        drop table ingest_pauses;
    """)
