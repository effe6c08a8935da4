"""Limits: which files each entity takes, how large, and in people's words why it refuses one.

Said alike at the terminal, in an answer of the API and by a job.
"""

from typing import Final, get_args

from models.catalog import CATALOG
from models.entities import MB, EntityType, FileRole, MediaKind
from models.media.formats import FORMATS, NO_MEDIA, by_name, canonical
from models.media.types import kind_of
from models.media.wording import PLURALS, SMALLER, WORDS, listed, size_text, spoken, taken, takes

PLACES: Final = [(name, role) for name in get_args(EntityType) for role in CATALOG[name].files]
LARGEST: Final[dict[MediaKind, int]] = {
    "image": 10 * MB,
    "video": 5 * 1024 * MB,
    "audio": 100 * MB,
    "document": 50 * MB,
}


def roles(entity_type: EntityType) -> tuple[FileRole, ...]:
    """The roles a file may have for an entity; the first is the default."""
    return tuple(CATALOG[entity_type].files)


def accepted(entity_type: EntityType, role: FileRole = "primary") -> frozenset[MediaKind]:
    """The kinds of file that an entity takes in a role, else in its default one."""
    files = CATALOG[entity_type].files
    return files.get(role, next(iter(files.values()))).kinds


def accepted_in_any_role(entity_type: EntityType) -> frozenset[MediaKind]:
    """The kinds of file that an entity takes at all."""
    return frozenset().union(*(file.kinds for file in CATALOG[entity_type].files.values()))


def size_limit(kind: MediaKind, entity_type: EntityType) -> int:
    """The largest file of a kind that an entity takes, in bytes."""
    return CATALOG[entity_type].largest.get(kind, LARGEST[kind])


def noun(entity_type: EntityType, role: FileRole = "primary") -> str:
    """An entity, or the role of one that a file is for: "a clip", "the trailer of an episode"."""
    name = entity_type.replace("_", " ").replace("ui ", "UI ")
    whole = f"{'an' if name[0] in 'aeo' else 'a'} {name}"
    return whole if role == "primary" else f"the {role} of {whole}"


def unsupported(
    mime_type: str | None,
    entity_type: EntityType,
    kinds: frozenset[MediaKind],
    *,
    role: FileRole = "primary",
    name: str = "",
) -> str:
    """Why a file is refused for its type: what it is, what is taken instead, and the way there."""
    where = noun(entity_type, role)
    wanted = f"{where[0].upper()}{where[1:]} takes {taken(kinds)}."
    if (promised := by_name(name)) and canonical(mime_type or "") not in FORMATS and takes(promised, kinds):
        return f"Nobody here knows the type '{mime_type}'. {wanted} A file of this name is announced as {promised}."
    return f"This is {spoken(mime_type, name)}. {wanted} {_way(mime_type, name, kinds)}"


def _way(mime_type: str | None, name: str, kinds: frozenset[MediaKind]) -> str:
    told = FORMATS.get(canonical(mime_type or "")) or FORMATS.get(by_name(name) or "")
    if told is None or told.kind is None or told.kind in kinds:
        return told.way if told else NO_MEDIA
    if told.kind == "video" and "image" in kinds:
        return "Export one frame of it as JPEG."
    takers = [noun(name, role) for name, role in PLACES if told.kind in accepted(name, role)]
    elsewhere = f"Send {PLURALS[told.kind]} to {listed(takers, last=' or ')}."
    return elsewhere if kind_of(canonical(mime_type or "")) else f"{told.way} {elsewhere}"


def too_large(size: int, limit: int, kind: MediaKind, entity_type: EntityType, role: FileRole = "primary") -> str:
    """Why a file is refused for its size: both to the byte, so that they never read alike, and the way there."""
    where = noun(entity_type, role)
    bound = f"{where} takes {PLURALS[kind]} of up to {limit:,} bytes ({size_text(limit)})"
    return f"The {WORDS[kind]} has {size:,} bytes; {bound}. {SMALLER[kind]}"
