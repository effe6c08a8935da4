"""A reference is a text or null, never empty; a name or a title is more than spaces."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# Table, column
REFERENCES = (
    ("episodes", "script_file_reference"),
    ("episodes", "trailer_reference"),
    ("episodes", "thumbnail_reference"),
    ("scripts", "file_reference"),
    ("clips", "file_reference"),
    ("outfits", "image_reference"),
    ("ui_elements", "file_reference"),
    ("backgrounds", "file_reference"),
    ("components", "file_reference"),
    ("guests", "photo_reference"),
)
SOURCE = ("ingest_jobs", "source_reference")
# Table, column, its length
NAMES = (
    *((table, "name", 255) for table in ("shows", "outfits", "ui_elements", "backgrounds", "components", "guests")),
    *((table, "title", 500) for table in ("episodes", "clips", "scripts")),
)


def upgrade() -> None:
    # A version of a script is never changed; what it lacks was never there.
    op.execute("alter table scripts disable trigger scripts_refuse")
    for table, column in REFERENCES:
        _mend(table, column, "null", f"{column} = ''")
    for table, column, _ in NAMES:
        named = "null" if table == "scripts" else f"'untitled ' || {table.removesuffix('s')}_id"
        _mend(table, column, named, f"{column} !~ '\\S'")
    op.execute("alter table scripts enable trigger scripts_refuse")
    for table, column in (*REFERENCES, SOURCE):
        _check(table, column, f"char_length({column}) between 1 and 1024")
    for table, column, longest in NAMES:
        _check(table, column, f"char_length({column}) between 1 and {longest} and {column} ~ '\\S'")


def downgrade() -> None:
    for table, column in (*REFERENCES, SOURCE):
        _check(table, column, f"char_length({column}) <= 1024")
    for table, column, longest in NAMES:
        _check(table, column, f"char_length({column}) between 1 and {longest}")


def _mend(table: str, column: str, value: str, where: str) -> None:
    """With its row in the audit log and in the outbox, as every change."""
    kind = table.removesuffix("s")
    op.execute(f"""
        with mended as (
            update {table} set {column} = {value} where {where}
            returning {kind}_id as id, old.{column} as was, new.{column} as became
        ), audited as (
            insert into audit_log (actor, action, entity_type, entity_id, before, after, request_id)
            select 'migration', 'update', '{kind}', id, jsonb_build_object('{column}', was),
                   jsonb_build_object('{column}', became), 'migration-0018' from mended
        )
        insert into outbox (entity_type, entity_id) select '{kind}', id from mended
    """)


def _check(table: str, column: str, bound: str) -> None:
    op.execute(f"""
        alter table {table} drop constraint {table}_{column}_check,
            add constraint {table}_{column}_check check ({bound})
    """)
