"""What lies in the trash, and what stays there when a row comes back: none is deleted or restored with another."""

from collections.abc import Mapping
from typing import Final, LiteralString
from uuid import UUID

from models import db
from models.db.connection import Connection

# By what is restored, and by what may still be deleted beside it: where that is found.
_BESIDE: Final[Mapping[str, Mapping[str, LiteralString]]] = {
    "show": {"episodes": "episodes where show_id = %(key)s"},
    "episode": {
        "shows": "shows where show_id = (select show_id from episodes where episode_id = %(key)s)",
        "scripts": "scripts where episode_id = %(key)s",
        "clips": "clips where episode_id = %(key)s",
        "outfits": "outfits join episode_outfits using (outfit_id) where episode_id = %(key)s",
        "ui_elements": "ui_elements join episode_ui_elements using (ui_element_id) where episode_id = %(key)s",
        "backgrounds": "backgrounds join episode_backgrounds using (background_id) where episode_id = %(key)s",
        "components": "components join episode_components using (component_id) where episode_id = %(key)s",
        "guests": "guests join episode_guests using (guest_id) where episode_id = %(key)s",
    },
    "script": {"episodes": "episodes where episode_id = (select episode_id from scripts where script_id = %(key)s)"},
    "clip": {"episodes": "episodes where episode_id = (select episode_id from clips where clip_id = %(key)s)"},
    "outfit": {"episodes": "episodes join episode_outfits using (episode_id) where outfit_id = %(key)s"},
    "ui_element": {"episodes": "episodes join episode_ui_elements using (episode_id) where ui_element_id = %(key)s"},
    "background": {"episodes": "episodes join episode_backgrounds using (episode_id) where background_id = %(key)s"},
    "component": {"episodes": "episodes join episode_components using (episode_id) where component_id = %(key)s"},
    "guest": {"episodes": "episodes join episode_guests using (episode_id) where guest_id = %(key)s"},
}


async def living(connection: Connection, entity_type: str, key: UUID) -> bool:
    """Whether there is such a row, and it is not deleted, nor what it is a part of."""
    found: bool = await db.value(connection, _LIVING[entity_type], {"key": key})
    return found


async def still_deleted(connection: Connection, entity_type: str, key: UUID) -> dict[str, int]:
    """How many rows that belong to a row, or that it belongs to or is linked with, are deleted; by their kind."""
    found: dict[str, int] = await db.value(connection, _QUERIES[entity_type], {"key": key})
    return found


def _query(beside: Mapping[str, LiteralString]) -> bytes:
    """One object of all counts that are not zero."""
    counts = (
        f"'{kind}', (select nullif(count(*), 0) from {rows} and deleted_at is not null)"
        for kind, rows in beside.items()
    )
    return f"select jsonb_strip_nulls(jsonb_build_object({', '.join(counts)}))".encode()


_QUERIES: Final = {entity_type: _query(beside) for entity_type, beside in _BESIDE.items()}
_LIVING: Final = {
    entity_type: f"""
        select exists (select from {entity_type}s as it where {entity_type}_id = %(key)s and it.deleted_at is null{
        " and exists (select from episodes where episode_id = it.episode_id and deleted_at is null)"
        if entity_type == "script"
        else ""
    })""".encode()
    for entity_type in _BESIDE
}
