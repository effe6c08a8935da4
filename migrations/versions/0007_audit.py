"""The audit log: one row per change, which nobody changes, sealed in batches by a chain of hashes."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        create table audit_log (
            audit_id bigint generated always as identity primary key,
            at timestamptz not null default clock_timestamp(),
            actor text not null,
            action text not null
                check (action in ('create', 'update', 'delete', 'restore', 'link', 'unlink', 'ingest')),
            entity_type text not null,
            entity_id uuid not null,
            before jsonb,
            after jsonb,
            request_id text not null,
            job_id uuid,
            -- rows become visible out of the order of their ids, but never below the oldest running transaction
            transaction xid8 not null default pg_current_xact_id()
        );
        create index audit_log_entity_idx on audit_log (entity_id, audit_id);
        create index audit_log_actor_idx on audit_log (actor, audit_id);
        create index audit_log_at_idx on audit_log (at);
        create index audit_log_transaction_idx on audit_log (transaction);

        create table audit_seals (
            seal_id bigint generated always as identity primary key,
            upto xid8 not null,  -- the seal is over all rows of earlier transactions that no seal before it covers
            rows bigint not null,
            hash bytea not null,
            sealed_at timestamptz not null default now()
        );

        -- what `one` says differently from `other`, but for the bookkeeping of the row itself
        create function difference(one jsonb, other jsonb) returns jsonb
            language sql immutable parallel safe
            return (select coalesce(jsonb_object_agg(key, value), '{}')
                    from jsonb_each(one)
                    where value is distinct from coalesce(other -> key, 'null')
                      and key not in ('version', 'updated_at', 'updated_by', 'created_at', 'created_by'));

        create function refuse_change() returns trigger language plpgsql as $$
        begin
            raise exception 'the audit log is only ever added to' using errcode = 'insufficient_privilege';
        end $$;
        create trigger audit_log_refuse before update or delete or truncate on audit_log
            for each statement execute function refuse_change();
        create trigger audit_seals_refuse before update or delete or truncate on audit_seals
            for each statement execute function refuse_change();
        revoke update, delete, truncate on audit_log, audit_seals from public, current_user;
    """)


def downgrade() -> None:
    op.execute("""
        drop table audit_seals;
        drop table audit_log;
        drop function refuse_change();
        drop function difference(jsonb, jsonb);
    """)
