"""A resource gets all its triggers by one call, and no view or function of the database lists resources any more.

What lists are needed, the code derives from its catalog.
"""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

# How long those who write may wait for us; who cannot be had in this time is asked again by another upgrade.
LOCKS = "lock_timeout = '3s'"
LINKED = ("outfits", "ui_elements", "backgrounds", "components", "guests")


def upgrade() -> None:
    # Each statement by itself, so that nobody waits for more than one of them; all of them may be done again.
    with op.get_context().autocommit_block():
        op.execute(f"set {LOCKS}")
        _usage()
        _catalog()
        _log()
        op.execute("drop view if exists held_references")
        op.execute("drop view if exists mentioned_references")
        op.execute("reset lock_timeout")


def _usage() -> None:
    op.execute("""
        -- An episode is deleted or restored: what it is linked with, of one table, counts its uses again.
        create or replace function count_usage_of_episode() returns trigger language plpgsql as $$
        declare
            used uuid[];
        begin
            execute format('select array(select %I from %I where episode_id = $1)',
                           tg_argv[1], 'episode_' || tg_argv[0]) into used using new.episode_id;
            perform count_usage(tg_argv[0], tg_argv[1], used);
            return null;
        end $$;
    """)
    op.execute("""
        create or replace function catalog_usage(resource text) returns void language plpgsql as $$
        begin
            execute format('
                create or replace trigger %I after update of deleted_at on episodes for each row
                    when ((old.deleted_at is null) <> (new.deleted_at is null))
                    execute function count_usage_of_episode(%L, %L)
            ', 'episodes_usage_of_' || resource, resource, left(resource, -1) || '_id');
        end $$;
    """)
    for table in LINKED:
        op.execute(f"select catalog_usage('{table}')")
    op.execute("drop trigger if exists episodes_usage on episodes")
    op.execute("drop function if exists episode_came_or_went()")


def _catalog() -> None:
    op.execute("""
        -- What any table of rows with a trash needs: the version and time of each change, the bounds of its documents,
        -- and that who names an object takes the mark of an orphan from it.
        create or replace function catalog_rows(resource text, unless_only_used boolean) returns void
            language plpgsql as $$
        declare
            documents text;
            sizes text;
            bounds text;
        begin
            execute format('
                create or replace trigger %I before update on %I for each row %s execute function touch_row()
            ', resource || '_touch', resource, case when unless_only_used then
                'when (new.usage_count = old.usage_count and new.last_used_at is not distinct from old.last_used_at)'
            end);
            execute format('
                create or replace trigger %I after insert or update on %I for each row
                    when (new::text like ''%%s3://%%'') execute function row_spares_objects()
            ', resource || '_spare_objects', resource);
            select string_agg(quote_ident(attname), ', '),
                   string_agg(format('pg_column_size(new.%I)', attname), ', '),
                   string_agg(format('%L, ''document''', attname), ', ')
            into documents, sizes, bounds
            from pg_attribute where attrelid = resource::regclass and atttypid = 'jsonb'::regtype and not attisdropped;
            execute format('
                create or replace trigger %I before insert or update of %s on %I for each row
                    when (greatest(%s) > 4096) execute function refuse_unbounded(%s)
            ', resource || '_bounds', documents, resource, sizes, bounds);
        end $$;
    """)
    op.execute("""
        -- Whether jobs may be for what such a table holds.
        create or replace function catalog_jobs(entity_type text, allowed boolean) returns void language plpgsql as $$
        declare
            known text[];
        begin
            select array_remove(array_agg(parts[1]), entity_type) into known
            from pg_constraint, regexp_matches(pg_get_constraintdef(oid), '''(\\w+)''', 'g') as quoted (parts)
            where conrelid = 'ingest_jobs'::regclass and conname = 'ingest_jobs_entity_type_check';
            if allowed then
                known := known || entity_type;
            end if;
            execute format('
                alter table ingest_jobs drop constraint ingest_jobs_entity_type_check,
                    add constraint ingest_jobs_entity_type_check check (entity_type in (%s))
            ', (select string_agg(quote_literal(name), ', ') from unnest(known) as name));
        end $$;
    """)
    op.execute("""
        -- All that the migration of a new resource calls once its tables are there: the one of its rows, and where they
        -- are linked with episodes the one of its links.
        create or replace function catalog_resource(
            resource text, takes_files boolean default false, linked boolean default false
        ) returns void language plpgsql as $$
        declare
            key constant text := left(resource, -1) || '_id';
            link constant text := 'episode_' || resource;
        begin
            perform catalog_rows(resource, linked);
            if takes_files then
                perform catalog_jobs(left(resource, -1), true);
            end if;
            if linked then
                execute format('
                    create or replace trigger %I before update on %I for each row execute function touch_row()
                ', link || '_touch', link);
                execute format('
                    create or replace trigger %I after insert or delete on %I for each row
                        execute function link_came_or_went(%L, %L)
                ', link || '_usage', link, resource, key);
                perform catalog_usage(resource);
            end if;
        end $$;
    """)
    op.execute("""
        -- And its way back, before the tables go.
        create or replace function catalog_resource_gone(resource text) returns void language plpgsql as $$
        begin
            execute format('drop trigger if exists %I on episodes', 'episodes_usage_of_' || resource);
            delete from ingest_jobs where entity_type = left(resource, -1);
            perform catalog_jobs(left(resource, -1), false);
        end $$;
    """)


def _log() -> None:
    op.execute(r"""
        -- What an episode was linked with: the other id that the row of a link holds.
        create or replace function linked_thing(before jsonb, after jsonb) returns text
            language sql immutable parallel safe
            return (select value #>> '{}' from jsonb_each(coalesce(after, before))
                    where key like '%\_id' and key <> 'episode_id' limit 1);
    """)
    _redact("""
        if not exists (
            select from pg_attribute
            where attrelid = to_regclass(format('public.%I', kind || 's')) and attname = 'deleted_at'
        ) then
    """)


def _redact(unknown: str) -> None:
    op.execute(f"""
        -- Redact what the log says of a thing that is gone: all its rows, and those of links with it. The digest of
        -- each as it is now, by its number; whoever asks must keep them in the row of the purge.
        create or replace function redact(kind text, gone uuid) returns jsonb language plpgsql
            security definer set search_path = public, pg_temp set timezone = 'UTC' as $$
        declare
            living boolean;
            done jsonb;
        begin
            {unknown.strip()}
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


THINGS = tuple(f"{table.removesuffix('s')}_id" for table in LINKED)
TABLES = ("shows", "episodes", "scripts", "clips", *LINKED)
# Where rows say in a column of its own which object they show: entity type, table, key, column, role.
HOLDERS = (
    ("clip", "clips", "clip_id", "file_reference", "primary"),
    ("outfit", "outfits", "outfit_id", "image_reference", "primary"),
    ("ui_element", "ui_elements", "ui_element_id", "file_reference", "primary"),
    ("background", "backgrounds", "background_id", "file_reference", "primary"),
    ("component", "components", "component_id", "file_reference", "primary"),
    ("guest", "guests", "guest_id", "photo_reference", "primary"),
    ("episode", "episodes", "episode_id", "thumbnail_reference", "thumbnail"),
    ("episode", "episodes", "episode_id", "trailer_reference", "trailer"),
    ("episode", "episodes", "episode_id", "script_file_reference", "script"),
    ("episode", "scripts", "episode_id", "file_reference", "script"),
)
# Where they may say it in passing.
MENTIONS = (
    *((table, "metadata") for table in TABLES),
    *(("outfits", column) for column in ("top", "bottom", "shoes", "accessories")),
    ("components", "config"),
    ("guests", "social_links"),
    *((table, "description") for table in TABLES if table not in ("scripts", "guests")),
    ("episodes", "script_text"),
    ("scripts", "content"),
    ("scripts", "change_notes"),
    ("guests", "bio"),
)


def downgrade() -> None:
    op.execute(f"set local {LOCKS}")
    _views()
    kinds = ", ".join(f"'{table.removesuffix('s')}'" for table in TABLES)
    _redact(f"if kind not in ({kinds}) then")
    keys = ", ".join(f"said ->> '{key}'" for key in THINGS)
    op.execute(f"""
        create or replace function linked_thing(before jsonb, after jsonb) returns text
            language sql immutable parallel safe
            return (select coalesce({keys}) from (select coalesce(after, before) as said) as link);
    """)
    op.execute("""
        drop function catalog_resource(text, boolean, boolean);
        drop function catalog_resource_gone(text);
        drop function catalog_jobs(text, boolean);
        drop function catalog_rows(text, boolean);
        drop function catalog_usage(text);
    """)
    _one_trigger_of_all()


def _views() -> None:
    held = " union all ".join(
        f"select '{kind}' as entity_type, {key} as entity_id, '{role}' as role, {column} as reference"
        f" from {table} where {column} is not null"
        for kind, table, key, column, role in HOLDERS
    )
    said = " union all ".join(
        f"select {column}::text as said from {table} where {column}::text like '%s3://%'" for table, column in MENTIONS
    )
    op.execute(f"""
        create view held_references as {held};
        create view mentioned_references as
            select unnest(array[found[1], rtrim(found[1], '.-')]) as reference
            from ({said}) as texts, regexp_matches(said, '(s3://[A-Za-z0-9._/-]+)', 'g') as found;
    """)


def _one_trigger_of_all() -> None:
    counted = "\n".join(
        f"""        perform count_usage('{table}', '{key}',
            array(select {key} from episode_{table} where episode_id = new.episode_id));"""
        for table, key in zip(LINKED, THINGS, strict=True)
    )
    op.execute(f"""
    create function episode_came_or_went() returns trigger language plpgsql as $$
    begin
{counted}
        return null;
    end $$;
    """)
    op.execute("""
        create trigger episodes_usage after update of deleted_at on episodes for each row
            when ((old.deleted_at is null) <> (new.deleted_at is null)) execute function episode_came_or_went();
    """)
    for table in LINKED:
        op.execute(f"drop trigger episodes_usage_of_{table} on episodes")
    op.execute("drop function count_usage_of_episode()")
