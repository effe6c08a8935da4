"""What an entity is, declared once beside its struct; every list of entities, tables or columns derives from it."""

from collections.abc import Mapping
from typing import Any, Final, LiteralString, Protocol

from msgspec import Struct

from models.db.fields import LONG
from models.db.table import Table
from models.entities import EntityName, FileRole, MediaKind

IMAGE: Final[frozenset[MediaKind]] = frozenset({"image"})
VIDEO: Final[frozenset[MediaKind]] = frozenset({"video"})
DOCUMENT: Final[frozenset[MediaKind]] = frozenset({"document"})
MOVING: Final[frozenset[MediaKind]] = frozenset({"image", "video"})
RECORDED: Final[frozenset[MediaKind]] = frozenset({"image", "video", "audio"})


class File(Struct, frozen=True):
    """A file that an entity takes: of which kinds, and the column of its reference.

    ``facts`` are columns that hold what else is known of the file, with the name of that.
    """

    column: str
    kinds: frozenset[MediaKind] = IMAGE
    facts: Mapping[str, str] = {}


class Searched(Struct, frozen=True, kw_only=True):
    """What search reads of a living row, in SQL: the row is ``it``, the episode that it belongs to ``episode``.

    ``title`` and ``about`` are those of the table where they are not given.
    """

    title: LiteralString | None = None
    about: LiteralString | None = None
    rest: LiteralString = "null::text"
    status: LiteralString = "null::text"
    show: LiteralString = "null::uuid"
    language: LiteralString = "'english'"


class Links(Protocol):
    """The table of an entity's links with episodes: its name, its rows, and what a client says of one."""

    @property
    def name(self) -> str:
        """Of its table."""

    @property
    def link(self) -> type[Struct]:
        """Its rows."""

    @property
    def new(self) -> type[Struct]:
        """What a client says of one."""


class Resource(Struct, frozen=True, kw_only=True):
    """An entity: its table, what clients send of it, and what the rest of the system does with its rows.

    ``patch`` is None where a row is never changed. ``files`` are what it takes, by role, the default one first;
    ``largest`` says in bytes where it takes less of a kind than others do. ``lends`` are columns of references that its
    parent shows, with their roles. It belongs to one ``parent``, by that one's key; a ``part`` is hidden and purged
    with it. ``links`` are those with episodes. Of a ``person`` not even a word is kept once the row is purged.
    """

    table: Table[Any]
    new: type[Struct]
    patch: type[Struct] | None
    search: Searched
    files: Mapping[FileRole, File] = {}
    largest: Mapping[MediaKind, int] = {}
    lends: Mapping[str, FileRole] = {}
    parent: EntityName | None = None
    part: bool = False
    links: Links | None = None
    person: bool = False

    @property
    def name(self) -> str:
        """What it is called in every answer, job and row."""
        return self.table.entity_type

    @property
    def references(self) -> Mapping[str, FileRole]:
        """The columns that hold references, and the roles that their files have."""
        return {file.column: role for role, file in self.files.items()} | dict(self.lends)

    @property
    def hashed(self) -> str | None:
        """The column that holds the SHA-256 of what it shows."""
        facts = [fact for file in self.files.values() for fact in file.facts.items()]
        return next((column for column, fact in facts if fact == "sha256"), None)

    @property
    def prose(self) -> list[str]:
        """The columns in which a row may name an object in passing: long texts and documents."""
        columns = self.table.row.__struct_fields__
        return [name for name in columns if name in LONG or name in self.table.documents]
