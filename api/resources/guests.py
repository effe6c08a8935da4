"""Guests: who visits an episode."""

from litestar import Controller, Response, delete, get, patch, post, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from api.dependencies import Db, Expected, Files, History, Paging, Trash, Who
from api.http.envelope import Data, Listing, created, entity, page_of, restored
from api.http.parameters import Id, OfShow, Reason, TagFilter
from api.resources.audit import Cursor, Limit, history_of
from api.resources.episode_links import LinkController, linked
from api.resources.files import REDIRECTS, Inline, OriginalFile, Redirect, file_of
from api.resources.thumbnails import Thumbnail, thumbnails_of
from models.audit.log import AuditRow
from models.catalog.guests import GUESTS, GUESTS_OF_EPISODES, Guest, GuestLink, GuestPatch, LinkedGuest, NewGuest
from models.catalog.link_table import LinkedEpisode, NewLink, Pair, Window
from models.catalog.restoring import still_deleted


class GuestController(Controller):
    """Who visits an episode."""

    path = "/api/v1/guests"
    tags = ("guests",)

    @get("/", summary="List guests")
    async def list_guests(
        self, db: Db, paging: Paging, with_tags: TagFilter = None, of_show: OfShow = None
    ) -> Listing[Guest]:
        filters = {"tag": with_tags, "show_id": of_show}
        return page_of(await GUESTS.page(db, paging, filters))

    @post("/", summary="Create a guest")
    async def create_guest(self, db: Db, who: Who, data: JSONBody[NewGuest]) -> Response[Data[Guest]]:
        guest = await GUESTS.create(db, who, data)
        return created(guest, f"{self.path}/{guest.guest_id}")

    @get("/{guest_id:str}", summary="Read a guest")
    async def read_guest(self, db: Db, guest_id: Id, trash: Trash) -> Response[Data[Guest]]:
        return entity(await GUESTS.read(db, guest_id, include_deleted=trash))

    @patch("/{guest_id:str}", summary="Change a guest")
    async def patch_guest(
        self, db: Db, who: Who, guest_id: Id, data: JSONBody[GuestPatch], expected: Expected
    ) -> Response[Data[Guest]]:
        return entity(await GUESTS.patch(db, who, guest_id, data, expected))

    @delete("/{guest_id:str}", summary="Delete a guest")
    async def delete_guest(self, db: Db, who: Who, guest_id: Id, expected: Expected, reason: Reason = None) -> None:
        await GUESTS.delete(db, who, guest_id, reason, expected)

    @post("/{guest_id:str}/restore", status_code=200, summary="Restore a guest")
    async def restore_guest(self, db: Db, who: Who, guest_id: Id, expected: Expected) -> Response[Data[Guest]]:
        row = await GUESTS.restore(db, who, guest_id, expected)
        return restored(row, await still_deleted(db, GUESTS.entity_type, guest_id))

    @get("/{guest_id:str}/file", summary="The file of a guest", responses=REDIRECTS)
    async def read_guest_file(
        self, db: Db, files: Files, guest_id: Id, redirect: Redirect = False, inline: Inline = False
    ) -> Response[Data[OriginalFile]]:
        row = await GUESTS.read(db, guest_id)
        return await file_of(db, files, "guest", row, "primary", redirect=redirect, inline=inline)

    @get("/{guest_id:str}/thumbnails", summary="The pictures of a guest")
    async def list_guest_thumbnails(self, db: Db, files: Files, guest_id: Id) -> Data[list[Thumbnail]]:
        guest = await GUESTS.read(db, guest_id)
        return await thumbnails_of(db, files, "guest", guest.guest_id)

    @get("/{guest_id:str}/history", summary="Who changed a guest")
    async def list_guest_history(self, db: Db, guest_id: Id, past: History) -> Listing[AuditRow]:
        return await history_of(db, "guest", guest_id, past)


class GuestLinkController(LinkController):
    """The guests of episodes."""

    @get("/episodes/{episode_id:str}/guests", summary="List the guests of an episode")
    async def list_guests_of_episode(
        self, db: Db, episode_id: Id, limit: Limit = 50, cursor: Cursor = None
    ) -> Listing[LinkedGuest]:
        return page_of(await GUESTS_OF_EPISODES.page_of_episode(db, episode_id, Window(limit, cursor)))

    @get("/guests/{guest_id:str}/episodes", summary="List the episodes of a guest")
    async def list_episodes_of_guest(
        self, db: Db, guest_id: Id, limit: Limit = 50, cursor: Cursor = None
    ) -> Listing[LinkedEpisode]:
        return page_of(await GUESTS_OF_EPISODES.page_of_thing(db, guest_id, Window(limit, cursor)))

    @put(
        "/episodes/{episode_id:str}/guests/{guest_id:str}",
        summary="Link a guest to an episode, or replace what the link says",
        responses={201: ResponseSpec(Data[GuestLink], description="The link is new")},
    )
    async def put_guest_link(
        self, db: Db, who: Who, episode_id: Id, guest_id: Id, data: JSONBody[NewLink], expected: Expected
    ) -> Response[Data[GuestLink]]:
        return linked(await GUESTS_OF_EPISODES.put(db, who, Pair(episode_id, guest_id), data, expected))

    @delete("/episodes/{episode_id:str}/guests/{guest_id:str}", summary="Unlink a guest from an episode")
    async def delete_guest_link(self, db: Db, who: Who, episode_id: Id, guest_id: Id, expected: Expected) -> None:
        await GUESTS_OF_EPISODES.remove(db, who, Pair(episode_id, guest_id), expected)
