"""Clips by the thousand, with their search documents, written straight into the tables."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final
from uuid import UUID

import psycopg

SEED: Final = 3
NEWEST: Final = datetime(2026, 1, 1, tzinfo=UTC)
THINGS: Final = [
    "coat",
    "dress",
    "scarf",
    "belt",
    "boots",
    "gown",
    "jacket",
    "sandals",
    "skirt",
    "blazer",
    "hat",
    "cape",
    "gloves",
    "shawl",
    "suit",
    "heels",
]
COLOURS: Final = ["red", "ivory", "emerald", "navy", "rose", "amber", "cobalt", "silver", "olive", "plum"]
PLACES: Final = ["studio", "runway", "rooftop", "garden", "atelier", "backstage", "harbour", "market"]
TAGS: Final = ["summer", "winter", "fitting", "interview", "closeup", "wide", "slow", "teaser", "archive", "press"]
TEXTS: Final = 2_000  # different texts, shared by all clips; each clip has a word of its own besides

_CLIPS: Final = """copy clips (clip_id, title, description, talent_source, quality, status, recorded_at, file_reference,
    file_hash, file_size, mime_type, width, height, duration_seconds, frame_rate, codec, tags, metadata, created_at,
    created_by, updated_at, updated_by) from stdin"""
_DOCUMENTS: Final = "copy search_documents (entity_type, entity_id, title, body, tags, status, vector) from stdin"


def load(url: str, count: int, start: int = 0) -> None:
    """Add clips ``start`` to ``start + count``, a second apart, each as if it had been ingested and indexed."""
    with psycopg.connect(url) as connection:
        texts = _texts(connection)
        _copy(connection, _CLIPS, (_clip(number, texts) for number in range(start, start + count)))
        _copy(connection, _DOCUMENTS, (_document(number, texts) for number in range(start, start + count)))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze clips, search_documents")


def key(number: int) -> UUID:
    """The id of a clip: chronological, as the database makes them."""
    made = NEWEST + timedelta(seconds=number)
    return UUID(int=int(made.timestamp() * 1000) << 80 | 0x7000 << 64 | 0b10 << 62 | number)


def own_word(number: int) -> str:
    """A word that only this clip has."""
    return f"take{number}x"


class _Text:
    def __init__(self, title: str, description: str, tags: list[str], vector: str) -> None:
        self.title, self.description, self.tags, self.vector = title, description, tags, vector


def _texts(connection: psycopg.Connection[Any]) -> list[_Text]:
    """The database makes their vectors, so that the bench need not know how."""
    rng = Random(SEED)  # noqa: S311  (writing, not secrets)
    drawn = [_words(rng) for _ in range(TEXTS)]
    query = "select document_vector(%s, %s, %s, null)::text"
    return [_Text(*words, connection.execute(query, words).fetchall()[0][0]) for words in drawn]


def _words(rng: Random) -> tuple[str, str, list[str]]:
    title = f"{rng.choice(COLOURS)} {rng.choice(THINGS)} in the {rng.choice(PLACES)}"
    description = " ".join(rng.choice(THINGS + COLOURS + PLACES) + str(rng.randrange(1000)) for _ in range(12))
    return title.capitalize(), description, rng.sample(TAGS, 3)


def _copy(connection: psycopg.Connection[Any], statement: str, rows: Iterator[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for row in rows:
            copy.write_row(row)


def _clip(number: int, texts: list[_Text]) -> tuple[Any, ...]:
    text = texts[number * 7 % TEXTS]
    made = NEWEST + timedelta(seconds=number)
    status = ("pending_review", "approved", "rejected", "used")[number % 4]
    quality, talent = ("hero", "good", "maybe", "reject")[number // 4 % 4], ("Lala", "Guest")[number % 2]
    described = f"{text.description} {own_word(number)}"
    file = (f"s3://episodes-media/clip/{number}.mp4", f"{number:064x}", 1_000_000 + number, "video/mp4", 1920, 1080)
    kept = (12.5, 25.0, "h264", text.tags, '{"camera": "A"}', made, "bench", made, "bench")
    return (key(number), text.title, described, talent, quality, status, made, *file, *kept)


def _document(number: int, texts: list[_Text]) -> tuple[Any, ...]:
    text = texts[number * 7 % TEXTS]
    status = ("pending_review", "approved", "rejected", "used")[number % 4]
    vector = f"{text.vector} '{own_word(number)}':99B"
    return ("clip", key(number), text.title, f"{text.description} {own_word(number)}", text.tags, status, vector)
