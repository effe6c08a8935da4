"""The versions of an episode's script."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, Response, delete, get, post
from litestar.di import Provide
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery, JSONBody, QueryParameter

from api.dependencies import Db, Expected, Files, History, Paging, Since, Trash, Who
from api.http import request_body
from api.http.envelope import Data, ErrorBody, Listing, created, entity, page_of, restored
from api.http.parameters import Id, Reason
from api.resources.audit import Cursor, history_of
from api.resources.files import REDIRECTS, Inline, OriginalFile, Redirect, file_of
from api.resources.thumbnails import Thumbnail, thumbnails_of
from models.audit.log import AuditRow
from models.catalog import scripts
from models.catalog.episodes import EPISODES
from models.catalog.restoring import still_deleted
from models.catalog.scripts import SCRIPTS, NewScript, Script
from models.db.paging import PageQuery
from models.errors import Invalid, NotFound


class Version(msgspec.Struct):
    """Which version."""

    script_id: UUID
    version_number: int


class Difference(msgspec.Struct, rename={"before": "from", "after": "to"}):
    """A unified diff, and the two versions it is between."""

    diff: str
    before: Version
    after: Version


def newest_first(
    trash: Trash,
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="Rows on a page.")] = 50,
    cursor: Cursor = None,
    sort: Annotated[
        str, QueryParameter(max_length=50, description="A column; '-' for descending.")
    ] = "-version_number",
    q: Annotated[str | None, QueryParameter(max_length=500, description="Text in title or notes.")] = None,
    created_after: Since = None,
    updated_after: Since = None,
) -> PageQuery:
    """The page of versions that a list is asked for."""
    return PageQuery(
        limit=limit,
        cursor=cursor,
        sort=sort,
        q=q,
        include_deleted=trash,
        created_after=created_after,
        updated_after=updated_after,
    )


class EpisodeScriptController(Controller):
    """The versions of one episode's script."""

    path = "/api/v1/episodes/{episode_id:str}/scripts"
    tags = ("scripts",)

    @get(
        "/",
        summary="List the versions of a script, the newest first",
        dependencies={"paging": Provide(newest_first, sync_to_thread=False)},
    )
    async def list_scripts(self, db: Db, episode_id: Id, paging: Paging) -> Listing[Script]:
        await EPISODES.read(db, episode_id, include_deleted=paging.include_deleted)
        query = msgspec.structs.replace(paging, under=str(episode_id))
        return page_of(await SCRIPTS.page(db, query, {"episode_id": episode_id}))

    @post("/", summary="Write the next version of a script", request_max_body_size=request_body.LARGE)
    async def create_script(
        self, db: Db, who: Who, episode_id: Id, data: JSONBody[NewScript]
    ) -> Response[Data[Script]]:
        script = await scripts.add(db, who, episode_id, data)
        return created(script, f"{ScriptController.path}/{script.script_id}")


class ScriptController(Controller):
    """Single versions; they are never changed, but one of an episode's may be the active one."""

    path = "/api/v1/scripts"
    tags = ("scripts",)

    @get("/{script_id:str}", summary="Read a version of a script")
    async def read_script(self, db: Db, script_id: Id, trash: Trash) -> Response[Data[Script]]:
        return entity(await scripts.read(db, script_id, include_deleted=trash))

    @delete("/{script_id:str}", summary="Delete a version of a script")
    async def delete_script(self, db: Db, who: Who, script_id: Id, expected: Expected, reason: Reason = None) -> None:
        await scripts.delete(db, who, script_id, reason, expected)

    @post("/{script_id:str}/restore", status_code=200, summary="Restore a version of a script")
    async def restore_script(self, db: Db, who: Who, script_id: Id, expected: Expected) -> Response[Data[Script]]:
        row = await SCRIPTS.restore(db, who, script_id, expected)
        return restored(row, await still_deleted(db, SCRIPTS.entity_type, script_id))

    @post("/{script_id:str}/activate", status_code=200, summary="Make a version the active one")
    async def activate_script(self, db: Db, who: Who, script_id: Id, expected: Expected) -> Response[Data[Script]]:
        return entity(await scripts.activate(db, who, script_id, expected))

    @get(
        "/{script_id:str}/diff",
        summary="What a version changes against another",
        responses={409: ResponseSpec(ErrorBody)},
    )
    async def diff_scripts(self, db: Db, script_id: Id, against: FromQuery[UUID]) -> Data[Difference]:
        after = await scripts.read(db, script_id)
        try:
            before = await scripts.read(db, against)
        except NotFound as error:
            raise Invalid(error.message, field="against") from None
        if before.episode_id != after.episode_id:
            raise Invalid("this is a version of another episode's script", field="against")
        return Data(Difference(await scripts.compare(before, after), _version(before), _version(after)))

    @get("/{script_id:str}/file", summary="The file of a version of a script", responses=REDIRECTS)
    async def read_script_file(
        self, db: Db, files: Files, script_id: Id, redirect: Redirect = False, inline: Inline = False
    ) -> Response[Data[OriginalFile]]:
        row = await scripts.read(db, script_id)
        return await file_of(db, files, "script", row, "script", redirect=redirect, inline=inline)

    @get("/{script_id:str}/thumbnails", summary="The pictures of a version: none, as of every text")
    async def list_script_thumbnails(self, db: Db, files: Files, script_id: Id) -> Data[list[Thumbnail]]:
        script = await scripts.read(db, script_id)
        return await thumbnails_of(db, files, "script", script.script_id)

    @get("/{script_id:str}/history", summary="Who made, activated or deleted a version")
    async def list_script_history(self, db: Db, script_id: Id, past: History) -> Listing[AuditRow]:
        return await history_of(db, "script", script_id, past)


def _version(script: Script) -> Version:
    return Version(script.script_id, script.version_number)
