"""Who is purged is forgotten by the audit log, too: what its rows say is redacted, and their seals hold."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

# What a seal is over: the same columns as in models/audit/seals.py.
SAID = "audit_id, at, actor, action, entity_type, entity_id, before, after, request_id, job_id, transaction"
THINGS = ("outfit_id", "ui_element_id", "background_id", "component_id", "guest_id")
KINDS = ("show", "episode", "script", "clip", "outfit", "ui_element", "background", "component", "guest")


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("set lock_timeout = '3s'")
        op.execute("""
            -- The digest that the row had before it was redacted, and what it was redacted with: the purge of that
            -- row tells the digest of what is left.
            alter table audit_log
                add column if not exists digest bytea,
                add column if not exists redacted_with uuid;
        """)
        _functions()
        _trigger()
        op.execute("reset lock_timeout")
        op.execute("drop index concurrently if exists audit_log_linked_idx")
        op.execute("""
            create index concurrently audit_log_linked_idx on audit_log (linked_thing(before, after))
                where action in ('link', 'unlink')
        """)


def _functions() -> None:
    keys = ", ".join(f"said ->> '{key}'" for key in THINGS)
    op.execute(f"""
        -- what an episode was linked with
        create or replace function linked_thing(before jsonb, after jsonb) returns text
            language sql immutable parallel safe
            return (select coalesce({keys}) from (select coalesce(after, before) as said) as link);
    """)
    op.execute(r"""
        -- What is left of what a row said: ids, numbers, times and who did it. All else may tell of a person.
        create or replace function redacted(said jsonb) returns jsonb language sql immutable parallel safe
            return case when said is not null then (
                select coalesce(jsonb_object_agg(key, case
                    when jsonb_typeof(value) in ('number', 'boolean', 'null') then value
                    when key ~ '^(created|updated|deleted|restored|linked)_by$' then value
                    when value #>> '{}' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then value
                    when key ~ '_(at|date|deadline)$' then value
                    else '"[redacted]"' end), '{}')
                from jsonb_each(said)) end;
    """)
    said = ", ".join(f"(one).{column}" for column in SAID.split(", "))
    op.execute(f"""
        create or replace function audit_digest(one audit_log) returns bytea language sql stable
            set timezone = 'UTC'
            return sha256(convert_to((select to_jsonb(said)\\:\\:text from (select {said}) as said), 'UTF8'));
    """)
    kinds = ", ".join(f"'{kind}'" for kind in KINDS)
    op.execute(f"""
        -- Redact what the log says of a thing that is gone: all its rows, and those of links with it. The digest of
        -- each as it is now, by its number; whoever asks must keep them in the row of the purge.
        create or replace function redact(kind text, gone uuid) returns jsonb language plpgsql
            security definer set search_path = public, pg_temp set timezone = 'UTC' as $$
        declare
            living boolean;
            done jsonb;
        begin
            if kind not in ({kinds}) then
                raise exception 'there are no such things' using errcode = 'invalid_parameter_value';
            end if;
            execute format('select exists (select from %I where %I = $1)', kind || 's', kind || '_id')
                into living using gone;
            if living then
                raise exception 'what is there is not redacted' using errcode = 'insufficient_privilege';
            end if;
            with changed as (
                update audit_log as one
                set before = redacted(before), after = redacted(after), digest = audit_digest(one),
                    redacted_with = gone
                where redacted_with is null
                  and ((entity_type = kind and entity_id = gone and action <> 'purge')
                    or (action in ('link', 'unlink') and linked_thing(before, after) = gone\\:\\:text))
                  and not exists (select from audit_seals where digests is null and upto > one.transaction)
                returning one.audit_id, audit_digest(one) as digest
            )
            select coalesce(jsonb_object_agg(audit_id, encode(changed.digest, 'hex')), '{{}}') from changed into done;
            return done;
        end $$;
    """)
    op.execute("revoke all on function redact(text, uuid) from public")


def _trigger() -> None:
    op.execute("""
        -- A row is only ever redacted, once, and keeps the digest that it had.
        create or replace function refuse_all_but_redaction() returns trigger language plpgsql
            set timezone = 'UTC' as $$
        begin
            if old.redacted_with is not null or new.redacted_with is null
                or new.digest is distinct from audit_digest(old)
                or (new.audit_id, new.at, new.actor, new.action, new.entity_type, new.entity_id, new.before, new.after,
                    new.request_id, new.job_id, new.transaction) is distinct from
                   (old.audit_id, old.at, old.actor, old.action, old.entity_type, old.entity_id, redacted(old.before),
                    redacted(old.after), old.request_id, old.job_id, old.transaction)
            then
                raise exception 'the audit log is only ever added to' using errcode = 'insufficient_privilege';
            end if;
            return new;
        end $$;
    """)
    op.execute("""
        create or replace trigger audit_log_refuse before delete or truncate on audit_log
            for each statement execute function refuse_change();
    """)
    op.execute("""
        create or replace trigger audit_log_refuse_update before update on audit_log
            for each row execute function refuse_all_but_redaction();
    """)
    op.execute("grant update (before, after, digest, redacted_with) on audit_log to current_user")


def downgrade() -> None:
    """What is redacted stays so: rows that say less than their seals are found to be changed then."""
    op.execute("""
        revoke update (before, after, digest, redacted_with) on audit_log from current_user;
        drop trigger audit_log_refuse_update on audit_log;
        create or replace trigger audit_log_refuse before update or delete or truncate on audit_log
            for each statement execute function refuse_change();
        drop function refuse_all_but_redaction();
        drop function redact(text, uuid);
        drop function audit_digest(audit_log);
        drop function redacted(jsonb);
        drop index audit_log_linked_idx;
        drop function linked_thing(jsonb, jsonb);
        alter table audit_log drop column digest, drop column redacted_with;
    """)
