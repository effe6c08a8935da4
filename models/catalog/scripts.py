"""Script versions: numbered per episode without gaps, never changed, at most one of them active.

A version may be deleted and restored. What was active is then one version among others: somebody else may have become
the active one meanwhile.
"""

import asyncio
import subprocess
import sys
from typing import Annotated, Final, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType, json, structs

from models.catalog import unified_diff
from models.catalog.episodes import EPISODES
from models.catalog.resource import Resource, Searched
from models.db import connection as db
from models.db.connection import Connection
from models.db.fields import Json, Note, ReferenceText, Title
from models.db.preconditions import ExpectedVersions
from models.db.recording import Actor
from models.db.table import Entity, Table
from models.errors import Conflict, Invalid, NotFound

DIFF_SECONDS: Final = 5
ContentSource = Literal["text", "file"]
Content = Annotated[str, Meta(min_length=1, max_length=1_000_000)]


class Script(Entity):
    """One version of an episode's script; ``content`` is null where ``content_source`` says that a file holds it."""

    script_id: UUID
    episode_id: UUID
    version_number: int
    title: str | None
    content: str | None
    content_source: ContentSource
    file_reference: str | None
    change_notes: str | None
    is_active: bool


class NewScript(Struct, forbid_unknown_fields=True):
    """What a client says of a new version: its content, or the file that holds it."""

    title: Title | None = None
    content: Content | None = None
    file_reference: ReferenceText | None = None
    change_notes: Note | None = None
    is_active: bool = False
    metadata: Json | UnsetType = UNSET


class _Numbered(NewScript):
    """A new version with its place in the row of versions."""

    episode_id: UUID | UnsetType = UNSET
    version_number: int | UnsetType = UNSET


class _Activity(Struct):
    is_active: bool | UnsetType


SCRIPTS: Final = Table(
    "scripts",
    Script,
    key="script_id",
    title="version_number",
    about="concat_ws(' ', title, change_notes)",
    sorts=("title",),
    filters={"episode_id": "episode_id = %(episode_id)s"},
)
RESOURCE: Final = Resource(
    table=SCRIPTS,
    new=NewScript,
    patch=None,
    parent="episode",
    part=True,
    search=Searched(
        title="coalesce(it.title, concat(episode.title, ', version ', it.version_number))",
        about="it.change_notes",
        rest="it.content",
        status="case when it.is_active then 'active' else 'inactive' end",
        show="episode.show_id",
        language="language_of(episode.language)",
    ),
    lends={"file_reference": "script"},
)


async def read(connection: Connection, script_id: UUID, *, include_deleted: bool = False) -> Script:
    """A version of a living episode's script.

    Raises:
        NotFound
    """
    script = await SCRIPTS.read(connection, script_id, include_deleted=include_deleted)
    await EPISODES.read(connection, script.episode_id, include_deleted=include_deleted)
    return script


async def add(connection: Connection, actor: Actor, episode_id: UUID, new: NewScript) -> Script:
    """Write the next version of an episode's script.

    Raises:
        NotFound: where there is no such episode.
        Invalid: naming ``content``, where there is neither content nor a file.
    """
    if not new.content and not new.file_reference:
        raise Invalid("a version has content, or the file_reference of what holds it", field="content")
    await _take_turns(connection, episode_id)
    if new.is_active:
        await _deactivate(connection, actor, episode_id)
    query = "select coalesce(max(version_number), 0) + 1 from scripts where episode_id = %s"
    number = await db.value(connection, query, [episode_id])
    numbered = _Numbered(**structs.asdict(new), episode_id=episode_id, version_number=number)
    return await SCRIPTS.create(connection, actor, numbered)


async def activate(connection: Connection, actor: Actor, script_id: UUID, expected: ExpectedVersions | None) -> Script:
    """Make this version the active one of its episode. ``expected`` is about versions of its row.

    Raises:
        NotFound, PreconditionFailed
    """
    episode_id = (await SCRIPTS.read(connection, script_id)).episode_id
    await _take_turns(connection, episode_id)
    script = await SCRIPTS.read(connection, script_id)
    if not script.is_active:
        await _deactivate(connection, actor, episode_id)
    activity = _Activity(UNSET if script.is_active else True)
    return await SCRIPTS.patch(connection, actor, script_id, activity, expected)


async def delete(
    connection: Connection, actor: Actor, script_id: UUID, reason: str | None, expected: ExpectedVersions | None
) -> None:
    """Put a version in the trash; it is not the active one any more, and its number stays taken.

    Raises:
        NotFound, PreconditionFailed
    """
    await _take_turns(connection, (await SCRIPTS.read(connection, script_id)).episode_id)
    script = await SCRIPTS.patch(connection, actor, script_id, _Activity(UNSET), expected)
    if script.is_active:
        await SCRIPTS.patch(connection, actor, script_id, _Activity(False))
    await SCRIPTS.delete(connection, actor, script_id, reason)


async def _take_turns(connection: Connection, episode_id: UUID) -> None:
    """Until the transaction ends, nobody else numbers or activates versions of this episode."""
    query = "select true from episodes where episode_id = %s and deleted_at is null for no key update"
    if not await db.value(connection, query, [episode_id]):
        raise NotFound(f"there is no episode {episode_id}")


async def _deactivate(connection: Connection, actor: Actor, episode_id: UUID) -> None:
    query = "select script_id from scripts where episode_id = %s and is_active and deleted_at is null"
    active = await db.value(connection, query, [episode_id])
    if active is not None:
        await SCRIPTS.patch(connection, actor, active, _Activity(False))


async def compare(before: Script, after: Script) -> str:
    """The unified diff of two versions, made in a process of its own: some long texts take difflib minutes.

    Raises:
        Conflict: where a version is kept as a file, or the two differ too much to compare.
    """
    for script in (before, after):
        if script.content is None:
            raise Conflict(f"version {script.version_number} is kept as a file; only written text is compared")
    names = [f"version {script.version_number}" for script in (before, after)]
    asked = json.encode([before.content, after.content, *names])
    command = [sys.executable, "-I", unified_diff.__file__]
    try:
        made = await asyncio.to_thread(
            subprocess.run, command, input=asked, stdout=subprocess.PIPE, check=True, timeout=DIFF_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise Conflict("these versions are too long and too different to be compared") from None
    return str(json.decode(made.stdout))
