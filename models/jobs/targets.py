"""The things that take files: which table each is, and where it keeps what the pipeline finds."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg.sql import SQL, Identifier

from models import db
from models.catalog.backgrounds import BACKGROUNDS
from models.catalog.clips import CLIPS
from models.catalog.components import COMPONENTS
from models.catalog.episodes import EPISODES
from models.catalog.guests import GUESTS
from models.catalog.outfits import OUTFITS
from models.catalog.ui_elements import UI_ELEMENTS
from models.db.connection import Connection
from models.db.recording import Actor, recorded
from models.db.table import Table
from models.errors import Rejected
from models.jobs.claims import Claimed
from models.jobs.types import DuplicateOf
from models.media.files import StoredFile
from models.media.types import EntityType, Media, MediaKind, Role, accepted

TABLES: Final[Mapping[str, Table[Any]]] = {
    "episode": EPISODES,
    "clip": CLIPS,
    "outfit": OUTFITS,
    "ui_element": UI_ELEMENTS,
    "background": BACKGROUNDS,
    "component": COMPONENTS,
    "guest": GUESTS,
}
ROLES: Final[Mapping[str, tuple[Role, ...]]] = {"episode": ("thumbnail", "trailer", "script")}

# What a stored file sets on its entity, by entity type and role. A column that is sent by nobody is not touched.
_ATTACH: Final[Mapping[tuple[str, Role], LiteralString]] = {
    ("clip", "primary"): """
        update clips set file_reference = %(file_reference)s, file_hash = %(sha256)s, file_size = %(file_size)s,
               mime_type = %(mime_type)s, width = %(width)s, height = %(height)s,
               duration_seconds = %(duration_seconds)s, frame_rate = %(frame_rate)s, codec = %(codec)s,
               duplicate_of = %(duplicate_of)s, updated_by = %(actor)s
        where clip_id = %(entity_id)s""",
    ("outfit", "primary"): """
        update outfits set image_reference = %(file_reference)s, updated_by = %(actor)s
        where outfit_id = %(entity_id)s""",
    ("ui_element", "primary"): """
        update ui_elements set file_reference = %(file_reference)s, updated_by = %(actor)s
        where ui_element_id = %(entity_id)s""",
    ("background", "primary"): """
        update backgrounds set file_reference = %(file_reference)s, updated_by = %(actor)s
        where background_id = %(entity_id)s""",
    ("component", "primary"): """
        update components set file_reference = %(file_reference)s, updated_by = %(actor)s
        where component_id = %(entity_id)s""",
    ("guest", "primary"): """
        update guests set photo_reference = %(file_reference)s, updated_by = %(actor)s
        where guest_id = %(entity_id)s""",
    ("episode", "thumbnail"): """
        update episodes set thumbnail_reference = %(file_reference)s, updated_by = %(actor)s
        where episode_id = %(entity_id)s""",
    ("episode", "trailer"): """
        update episodes set trailer_reference = %(file_reference)s, updated_by = %(actor)s
        where episode_id = %(entity_id)s""",
    ("episode", "script"): """
        update episodes set script_file_reference = %(file_reference)s, updated_by = %(actor)s
        where episode_id = %(entity_id)s""",
}


def roles(entity_type: EntityType) -> tuple[Role, ...]:
    """The roles a file may have for an entity; the first is the default."""
    return ROLES.get(entity_type, ("primary",))


def kinds(entity_type: EntityType) -> frozenset[MediaKind]:
    """The kinds of file that an entity takes in any role."""
    return frozenset().union(*(accepted(entity_type, role) for role in roles(entity_type)))


async def living(connection: Connection, entity_type: str, ids: Iterable[UUID]) -> frozenset[UUID]:
    """Those of ``ids`` that exist and are not deleted."""
    table = TABLES.get(entity_type)
    return await table.living(connection, list(ids)) if table else frozenset()


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


# The clips by an index of their own; of the others there are fewer.
_SHOWN: Final = """
    select 'clip' as entity_type, clip_id from clips where file_hash = %(sha256)s and deleted_at is null
    union all
    select entity_type, entity_id from held_references where reference = %(reference)s and entity_type <> 'clip'
"""


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


@cache
def _attaching(entity_type: EntityType, role: Role) -> bytes:
    key = f"{entity_type}_id"
    write = SQL(_ATTACH[entity_type, role])
    return recorded(write, action="ingest", entity_type=entity_type, key=key, columns=Identifier(key)).as_bytes()
