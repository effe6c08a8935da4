"""Asking for all pictures again: a job for each entity that has some, behind everything else that waits."""

from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct
from psycopg.sql import SQL

from models.catalog.references import default_role
from models.db import connection as db
from models.db.connection import Connection
from models.db.recording import Actor
from models.entities import EntityType


class ReprocessFilter(Struct, forbid_unknown_fields=True):
    """Whose pictures: all, but for what is given. ``rendered_before`` means those that are older than that."""

    entity_type: EntityType | None = None
    entity_id: UUID | None = None
    rendered_before: datetime | None = None


class Reprocessed(Struct):
    """How many jobs wait now in this batch, and how many entities had one waiting or running already."""

    batch_id: UUID
    queued: int
    skipped: int


# The index of what an entity has once decides who is skipped; in one order, so that no two of these block each other.
_REPROCESS: Final = (
    SQL("""
    with batch as materialized (
        select uuidv7() as batch_id
    ), pictured as (
        select entity_type, entity_id, sha256, processed_at as rendered_at from thumbnails
        where size_variant = 'primary'
        union all
        select entity_type, entity_id, sha256, coalesce(rendered_at, stored_at) from files
        where stored_at is not null and displaced_at is null and thumbnails <> '[]'
    ), wanted as (
        select pictured.entity_type, pictured.entity_id, min(file_reference) as file_reference
        from pictured join files using (sha256)
        where (%(entity_type)s::text is null or pictured.entity_type = %(entity_type)s)
          and (%(entity_id)s::uuid is null or pictured.entity_id = %(entity_id)s)
        group by pictured.entity_type, pictured.entity_id
        having %(rendered_before)s::timestamptz is null or min(pictured.rendered_at) < %(rendered_before)s
    ), made as (
        insert into ingest_jobs (kind, batch_id, entity_type, entity_id, role, source_reference, on_duplicate,
                                 priority, stage, request_id, created_by)
        select 'reprocess', batch_id, entity_type, entity_id, {role}, file_reference, 'link', 'backfill',
               'thumbnail', %(request_id)s, %(actor)s
        from wanted, batch order by entity_type, entity_id
        on conflict (kind, entity_type, entity_id) where kind <> 'ingest' and status in ('queued', 'running') do nothing
        returning job_id
    ), counted as (
        select (select count(*) from made) as queued, (select count(*) from wanted) as found
    ), audited as (
        insert into audit_log (actor, action, entity_type, entity_id, after, request_id)
        select %(actor)s, 'reprocess', 'batch', batch_id, jsonb_build_object(
            'jobs', queued, 'filter', jsonb_strip_nulls(jsonb_build_object('entity_type', %(entity_type)s::text,
                'entity_id', %(entity_id)s::uuid, 'rendered_before', %(rendered_before)s::timestamptz))), %(request_id)s
        from batch, counted where queued > 0
    ), woken as (
        select pg_notify('jobs', '')
    )
    select batch_id, queued, found - queued from batch, counted, woken
""")
    .format(role=default_role("entity_type"))
    .as_bytes()
)


async def reprocess(connection: Connection, actor: Actor, wanted: ReprocessFilter) -> Reprocessed:
    """Post a job for each entity that matches and has none of these waiting or running, in one statement."""
    given = {name: getattr(wanted, name) for name in ReprocessFilter.__struct_fields__}
    row = await db.row(connection, Reprocessed, _REPROCESS, given | actor.params())
    assert row is not None  # noqa: S101
    return row
