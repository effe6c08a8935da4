"""Backgrounds."""

from litestar import Controller, Response, delete, get, patch, post, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from api.dependencies import Db, Expected, Files, History, Paging, Trash, Who
from api.http.envelope import Data, Listing, created, entity, page_of, restored
from api.http.parameters import AnyOf, Id, OfShow, Reason, TagFilter
from api.resources.audit import Cursor, Limit, history_of
from api.resources.episode_links import LinkController, linked
from api.resources.files import REDIRECTS, Inline, OriginalFile, Redirect, file_of
from api.resources.thumbnails import Thumbnail, thumbnails_of
from models.audit.log import AuditRow
from models.catalog.backgrounds import (
    BACKGROUNDS,
    BACKGROUNDS_OF_EPISODES,
    Background,
    BackgroundLink,
    BackgroundPatch,
    BackgroundType,
    LinkedBackground,
    NewBackground,
)
from models.catalog.link_table import LinkedEpisode, NewLink, Pair, Window
from models.catalog.restoring import still_deleted


class BackgroundController(Controller):
    """Where an episode plays."""

    path = "/api/v1/backgrounds"
    tags = ("backgrounds",)

    @get("/", summary="List backgrounds")
    async def list_backgrounds(
        self,
        db: Db,
        paging: Paging,
        background_type: AnyOf[BackgroundType] = None,
        with_tags: TagFilter = None,
        of_show: OfShow = None,
    ) -> Listing[Background]:
        return page_of(
            await BACKGROUNDS.page(
                db, paging, {"background_type": background_type, "tag": with_tags, "show_id": of_show}
            )
        )

    @post("/", summary="Create a background")
    async def create_background(self, db: Db, who: Who, data: JSONBody[NewBackground]) -> Response[Data[Background]]:
        background = await BACKGROUNDS.create(db, who, data)
        return created(background, f"{self.path}/{background.background_id}")

    @get("/{background_id:str}", summary="Read a background")
    async def read_background(self, db: Db, background_id: Id, trash: Trash) -> Response[Data[Background]]:
        return entity(await BACKGROUNDS.read(db, background_id, include_deleted=trash))

    @patch("/{background_id:str}", summary="Change a background")
    async def patch_background(
        self, db: Db, who: Who, background_id: Id, data: JSONBody[BackgroundPatch], expected: Expected
    ) -> Response[Data[Background]]:
        return entity(await BACKGROUNDS.patch(db, who, background_id, data, expected))

    @delete("/{background_id:str}", summary="Delete a background")
    async def delete_background(
        self, db: Db, who: Who, background_id: Id, expected: Expected, reason: Reason = None
    ) -> None:
        await BACKGROUNDS.delete(db, who, background_id, reason, expected)

    @post("/{background_id:str}/restore", status_code=200, summary="Restore a background")
    async def restore_background(
        self, db: Db, who: Who, background_id: Id, expected: Expected
    ) -> Response[Data[Background]]:
        row = await BACKGROUNDS.restore(db, who, background_id, expected)
        return restored(row, await still_deleted(db, BACKGROUNDS.entity_type, background_id))

    @get("/{background_id:str}/file", summary="The file of a background", responses=REDIRECTS)
    async def read_background_file(
        self, db: Db, files: Files, background_id: Id, redirect: Redirect = False, inline: Inline = False
    ) -> Response[Data[OriginalFile]]:
        row = await BACKGROUNDS.read(db, background_id)
        return await file_of(db, files, "background", row, "primary", redirect=redirect, inline=inline)

    @get("/{background_id:str}/thumbnails", summary="The pictures of a background")
    async def list_background_thumbnails(self, db: Db, files: Files, background_id: Id) -> Data[list[Thumbnail]]:
        background = await BACKGROUNDS.read(db, background_id)
        return await thumbnails_of(db, files, "background", background.background_id)

    @get("/{background_id:str}/history", summary="Who changed a background")
    async def list_background_history(self, db: Db, background_id: Id, past: History) -> Listing[AuditRow]:
        return await history_of(db, "background", background_id, past)


class BackgroundLinkController(LinkController):
    """The backgrounds of episodes."""

    @get("/episodes/{episode_id:str}/backgrounds", summary="List the backgrounds of an episode")
    async def list_backgrounds_of_episode(
        self, db: Db, episode_id: Id, limit: Limit = 50, cursor: Cursor = None
    ) -> Listing[LinkedBackground]:
        return page_of(await BACKGROUNDS_OF_EPISODES.page_of_episode(db, episode_id, Window(limit, cursor)))

    @get("/backgrounds/{background_id:str}/episodes", summary="List the episodes of a background")
    async def list_episodes_of_background(
        self, db: Db, background_id: Id, limit: Limit = 50, cursor: Cursor = None
    ) -> Listing[LinkedEpisode]:
        return page_of(await BACKGROUNDS_OF_EPISODES.page_of_thing(db, background_id, Window(limit, cursor)))

    @put(
        "/episodes/{episode_id:str}/backgrounds/{background_id:str}",
        summary="Link a background to an episode, or replace what the link says",
        responses={201: ResponseSpec(Data[BackgroundLink], description="The link is new")},
    )
    async def put_background_link(
        self, db: Db, who: Who, episode_id: Id, background_id: Id, data: JSONBody[NewLink], expected: Expected
    ) -> Response[Data[BackgroundLink]]:
        return linked(await BACKGROUNDS_OF_EPISODES.put(db, who, Pair(episode_id, background_id), data, expected))

    @delete("/episodes/{episode_id:str}/backgrounds/{background_id:str}", summary="Unlink a background from an episode")
    async def delete_background_link(
        self, db: Db, who: Who, episode_id: Id, background_id: Id, expected: Expected
    ) -> None:
        await BACKGROUNDS_OF_EPISODES.remove(db, who, Pair(episode_id, background_id), expected)
