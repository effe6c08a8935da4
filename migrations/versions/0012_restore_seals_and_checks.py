"""What a restore looks up, what a seal remembers of each row, and the bounds that only the structs had."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

ENTITIES = ("shows", "episodes", "scripts", "clips", "outfits", "ui_elements", "backgrounds", "components", "guests")
LINKS = ("episode_outfits", "episode_ui_elements", "episode_backgrounds", "episode_components", "episode_guests")
# A function of ours would cost each insert 50 µs, this costs 15. The cast cuts off what is longer than 100.
FITTING = (
    "cardinality(tags) <= 100 and '' <> all (tags) and array_position(tags, null) is null"
    " and tags = tags::varchar(100)[]::text[]"
)
LONG = "char_length({column}) <= 1000000"
TAGGED = tuple(table for table in ENTITIES if table not in ("shows", "scripts"))
# Table, column, and what only the structs said of it until now.
BOUNDS = (
    *((table, "deleted_reason", "char_length(deleted_reason) <= 1000") for table in ENTITIES),
    *((table, "tags", FITTING) for table in TAGGED),
    *((table, "description", LONG) for table in ENTITIES if table not in ("scripts", "guests")),
    *((table, column, LONG) for table in LINKS for column in ("usage_context", "notes")),
    ("episodes", "script_text", LONG),
    ("episodes", "copyright", LONG),
    ("episodes", "uploaded_by", "char_length(uploaded_by) <= 100"),
    ("episodes", "original_approver", "char_length(original_approver) <= 100"),
    ("scripts", "change_notes", LONG),
    ("guests", "bio", LONG),
)
# The same where there was a check already: what it says now, and what it said before.
TIGHTER = (
    (
        "episodes",
        "language",
        "char_length(language) <= 35 and language ~ '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$'",
        "char_length(language) between 1 and 35",
    ),
    (
        "scripts",
        "content",
        "(content is not null or file_reference is not null) and char_length(content) between 1 and 1000000",
        "content is not null or file_reference is not null",
    ),
    ("outfits", "brand", "char_length(brand) between 1 and 255", "char_length(brand) <= 255"),
    (
        "outfits",
        "accessories",
        "jsonb_typeof(accessories) = 'array'"
        """ and not jsonb_path_exists(accessories, 'strict $[*] ? (@.type() <> "object")')""",
        "jsonb_typeof(accessories) = 'array'",
    ),
    ("episode_ui_elements", "start_seconds", "start_seconds between 0 and 2147483647", "start_seconds >= 0"),
    (
        "episode_ui_elements",
        "end_seconds",
        "end_seconds between 0 and 2147483647 and end_seconds >= start_seconds",
        "end_seconds >= 0 and end_seconds >= start_seconds",
    ),
)


def upgrade() -> None:
    op.execute("""
        create index episodes_deleted_idx on episodes (show_id) where deleted_at is not null;
        create index clips_deleted_idx on clips (episode_id) where deleted_at is not null;

        -- Which rows a seal is over, and 32 bytes of each in the same order, so that the one that was changed can be
        -- named. Seals that were made before have neither.
        alter table audit_seals add column audit_ids bigint[], add column digests bytea;
    """)
    for table, column, bound in BOUNDS:
        _check(table, column, bound)
    for table, column, now, _ in TIGHTER:
        _uncheck(table, column)
        _check(table, column, now)


def _check(table: str, column: str, bound: str) -> None:
    said = bound.replace("{column}", column)
    op.execute(f"alter table {table} add constraint {table}_{column}_check check ({said})")


def _uncheck(table: str, column: str) -> None:
    op.execute(f"alter table {table} drop constraint {table}_{column}_check")


def downgrade() -> None:
    for table, column, _, before in TIGHTER:
        _uncheck(table, column)
        _check(table, column, before)
    for table, column, _ in BOUNDS:
        _uncheck(table, column)
    op.execute("""
        alter table audit_seals drop column audit_ids, drop column digests;
        drop index clips_deleted_idx;
        drop index episodes_deleted_idx;
    """)
