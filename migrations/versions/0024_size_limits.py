"""A document, a text and a row of the audit log have an end."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# How long those who write may wait for us; who cannot be had in this time is asked again by another upgrade.
LOCKS = "lock_timeout = '3s'"

# Of each table, what a client may fill at length: documents, or texts of so many characters.
DOCUMENT = "document"
BOUNDS: dict[str, dict[str, int | str]] = {
    "shows": {"metadata": DOCUMENT, "description": 20_000},
    "episodes": {"metadata": DOCUMENT, "description": 20_000, "copyright": 10_000},
    "scripts": {"metadata": DOCUMENT, "change_notes": 10_000},
    "clips": {"metadata": DOCUMENT, "description": 20_000},
    "outfits": {
        **dict.fromkeys(("metadata", "top", "bottom", "shoes", "accessories"), DOCUMENT),
        "description": 20_000,
    },
    "ui_elements": {"metadata": DOCUMENT, "description": 20_000},
    "backgrounds": {"metadata": DOCUMENT, "description": 20_000},
    "components": {"metadata": DOCUMENT, "config": DOCUMENT, "description": 20_000},
    "guests": {"metadata": DOCUMENT, "social_links": DOCUMENT, "bio": 20_000},
    **{
        f"episode_{things}": {"usage_context": 10_000, "notes": 10_000}
        for things in ("outfits", "ui_elements", "backgrounds", "components", "guests")
    },
}


def upgrade() -> None:
    # Each statement by itself, so that nobody waits for more than one of them; all of them may be done again.
    with op.get_context().autocommit_block():
        op.execute(f"set {LOCKS}")
        _functions()
        for table, bounds in BOUNDS.items():
            _bound(table, bounds)
        _log()
        op.execute("reset lock_timeout")


def _functions() -> None:
    op.execute("""
        -- Measured without the spaces that PostgreSQL writes. Keys are counted only where what follows each key is
        -- written more often than there may be keys.
        create or replace function document_fits(said jsonb) returns boolean
            language sql immutable parallel safe
            return (octet_length(said::text) <= 65536
                    or octet_length(replace(replace(said::text, ', ', ','), ': ', ':')) <= 65536)
               and (length(said::text) - length(replace(said::text, '": ', '')) <= 3000
                    or (select count(*) from jsonb_path_query(
                            said, 'strict $.** ? (@.type() == "object").keyvalue()')) <= 1000)
               and not jsonb_path_exists(said, 'strict $.**{32} ? (@.type() == "object" || @.type() == "array")');
    """)
    op.execute("""
        -- A trigger and no check: it looks only at what is written, so that a row from before these bounds can still be
        -- changed in its other columns, deleted, restored and given a file. Its arguments are columns and their bounds.
        create or replace function refuse_unbounded() returns trigger language plpgsql as $$
        declare
            said jsonb := to_jsonb(new);
            was jsonb := case when tg_op = 'UPDATE' then to_jsonb(old) end;
            bound text;
        begin
            for place in 0 .. tg_nargs - 1 by 2 loop
                bound := tg_argv[place + 1];
                continue when said -> tg_argv[place] is not distinct from was -> tg_argv[place];
                if (case bound when 'document' then not document_fits(said -> tg_argv[place])
                               else char_length(said ->> tg_argv[place]) > bound::int end) then
                    raise check_violation using
                        message = format('%s of %s is larger than it may be', tg_argv[place], tg_table_name),
                        schema = tg_table_schema, table = tg_table_name, column = tg_argv[place],
                        constraint = format('%s_%s_check', tg_table_name, tg_argv[place]);
                end if;
            end loop;
            return new;
        end $$;
    """)
    op.execute("""
        -- What a log says of a row: a value of more than 8 kB by its size and its digest.
        create or replace function digested(said jsonb) returns jsonb
            language sql immutable strict parallel safe
            return (select coalesce(jsonb_object_agg(key, case when octet_length(text) > 8192
                        then jsonb_build_object('sha256', encode(sha256(convert_to(text, 'UTF8')), 'hex'),
                                                'bytes', octet_length(text)) else value end), '{}')
                    from (select key, value, value #>> '{}' as text from jsonb_each(said)) as each);
    """)
    op.execute("""
        create or replace function digest_large_values() returns trigger language plpgsql as $$
        begin
            new.before := digested(new.before);
            new.after := digested(new.after);
            return new;
        end $$;
    """)


def _bound(table: str, bounds: dict[str, int | str]) -> None:
    """Most rows are small, and cost one comparison: nothing of less than 4 kB is beyond a bound."""
    columns = ", ".join(bounds)
    sizes = ", ".join(f"pg_column_size(new.{column})" for column in bounds)
    arguments = ", ".join(f"'{column}', '{bound}'" for column, bound in bounds.items())
    op.execute(f"""
        create or replace trigger {table}_bounds before insert or update of {columns} on {table}
            for each row when (greatest({sizes}) > 4096) execute function refuse_unbounded({arguments})
    """)


def _log() -> None:
    op.execute("""
        create or replace trigger audit_log_digest before insert on audit_log
            for each row when (pg_column_size(new.before) > 8192 or pg_column_size(new.after) > 8192)
            execute function digest_large_values();
    """)


def downgrade() -> None:
    op.execute(f"set local {LOCKS}")
    op.execute("drop trigger audit_log_digest on audit_log;")
    for table in BOUNDS:
        op.execute(f"drop trigger {table}_bounds on {table};")
    op.execute("""
        drop function digest_large_values();
        drop function digested(jsonb);
        drop function refuse_unbounded();
        drop function document_fits(jsonb);
    """)
