"""Jobs of another kind than ingest, of which an entity has one at a time; when a content's pictures were made."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

ACTIONS = "'create', 'update', 'delete', 'restore', 'link', 'unlink', 'ingest', 'retry', 'cancel', 'pause', 'resume'"


def upgrade() -> None:
    op.execute(f"""
        alter table ingest_jobs add column kind text not null default 'ingest'
            constraint ingest_jobs_kind_check check (kind in ('ingest', 'reprocess'));

        -- However often and by however many somebody asks for the same work: it waits, or is done, once.
        create unique index ingest_jobs_once_idx on ingest_jobs (kind, entity_type, entity_id)
            where kind <> 'ingest' and status in ('queued', 'running');

        alter table files add column rendered_at timestamptz;  -- its pictures; empty means when it was stored

        alter table audit_log drop constraint audit_log_action_check,
            add constraint audit_log_action_check check (action in ({ACTIONS}, 'reprocess'));
    """)


def downgrade() -> None:
    # A job of another kind is none that the programs before could do. The log keeps what it says.
    op.execute(f"""
        alter table audit_log drop constraint audit_log_action_check,
            add constraint audit_log_action_check check (action in ({ACTIONS})) not valid;
        do $$ begin
            alter table audit_log validate constraint audit_log_action_check;
        exception when check_violation then null;
        end $$;
        alter table files drop column rendered_at;
        delete from ingest_jobs where kind <> 'ingest';
        drop index ingest_jobs_once_idx;
        alter table ingest_jobs drop column kind;
    """)
