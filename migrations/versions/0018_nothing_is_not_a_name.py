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
        op.execute(f"update {table} set {column} = null where {column} = ''")  # noqa: S608
    for table, column, _ in NAMES:
        named = "null" if table == "scripts" else f"'untitled ' || {table.removesuffix('s')}_id"
        op.execute(f"update {table} set {column} = {named} where {column} !~ '\\S'")  # noqa: S608
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


def _check(table: str, column: str, bound: str) -> None:
    op.execute(f"""
        alter table {table} drop constraint {table}_{column}_check,
            add constraint {table}_{column}_check check ({bound})
    """)
