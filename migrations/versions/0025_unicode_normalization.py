"""Texts that are there already get their normal form, NFC, and tags are a set.

What comes in gets it from the API. Where a text would outgrow its bound by it, the text stays as it is.
"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# How long those who write may wait for us; who cannot be had in this time is asked again by another upgrade.
LOCKS = "lock_timeout = '3s'"
CHUNK = 500  # rows of a transaction

# Of each table, its texts and how long each may be; names of shows come last, and one by one.
TEXTS: dict[str, dict[str, int]] = {
    "shows": {"description": 20_000},
    "episodes": {
        "title": 500,
        "description": 20_000,
        "script_text": 1_000_000,
        "category": 100,
        "copyright": 10_000,
        "uploaded_by": 100,
        "original_approver": 100,
    },
    "scripts": {"title": 500, "content": 1_000_000, "change_notes": 10_000},
    "clips": {"title": 500, "description": 20_000},
    "outfits": {"name": 255, "description": 20_000, "brand": 255, "season": 100, "occasion": 100},
    **{table: {"name": 255, "description": 20_000} for table in ("ui_elements", "backgrounds", "components")},
    "guests": {"name": 255, "bio": 20_000, "email": 254},
}
DOCUMENTS = {
    "outfits": ("top", "bottom", "shoes", "accessories", "metadata"),
    "components": ("config", "metadata"),
    "guests": ("social_links", "metadata"),
}
TAGGED = ("episodes", "clips", "outfits", "ui_elements", "backgrounds", "components", "guests")
LINKED = ("outfits", "ui_elements", "backgrounds", "components", "guests")


def upgrade() -> None:
    # Each chunk by itself, so that nobody waits for more than one of them; all of it may be done again.
    with op.get_context().autocommit_block():
        op.execute(f"set {LOCKS}")
        _functions()
        for table in TEXTS:
            _mend(table)
        for table in LINKED:
            _mend_links(table)
        _name_shows()
        for table in TAGGED:
            _make_sets(table)
        _drop_functions()
        op.execute("reset lock_timeout")


def _functions() -> None:
    op.execute("""
        create or replace function normal_text(value text, most int) returns text
            language sql immutable strict parallel safe
            return case when char_length(normalize(value)) <= most then normalize(value) else value end;
    """)
    op.execute("""
        create or replace function normal_tags(tags text[]) returns text[]
            language sql immutable strict parallel safe
            return array(select tag from (
                select normal_text(tag, 100) as tag, min(place) as place
                from unnest(tags) with ordinality as one (tag, place) group by 1) as kept order by place);
    """)
    op.execute("""
        -- A key whose normal form the object has as another key stays as it is.
        create or replace function normal_value(value jsonb) returns jsonb language plpgsql immutable as $$
        begin
            return case jsonb_typeof(value)
                when 'string' then to_jsonb(normalize(value #>> '{}'))
                when 'array' then (select coalesce(jsonb_agg(normal_value(one) order by place), '[]')
                                   from jsonb_array_elements(value) with ordinality as each (one, place))
                when 'object' then (
                    select coalesce(jsonb_object_agg(
                        case when value ? normalize(key) then key else normalize(key) end, normal_value(one)), '{}')
                    from jsonb_each(value) as each (key, one))
                else value end;
        end $$;
    """)
    op.execute("""
        create or replace function normal_document(value jsonb) returns jsonb language plpgsql immutable strict as $$
        declare
            normal jsonb := normal_value(value);
        begin
            return case when document_fits(normal) then normal else value end;
        end $$;
    """)


def _mend(table: str) -> None:
    """The rows of a table in the order of their keys, each change with its row in the audit log and in the outbox."""
    kind, key = table.removesuffix("s"), f"{table.removesuffix('s')}_id"
    documents = DOCUMENTS.get(table, ("metadata",))
    normal = {column: f"normal_text({column}, {most})" for column, most in TEXTS[table].items()}
    normal |= {column: f"normal_document({column})" for column in documents}
    odd = [f"concat_ws(' ', {', '.join((*TEXTS[table], *(f'{one}::text' for one in documents)))}) is not normalized"]
    if table in TAGGED:
        normal["tags"] = "normal_tags(tags)"
        odd.append("tags <> normal_tags(tags)")
    columns = ", ".join(normal)
    update = f"""
        with mended as (
            update {table} as it set ({columns}) = (select {", ".join(normal.values())}) where {key} = any(chosen)
                and ({" or ".join(odd)}) and row({columns}) is distinct from row({", ".join(normal.values())})
            returning {key} as id, to_jsonb(old) as was, to_jsonb(new) as became
        ), audited as (
            insert into audit_log (actor, action, entity_type, entity_id, before, after, request_id)
            select 'migration', 'update', '{kind}', id, difference(was, became), difference(became, was),
                   'migration-0025' from mended
        )
        insert into outbox (entity_type, entity_id) select '{kind}', id from mended
    """
    if table == "scripts":  # a version is never changed; it says the same
        update = f"""
            if exists (select from scripts where script_id = any(chosen) and ({" or ".join(odd)})) then
                alter table scripts disable trigger scripts_refuse;
                {update};
                alter table scripts enable trigger scripts_refuse;
            end if
        """
    _by_chunks(table, key, update)


def _by_chunks(table: str, key: str, statement: str) -> None:
    op.execute(f"""
        do $$
        declare
            last uuid := '00000000-0000-0000-0000-000000000000';
            chosen uuid[];
        begin
            loop
                chosen := array(select {key} from {table} where {key} > last order by {key} limit {CHUNK});
                exit when cardinality(chosen) = 0;
                last := chosen[cardinality(chosen)];
                {statement};
                commit;
            end loop;
        end $$
    """)


def _mend_links(things: str) -> None:
    """By their episodes, in whose history each change of a link stands."""
    link = f"episode_{things}"
    texts = {"usage_context": 10_000, "notes": 10_000} | ({"worn_by": 255} if things == "outfits" else {})
    columns = ", ".join(texts)
    normal = ", ".join(f"normal_text({column}, {most})" for column, most in texts.items())
    _by_chunks(
        "episodes",
        "episode_id",
        f"""
        with mended as (
            update {link} set ({columns}) = (select {normal}) where episode_id = any(chosen)
                and concat_ws(' ', {columns}) is not normalized and row({columns}) is distinct from row({normal})
            returning new.episode_id as id, to_jsonb(old) as was, to_jsonb(new) as became
        )
        insert into audit_log (actor, action, entity_type, entity_id, before, after, request_id)
        select 'migration', 'link', 'episode', id, link_said(was), link_said(became), 'migration-0025' from mended
        """,
    )


def _name_shows() -> None:
    """Where a living show has the normal name already, this one is told apart by a number."""
    op.execute("""
        create or replace function free_name(wanted text, of uuid) returns text language plpgsql as $$
        declare
            free text := wanted;
            number int := 1;
        begin
            while exists (select from shows where name = free and deleted_at is null and show_id <> of) loop
                number := number + 1;
                free := left(wanted, 255 - length(format(' (%s)', number))) || format(' (%s)', number);
            end loop;
            return free;
        end $$;
    """)
    op.execute("""
        create or replace function normal_name() returns trigger language plpgsql as $$
        begin
            new.name := normalize(new.name);
            return new;
        end $$;
    """)
    op.execute("""
        do $$
        declare
            odd record;
        begin
            for odd in select show_id, normal_text(name, 255) as wanted, deleted_at is null as living from shows
                       where name is not normalized and name <> normal_text(name, 255) order by show_id loop
                with mended as (
                    update shows set name = case when odd.living then free_name(odd.wanted, odd.show_id)
                                                 else odd.wanted end
                    where show_id = odd.show_id
                    returning show_id as id, to_jsonb(old) as was, to_jsonb(new) as became
                ), audited as (
                    insert into audit_log (actor, action, entity_type, entity_id, before, after, request_id)
                    select 'migration', 'update', 'show', id, difference(was, became), difference(became, was),
                           'migration-0025' from mended
                )
                insert into outbox (entity_type, entity_id) select 'show', id from mended;
                commit;
            end loop;
        end $$
    """)
    # Whoever else writes: no name is taken in one form and free in another.
    op.execute("""
        create or replace trigger shows_name_form before insert or update of name on shows
            for each row when (new.name is not normalized) execute function normal_name()
    """)


def _make_sets(table: str) -> None:
    """A list of lexemes has each once. An empty tag, which is none, is refused by the check before this one."""
    op.execute(f"""
        alter table {table} drop constraint if exists {table}_tags_set,
            add constraint {table}_tags_set check (length(array_to_tsvector(tags)) = cardinality(tags)) not valid
    """)
    op.execute(f"alter table {table} validate constraint {table}_tags_set")


def _drop_functions() -> None:
    op.execute("""
        drop function free_name(text, uuid);
        drop function normal_document(jsonb);
        drop function normal_value(jsonb);
        drop function normal_tags(text[]);
        drop function normal_text(text, int);
    """)


def downgrade() -> None:
    """Texts keep their form: what they were before said the same."""
    op.execute(f"set local {LOCKS}")
    for table in TAGGED:
        op.execute(f"alter table {table} drop constraint {table}_tags_set")
    op.execute("""
        drop trigger shows_name_form on shows;
        drop function normal_name();
    """)
