"""Columns and tables have the names that the field uses; what they hold stays."""

from typing import Final

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

# Table, its name before, its name now.
COLUMNS: Final = (
    ("ingest_jobs", "lane", "priority_rank"),
    ("ingest_jobs", "hinted_at", "dispatched_at"),
    ("ingest_lanes", "lane", "priority"),
    ("ingest_lanes", "lane_id", "priority_id"),
)
TABLES: Final = (("ingest_lanes", "ingest_priorities"), ("search_walks", "search_reindex_jobs"))
INDEXES: Final = (
    ("ingest_jobs_hinted_idx", "ingest_jobs_dispatched_idx"),
    ("ingest_jobs_turn_idx", "ingest_jobs_due_idx"),
    ("ingest_lanes_pkey", "ingest_priorities_pkey"),
    ("ingest_lanes_lane_id_key", "ingest_priorities_priority_id_key"),
    ("search_walks_pkey", "search_reindex_jobs_pkey"),
)
# Table, a constraint's name before, its name now.
CONSTRAINTS: Final = (
    ("ingest_priorities", "ingest_lanes_lane_check", "ingest_priorities_priority_check"),
    ("ingest_priorities", "ingest_lanes_concurrency_check", "ingest_priorities_concurrency_check"),
    ("search_reindex_jobs", "search_walks_purpose_check", "search_reindex_jobs_purpose_check"),
)
FINDINGS: Final = {"rot": "corrupt", "loss": "missing"}


def upgrade() -> None:
    op.execute("set local lock_timeout = '3s'")
    for table, before, now in COLUMNS:
        op.execute(f"alter table {table} rename column {before} to {now}")
    for before, now in TABLES:
        op.execute(f"alter table {before} rename to {now}")
    for before, now in INDEXES:
        op.execute(f"alter index {before} rename to {now}")
    for table, before, now in CONSTRAINTS:
        op.execute(f"alter table {table} rename constraint {before} to {now}")
    _findings(FINDINGS)


def _findings(kinds: dict[str, str]) -> None:
    """The kinds of findings get other names."""
    names = ", ".join(f"'{kind}'" for kind in kinds.values())
    op.execute("alter table integrity_findings drop constraint integrity_findings_kind_check")
    for before, now in kinds.items():
        op.execute(f"update integrity_findings set kind = '{now}' where kind = '{before}'")
    op.execute(f"""
        alter table integrity_findings add constraint integrity_findings_kind_check check (kind in ({names}))
    """)


def downgrade() -> None:
    op.execute("set local lock_timeout = '3s'")
    _findings({now: before for before, now in FINDINGS.items()})
    for table, before, now in CONSTRAINTS:
        op.execute(f"alter table {table} rename constraint {now} to {before}")
    for before, now in INDEXES:
        op.execute(f"alter index {now} rename to {before}")
    for before, now in TABLES:
        op.execute(f"alter table {now} rename to {before}")
    for table, before, now in COLUMNS:
        op.execute(f"alter table {table} rename column {now} to {before}")
