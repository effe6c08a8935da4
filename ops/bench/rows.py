"""Clips by the thousand, with their search documents, written straight into the tables."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple

import psycopg

Connection = psycopg.Connection[Any]
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
DENSE: Final = ["春季连衣裙搭配指南", "夏のファッションコーデ", "서울한복촬영", "ชุดเดรสสีแดง"]  # without spaces
TEXTS: Final = 2_000  # different texts, shared by all clips; each clip has a word of its own besides


class _Text(NamedTuple):
    title: str
    description: str
    tags: str
    vector: str


Line = Callable[[int, _Text], str]

_CLIPS: Final = """copy clips (clip_id, title, description, talent_source, quality, status, recorded_at, file_reference,
    file_hash, file_size, mime_type, width, height, duration_seconds, frame_rate, codec, tags, metadata, created_at,
    created_by, updated_at, updated_by) from stdin"""
_DOCUMENTS: Final = "copy search_documents (entity_type, entity_id, title, body, tags, status, vector) from stdin"
_BLOCK: Final = 1_000  # rows sent at once


def load(url: str, count: int, start: int = 0) -> None:
    """Add clips ``start`` to ``start + count``, a second apart, each as if it had been ingested and indexed."""
    numbers = range(start, start + count)
    with psycopg.connect(url) as connection, _without_indexes(connection):
        texts = _texts(connection)
        _copy(connection, _CLIPS, _clip, numbers, texts)
        _copy(connection, _DOCUMENTS, _document, numbers, texts)
        _learn(connection, numbers, texts)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze clips, search_documents, search_words")


def key(number: int) -> str:
    """The id of a clip: chronological, as the database makes them."""
    milliseconds = f"{(int(NEWEST.timestamp()) + number) * 1000:012x}"
    return f"{milliseconds[:8]}-{milliseconds[8:]}-7000-8000-{number:012x}"


def own_word(number: int) -> str:
    """A word that only this clip has."""
    return f"k{number * 2_654_435_761 % 2**32:08x}"


@contextmanager
def _without_indexes(connection: Connection) -> Iterator[None]:
    """Many rows are quicker in a table whose indexes are made afterwards."""
    found = connection.execute("""
        select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index
        where indrelid in ('clips'::regclass, 'search_documents'::regclass) and not indisunique
    """).fetchall()
    for name, _ in found:
        connection.execute(f"drop index {name}".encode())
    yield
    connection.execute("set local maintenance_work_mem = '256MB'")
    for _, definition in found:
        connection.execute(definition.encode())


def _texts(connection: Connection) -> list[_Text]:
    """The database makes their vectors, so that the bench need not know how."""
    rng = Random(SEED)  # noqa: S311  (writing, not secrets)
    query = """select %(title)s, %(body)s, %(tags)s::text[]::text,
        document_vector(%(title)s, %(body)s, %(tags)s::text[], null, 'english',
                        document_marks('clip', %(tags)s::text[], null, null, 'english'))::text"""
    drawn = [connection.execute(query, _words(rng)).fetchall()[0] for _ in range(TEXTS)]
    return [_Text(*words) for words in drawn]


def _words(rng: Random) -> dict[str, Any]:
    title = f"{rng.choice(COLOURS)} {rng.choice(THINGS)} in the {rng.choice(PLACES)}"
    description = [rng.choice([*THINGS, *COLOURS, *PLACES]) + str(rng.randrange(1000)) for _ in range(6)]
    description.append(rng.choice(DENSE))
    return {"title": title, "body": " ".join(description), "tags": rng.sample(TAGS, 3)}


def _copy(connection: Connection, statement: str, line: Line, numbers: range, texts: list[_Text]) -> None:
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for first in range(numbers.start, numbers.stop, _BLOCK):
            block = range(first, min(first + _BLOCK, numbers.stop))
            copy.write("".join(line(number, texts[number * 7 % TEXTS]) for number in block))


def _learn(connection: Connection, numbers: range, texts: list[_Text]) -> None:
    """What the indexer does of each document."""
    connection.execute("insert into search_languages values ('english') on conflict do nothing")
    connection.execute("select learn(%s::tsvector[])", [[text.vector for text in texts]])
    with connection.cursor() as cursor, cursor.copy("copy search_words from stdin") as copy:
        copy.write("".join(f"{own_word(number)}\n" for number in numbers))


def _clip(number: int, text: _Text) -> str:
    made = (NEWEST + timedelta(seconds=number)).isoformat()
    talent, quality = ("Lala", "Guest")[number % 2], ("hero", "good", "maybe", "reject")[number // 4 % 4]
    return (
        f"{key(number)}\t{text.title}\t{text.description} {own_word(number)}\t{talent}\t{quality}\t{_status(number)}"
        f"\t{made}\ts3://episodes-media/clip/{number}.mp4\t{number:064x}\t{1_000_000 + number}\tvideo/mp4\t1920\t1080"
        f'\t12.5\t25\th264\t{text.tags}\t{{"camera": "A"}}\t{made}\tbench\t{made}\tbench\n'
    )


def _document(number: int, text: _Text) -> str:
    word = own_word(number)
    return (
        f"clip\t{key(number)}\t{text.title}\t{text.description} {word}\t{text.tags}\t{_status(number)}"
        f"\t{text.vector} '{word}':99B '=status {_status(number)}':1A\n"
    )


def _status(number: int) -> str:
    return ("pending_review", "approved", "rejected", "used")[number % 4]
