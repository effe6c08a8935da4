"""Files in people's words: what one is, what is taken of each kind, and how large."""

from pathlib import PurePath
from typing import Final

from models.entities import MB, MediaKind
from models.media.formats import FORMATS, NO_MEDIA, by_name, canonical
from models.media.types import AUDIO_TYPES, DOCUMENT_TYPES, IMAGE_TYPES, VIDEO_TYPES, kind_of

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
    return listed([f"{listed(names(kind))} {PLURALS[kind]}" for kind in TYPES if kind in kinds], last=", and ")


def names(kind: MediaKind) -> list[str]:
    """The names of the formats of a kind that are taken, each once."""
    types = sorted(TYPES[kind], key=ORDER.index)
    return list(dict.fromkeys(FORMATS[mime_type].name for mime_type in types))


def unknown(mime_type: str | None) -> str:
    """Why a file is refused that nothing takes."""
    told = FORMATS.get(canonical(mime_type or ""))
    return f"The file looks like {spoken(mime_type)}. We take {taken(EVERY)}. {told.way if told else NO_MEDIA}"


def size_text(size: int) -> str:
    """A bound in the unit it was set in: 1 MB is 1,048,576 bytes."""
    return f"{size / (1024 * MB):g} GB" if size >= 1024 * MB else f"{size / MB:g} MB"


def takes(mime_type: str, kinds: frozenset[MediaKind]) -> MediaKind | None:
    """The kind of a type where it is among those; None where it is not."""
    kind = kind_of(canonical(mime_type))
    return kind if kind in kinds else None


def listed(words: list[str], last: str = " and ") -> str:
    """Words in a row: "a, b and c"."""
    return last.join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
