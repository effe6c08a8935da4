"""Webhooks: who is told of what, and each delivery, written in the transaction of what it tells."""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

# How long those who write may wait for us; who cannot be had in this time is asked again by another upgrade.
LOCKS = "lock_timeout = '3s'"


def upgrade() -> None:
    # Each statement by itself: who ends a job writes to both tables that get a trigger, so that to hold one of them and
    # to wait for the other might be a deadlock. All of them may be done again.
    with op.get_context().autocommit_block():
        op.execute(f"set {LOCKS}")
        _tables()
        _announce()
        _entities()
        _jobs()
        _batches()
        op.execute("reset lock_timeout")


def _tables() -> None:
    op.execute("""
        create table if not exists webhooks (
            webhook_id uuid primary key default uuidv7(),
            url text not null check (char_length(url) <= 2048),
            events text[] not null check (cardinality(events) > 0),
            entity_types text[],  -- null: of any
            show_id uuid,  -- null: of any, and of none
            secret text not null,
            created_by text not null,
            created_at timestamptz not null default clock_timestamp(),
            failing_since timestamptz,  -- the first failure after the last success
            disabled_at timestamptz,
            disabled_reason text,
            check ((disabled_at is null) = (disabled_reason is null))
        );
        create index if not exists webhooks_created_by_idx on webhooks (created_by, webhook_id);

        grant select (disabled_at) on webhooks to public;

        create table if not exists webhook_deliveries (
            delivery_id uuid primary key default uuidv7(),
            webhook_id uuid not null references webhooks on delete cascade,
            event_id uuid not null,  -- the same for all webhooks that are told
            event text not null,
            entity_id uuid not null,  -- those of one go in order
            body text not null,
            position bigint generated always as identity,
            status text not null default 'pending' check (status in ('pending', 'succeeded', 'failed')),
            attempts integer not null default 0,
            retried_attempts integer not null default 0,  -- those before it was last begun by hand
            due_at timestamptz not null default clock_timestamp(),
            give_up_at timestamptz not null default clock_timestamp() + interval '3 days',
            lease_expires_at timestamptz,
            created_at timestamptz not null default clock_timestamp(),
            finished_at timestamptz
        );
        create index if not exists webhook_deliveries_page_idx on webhook_deliveries (webhook_id, position);
        create index if not exists webhook_deliveries_due_idx on webhook_deliveries (webhook_id, due_at)
            where status = 'pending';
        create index if not exists webhook_deliveries_order_idx on webhook_deliveries (webhook_id, entity_id, position)
            where status = 'pending';
        create index if not exists webhook_deliveries_leased_idx on webhook_deliveries (webhook_id)
            where status = 'pending' and lease_expires_at is not null;
        create index if not exists webhook_deliveries_finished_idx on webhook_deliveries (finished_at)
            where finished_at is not null;

        create table if not exists webhook_attempts (
            delivery_id uuid not null references webhook_deliveries on delete cascade,
            attempt integer not null,
            started_at timestamptz not null default clock_timestamp(),
            finished_at timestamptz,
            status_code integer,
            error text,
            response text,
            primary key (delivery_id, attempt)
        );
    """)


def _announce() -> None:
    op.execute("""
        -- A structured CloudEvent. Its subject is a path below its source.
        create or replace function cloud_event(event_id uuid, of_event text, subject text, about jsonb) returns text
            language sql
            return jsonb_build_object(
                'specversion', '1.0', 'id', event_id, 'type', of_event, 'source', '/api/v1', 'subject', subject,
                'time', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24\\:MI\\:SS.US"Z"'),
                'datacontenttype', 'application/json', 'data', about)\\:\\:text;

        -- One event to each webhook that wants it. It runs as the owner: programs that write while this is migrated
        -- have no rights on its tables yet, but for the one look that every change takes.
        create or replace function announce(
            of_event text, kind text, of_show uuid, ordered_by uuid, subject text, about jsonb
        ) returns void language plpgsql security definer set search_path = public, pg_temp as $$
        declare
            event constant uuid := uuidv7();
        begin
            insert into webhook_deliveries (webhook_id, event_id, event, entity_id, body)
            select webhook_id, event, of_event, ordered_by, cloud_event(event, of_event, subject, about)
            from webhooks
            where disabled_at is null
              and events && array[of_event, split_part(of_event, '.', 1) || '.*']
              and (entity_types is null or kind = any(entity_types)) and (show_id is null or show_id = of_show);
        end $$;

        -- The row of an entity, and the show that it belongs to, by itself or by its episode.
        create or replace function entity_row(kind text, id uuid) returns jsonb language plpgsql stable as $$
        declare
            it jsonb;
        begin
            execute format('select to_jsonb(it) from %I as it where %I = $1', kind || 's', kind || '_id')
                into it using id;
            return it;
        end $$;
        create or replace function show_of(it jsonb) returns uuid language sql stable
            return coalesce((it ->> 'show_id')\\:\\:uuid, (
                select episodes.show_id from episodes where episode_id = (it ->> 'episode_id')\\:\\:uuid));
    """)


def _entities() -> None:
    op.execute("""
        -- A change of an entity has a row in the audit log whoever makes it. What has no trash is no entity.
        create or replace function entity_changed() returns trigger language plpgsql as $$
        declare
            event text;
            it jsonb;
            of_show uuid;
        begin
            if not exists (select from webhooks where disabled_at is null) then
                return null;
            end if;
            if not exists (
                select from pg_attribute where attname = 'deleted_at' and attrelid =
                    to_regclass(format('public.%I', new.entity_type || 's'))
            ) then
                return null;
            end if;
            event := 'entity.' || case new.action when 'create' then 'created' when 'delete' then 'deleted'
                                                  when 'restore' then 'restored' else 'changed' end;
            it := entity_row(new.entity_type, new.entity_id);
            of_show := show_of(it);
            perform announce(event, new.entity_type, of_show, new.entity_id,
                replace(new.entity_type, '_', '-') || 's/' || new.entity_id, jsonb_build_object(
                    'entity_type', new.entity_type, 'entity_id', new.entity_id, 'show_id', of_show,
                    'version', it -> 'version', 'actor', new.actor, 'job_id', new.job_id,
                    'request_id', new.request_id));
            return null;
        end $$;
        create or replace trigger audit_log_announced after insert on audit_log for each row
            when (new.action in ('create', 'update', 'delete', 'restore', 'ingest'))
            execute function entity_changed();
    """)


def _jobs() -> None:
    op.execute("""
        create or replace function job_announced() returns trigger language plpgsql as $$
        declare
            of_show uuid;
        begin
            if not exists (select from webhooks where disabled_at is null) then
                return null;
            end if;
            of_show := show_of(entity_row(new.entity_type, new.entity_id));
            perform announce('job.' || new.status, new.entity_type, of_show, new.entity_id,
                'ingest/' || new.job_id, jsonb_build_object(
                    'job_id', new.job_id, 'batch_id', new.batch_id, 'entity_type', new.entity_type,
                    'entity_id', new.entity_id, 'show_id', of_show, 'role', new.role, 'status', new.status,
                    'outcome', new.outcome, 'error', case when new.error_code is not null then
                        jsonb_build_object('code', new.error_code, 'message', new.error_message) end,
                    'source_reference', new.source_reference, 'request_id', new.request_id));
            return null;
        end $$;
        create or replace trigger ingest_jobs_announced after update on ingest_jobs for each row
            when (old.finished_at is null and new.finished_at is not null and new.kind <> 'housekeeping'
                  and new.status in ('succeeded', 'failed'))
            execute function job_announced();
    """)


def _batches() -> None:
    op.execute("""
        -- A batch is of no entity and no show.
        create or replace function batch_announced() returns trigger language plpgsql as $$
        begin
            if exists (select from webhooks where disabled_at is null) then
                perform announce('batch.ended', null, null, new.batch_id,
                    'ingest/batches/' || new.batch_id, jsonb_build_object(
                        'batch_id', new.batch_id, 'name', new.name, 'created_by', new.created_by,
                        'finished_at', new.finished_at));
            end if;
            return null;
        end $$;

        create or replace trigger batches_announced after update on batches for each row
            when (old.finished_at is null and new.finished_at is not null)
            execute function batch_announced();
    """)


def downgrade() -> None:
    op.execute(f"set local {LOCKS}")
    op.execute("""
        drop trigger batches_announced on batches;
        drop trigger ingest_jobs_announced on ingest_jobs;
        drop trigger audit_log_announced on audit_log;
        drop function batch_announced();
        drop function job_announced();
        drop function entity_changed();
        drop function show_of(jsonb);
        drop function entity_row(text, uuid);
        drop function announce(text, text, uuid, uuid, text, jsonb);
        drop function cloud_event(uuid, text, text, jsonb);
        drop table webhook_attempts;
        drop table webhook_deliveries;
        drop table webhooks;
    """)
