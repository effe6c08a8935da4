"""Why a file is refused, in people's words: what it is, what is taken, and the way there.

Said alike at the terminal, in an answer of the API and by a job.
"""

from pathlib import PurePath
from typing import Final, get_args

from models.media.formats import FORMATS, NO_MEDIA, by_name, canonical
from models.media.types import (
    AUDIO_TYPES,
    DOCUMENT_TYPES,
    IMAGE_TYPES,
    MB,
    VIDEO_TYPES,
    EntityType,
    MediaKind,
    Role,
    accepted,
    kind_of,
)

TYPES: Final[dict[MediaKind, frozenset[str]]] = {
    "image": IMAGE_TYPES,
    "video": VIDEO_TYPES,
    "audio": AUDIO_TYPES,
    "document": DOCUMENT_TYPES,
}
PLURALS: Final[dict[MediaKind, str]] = {
    "image": "pictures",
    "video": "videos",
    "audio": "sound",
    "document": "documents",
}
WORDS: Final[dict[MediaKind, str]] = {
    "image": "picture",
    "video": "video",
    "audio": "sound file",
    "document": "document",
}
SMALLER: Final[dict[MediaKind, str]] = {
    "image": "Save it with fewer pixels, or as JPEG.",
    "video": "Export it with a lower bit rate, or in pieces.",
    "audio": "Export it as FLAC or MP3, or in pieces.",
    "document": "Save it with smaller pictures, or in pieces.",
}
LONGEST_ENDING: Final = 10  # characters of what may be the ending of a name
ORDER: Final = list(FORMATS)
EVERY: Final[frozenset[MediaKind]] = frozenset(TYPES)
ROLES: Final[tuple[Role, ...]] = ("thumbnail", "trailer", "script")
PLACES: Final[list[tuple[EntityType, Role]]] = [
    (one, role) for one in get_args(EntityType) for role in (ROLES if one == "episode" else ("primary",))
]


def spoken(mime_type: str | None, file_name: str = "") -> str:
    """What a file is, in people's words: by its type, else by its name, else by the ending that nobody knows."""
    told = FORMATS.get(canonical(mime_type or "")) or FORMATS.get(by_name(file_name) or "")
    if told:
        return told.said
    suffix = PurePath(file_name).suffix
    known = 1 < len(suffix) <= LONGEST_ENDING
    return f"a {suffix} file, which nobody here knows" if known else "no kind of file we know"


def taken(kinds: frozenset[MediaKind]) -> str:
    """Which formats of some kinds are taken: "JPEG and PNG pictures, MP4 videos and WAV sound"."""
    return _listed([f"{_listed(names(kind))} {PLURALS[kind]}" for kind in TYPES if kind in kinds], last=", and ")


def names(kind: MediaKind) -> list[str]:
    """The names of the formats of a kind that are taken, each once."""
    types = sorted(TYPES[kind], key=ORDER.index)
    return list(dict.fromkeys(FORMATS[mime_type].name for mime_type in types))


def noun(entity_type: EntityType, role: Role = "primary") -> str:
    """An entity, or the role of one that a file is for: "a clip", "the trailer of an episode"."""
    name = entity_type.replace("_", " ").replace("ui ", "UI ")
    whole = f"{'an' if name[0] in 'aeo' else 'a'} {name}"
    return whole if role == "primary" else f"the {role} of {whole}"


def unsupported(
    mime_type: str | None,
    entity_type: EntityType,
    kinds: frozenset[MediaKind],
    *,
    role: Role = "primary",
    name: str = "",
) -> str:
    """Why a file is refused for its type: what it is, what is taken instead, and the way there."""
    where = noun(entity_type, role)
    wanted = f"{where[0].upper()}{where[1:]} takes {taken(kinds)}."
    if (promised := by_name(name)) and canonical(mime_type or "") not in FORMATS and takes(promised, kinds):
        return f"Nobody here knows the type '{mime_type}'. {wanted} A file of this name is announced as {promised}."
    return f"This is {spoken(mime_type, name)}. {wanted} {_way(mime_type, name, kinds)}"


def unknown(mime_type: str | None) -> str:
    """Why a file is refused that nothing takes."""
    told = FORMATS.get(canonical(mime_type or ""))
    return f"The file looks like {spoken(mime_type)}. We take {taken(EVERY)}. {told.way if told else NO_MEDIA}"


def _way(mime_type: str | None, name: str, kinds: frozenset[MediaKind]) -> str:
    told = FORMATS.get(canonical(mime_type or "")) or FORMATS.get(by_name(name) or "")
    if told is None or told.kind is None or told.kind in kinds:
        return told.way if told else NO_MEDIA
    if told.kind == "video" and "image" in kinds:
        return "Export one frame of it as JPEG."
    takers = [noun(one, role) for one, role in PLACES if told.kind in accepted(one, role)]
    elsewhere = f"Send {PLURALS[told.kind]} to {_listed(takers, last=' or ')}."
    return elsewhere if kind_of(canonical(mime_type or "")) else f"{told.way} {elsewhere}"


def too_large(size: int, limit: int, kind: MediaKind, entity_type: EntityType, role: Role = "primary") -> str:
    """Why a file is refused for its size: both to the byte, so that they never read alike, and the way there."""
    where = noun(entity_type, role)
    bound = f"{where} takes {PLURALS[kind]} of up to {limit:,} bytes ({size_text(limit)})"
    return f"The {WORDS[kind]} has {size:,} bytes; {bound}. {SMALLER[kind]}"


def size_text(size: int) -> str:
    """A bound in the unit it was set in: 1 MB is 1,048,576 bytes."""
    return f"{size / (1024 * MB):g} GB" if size >= 1024 * MB else f"{size / MB:g} MB"


def takes(mime_type: str, kinds: frozenset[MediaKind]) -> MediaKind | None:
    """The kind of a type where it is among those; None where it is not."""
    kind = kind_of(canonical(mime_type))
    return kind if kind in kinds else None


def _listed(words: list[str], last: str = " and ") -> str:
    return last.join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
