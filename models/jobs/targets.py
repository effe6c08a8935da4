"""What jobs are for: entities that take files, who of them shows a content, and what a stored file sets on one."""

from collections.abc import Iterable
from functools import cache
from typing import Final
from uuid import UUID

from psycopg.sql import SQL, Identifier, Literal, Placeholder

from models.catalog import CATALOG
from models.catalog.references import HELD
from models.db import connection as db
from models.db.connection import Connection
from models.db.recording import Actor, recorded
from models.entities import EntityType, FileRole
from models.errors import Rejected
from models.jobs.claims import Claimed
from models.jobs.types import DuplicateOf
from models.media.files import StoredFile
from models.media.types import Media


async def living(connection: Connection, entity_type: str, ids: Iterable[UUID]) -> frozenset[UUID]:
    """Those of ``ids`` that exist and are not deleted."""
    resource = CATALOG.get(entity_type)
    return await resource.table.living(connection, list(ids)) if resource else frozenset()


async def duplicate_of(connection: Connection, file: StoredFile) -> DuplicateOf:
    """What has this content: who brought it, or, where that is in the trash, somebody living who shows it too."""
    if file.entity_id in await living(connection, file.entity_type, [file.entity_id]):
        return DuplicateOf(file.entity_type, file.entity_id, file.file_reference)
    sent = {"sha256": file.sha256, "reference": file.file_reference}
    shown = await db.tuples(connection, _SHOWN, sent)
    for entity_type in sorted({entity_type for entity_type, _ in shown}):
        alive = await living(connection, entity_type, [key for kind, key in shown if kind == entity_type])
        if alive:
            return DuplicateOf(entity_type, min(alive), file.file_reference)
    return DuplicateOf(file.entity_type, file.entity_id, file.file_reference, deleted=True)


_BY_HASH: Final = SQL("""
    select {type} as entity_type, {key} from {table} where {column} = %(sha256)s and deleted_at is null
""")
_BY_REFERENCE: Final = SQL("""
    select entity_type, entity_id from {held} as held where reference = %(reference)s and entity_type <> all({hashed})
""")


def _shown() -> bytes:
    """Who shows a content: by its hash where a table keeps that, for which it has an index, else by its reference."""
    hashed = {one.name: (one.table, one.hashed) for one in CATALOG.values() if one.hashed}
    queries = [
        _BY_HASH.format(
            type=Literal(name), key=Identifier(table.key), table=Identifier(table.name), column=Identifier(column)
        )
        for name, (table, column) in hashed.items()
    ]
    queries.append(_BY_REFERENCE.format(held=HELD, hashed=Literal(list(hashed))))
    return SQL(" union all ").join(queries).as_bytes()


_SHOWN: Final = _shown()


async def has_chosen_picture(connection: Connection, episode_id: UUID) -> bool:
    """Whether somebody chose the episode's picture, so that its trailer must not replace it."""
    query = "select thumbnail_reference is not null from episodes where episode_id = %s"
    return await db.value(connection, query, [episode_id]) is True


async def attach(connection: Connection, claimed: Claimed, file: StoredFile, media: Media) -> None:
    """Give the job's entity the file and what is known of it.

    Raises:
        Rejected: SOURCE_MISSING, where the entity was purged from the trash.
    """
    duplicate = claimed.duplicate_of["entity_id"] if claimed.duplicate_of else None
    if duplicate == str(claimed.entity_id):
        duplicate = None  # the same file sent again: the job says so, the entity is no copy of itself
    actor = Actor(claimed.created_by, claimed.request_id, claimed.job_id)
    params = actor.params() | {
        "entity_id": claimed.entity_id,
        "file_reference": file.file_reference,
        "file_size": file.file_size,
        "sha256": file.sha256,
        "mime_type": media.mime_type,
        "width": media.width,
        "height": media.height,
        "duration_seconds": media.duration_seconds,
        "frame_rate": media.frame_rate,
        "codec": media.codec,
        "duplicate_of": duplicate,
    }
    if not await db.execute(connection, _attaching(claimed.entity_type, claimed.role), params):
        raise Rejected("SOURCE_MISSING", f"there is no {claimed.entity_type} {claimed.entity_id} any more")


_ATTACH: Final = SQL("update {table} set {set}, updated_by = %(actor)s where {key} = %(entity_id)s")


@cache
def _attaching(entity_type: EntityType, role: FileRole) -> bytes:
    """What a stored file sets on its entity. A column that is not named is not touched."""
    table, file = CATALOG[entity_type].table, CATALOG[entity_type].files[role]
    facts = {file.column: "file_reference"} | dict(file.facts)
    sets = [SQL("{} = {}").format(Identifier(column), Placeholder(fact)) for column, fact in facts.items()]
    key = Identifier(table.key)
    write = _ATTACH.format(table=Identifier(table.name), set=SQL(", ").join(sets), key=key)
    return recorded(write, action="ingest", entity_type=entity_type, key=table.key, columns=key).as_bytes()
