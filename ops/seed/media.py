"""Which of the sample rows have media, and what is drawn, filmed and played for them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from models.entities import EntityType
from ops.ingest.plan import LocalFile, Target
from ops.ingest.run import RESOURCES
from ops.seed.drawing import jingle, pictures, videos
from ops.seed.series import Row

SEED: Final = 2025  # draws the same pictures every time
VIDEOS: Final = 6  # clips that move; the others are pictures
PICTURED: Final = 3  # of the guests, backgrounds and UI elements each
Place = tuple[EntityType, Row]  # what a file is for


class Made(NamedTuple):
    """The living sample rows, as they are stored."""

    show: Row  # the first
    episodes: list[Row]
    clips: list[Row]
    outfits: list[Row]
    guests: list[Row]
    backgrounds: list[Row]
    ui_elements: list[Row]
    components: list[Row]


def complete(made: Made) -> bool:
    """Whether all have their files already."""
    places = (*_still(made), *_moving(made), *_sounding(made), *_of("episode", made.episodes))
    return all(_has_file(row) for _, row in places)


def _of(kind: EntityType, rows: Iterable[Row]) -> list[Place]:
    return [(kind, row) for row in rows]


def _still(made: Made) -> list[Place]:
    return [
        *_of("outfit", made.outfits),
        *_of("clip", made.clips[:-VIDEOS]),
        *_of("guest", made.guests[:PICTURED]),
        *_of("background", made.backgrounds[:PICTURED]),
        *_of("ui_element", made.ui_elements[:PICTURED]),
    ]


def _moving(made: Made) -> list[Place]:
    return _of("clip", made.clips[-VIDEOS:])


def _sounding(made: Made) -> list[Place]:
    return _of("component", (row for row in made.components if row["component_type"] == "jingle"))


def draw(folder: Path, made: Made) -> list[LocalFile]:
    """Media for the rows that have none; a row's are the same at every try.

    An episode shows the picture of its main look, which is stored already by then.
    """
    still, moving, shown = (_bare(places) for places in (_still(made), _moving(made), _of("episode", made.episodes)))
    looks = pictures(folder / "pictures", still.keys() | shown.keys(), SEED)
    films = videos(folder / "videos", moving.keys(), SEED)
    drawn = (
        *((place, looks[number]) for number, place in still.items()),
        *((place, films[number]) for number, place in moving.items()),
        *((place, jingle(folder / "felt-piano.wav")) for place in _bare(_sounding(made)).values()),
        *((place, looks[number]) for number, place in shown.items()),
    )
    return [_file(*place, path) for place, path in drawn]


def _bare(places: Iterable[Place]) -> dict[int, Place]:
    """The places without a file, by their numbers."""
    return {number: place for number, place in enumerate(places) if not _has_file(place[1])}


def _has_file(row: Row) -> bool:
    return any(row.get(f"{what}_reference") for what in ("file", "image", "photo", "thumbnail"))


def _file(kind: EntityType, row: Row, path: Path) -> LocalFile:
    _, _, key = RESOURCES[kind]
    return LocalFile(path, path.name, path.name, Target(kind, row[key]))
