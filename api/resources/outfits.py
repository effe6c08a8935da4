"""Outfits: what somebody wears."""

from litestar import Controller, Response, delete, get, patch, post, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from api.dependencies import Db, Expected, Files, History, Paging, Trash, Who
from api.http.envelope import Data, Listing, created, entity, page_of, restored
from api.http.parameters import AnyOf, Id, JsonFilter, OfShow, Reason, TagFilter, contained
from api.resources.audit import Cursor, Limit, history_of
from api.resources.episode_links import LinkController, linked
from api.resources.files import REDIRECTS, Inline, OriginalFile, Redirect, file_of
from api.resources.thumbnails import Thumbnail, thumbnails_of
from models.audit.log import AuditRow
from models.catalog.link_table import Pair, Window
from models.catalog.outfits import (
    OUTFITS,
    OUTFITS_OF_EPISODES,
    EpisodeOfOutfit,
    LinkedOutfit,
    NewOutfit,
    NewOutfitLink,
    Outfit,
    OutfitLink,
    OutfitPatch,
)
from models.catalog.restoring import still_deleted


class OutfitController(Controller):
    """What somebody wears."""

    path = "/api/v1/outfits"
    tags = ("outfits",)

    @get("/", summary="List outfits")
    async def list_outfits(
        self,
        db: Db,
        paging: Paging,
        with_tags: TagFilter = None,
        brand: AnyOf[str] = None,
        season: AnyOf[str] = None,
        occasion: AnyOf[str] = None,
        worn_by: AnyOf[str] = None,
        of_show: OfShow = None,
        top: JsonFilter = None,
        bottom: JsonFilter = None,
        shoes: JsonFilter = None,
        accessories: JsonFilter = None,
    ) -> Listing[Outfit]:
        filters = {
            "tag": with_tags,
            "brand": brand,
            "season": season,
            "occasion": occasion,
            "worn_by": worn_by,
            "show_id": of_show,
            "top": contained(top, field="top"),
            "bottom": contained(bottom, field="bottom"),
            "shoes": contained(shoes, field="shoes"),
            "accessories": contained(accessories, field="accessories"),
        }
        return page_of(await OUTFITS.page(db, paging, filters))

    @post("/", summary="Create an outfit")
    async def create_outfit(self, db: Db, who: Who, data: JSONBody[NewOutfit]) -> Response[Data[Outfit]]:
        outfit = await OUTFITS.create(db, who, data)
        return created(outfit, f"{self.path}/{outfit.outfit_id}")

    @get("/{outfit_id:str}", summary="Read an outfit")
    async def read_outfit(self, db: Db, outfit_id: Id, trash: Trash) -> Response[Data[Outfit]]:
        return entity(await OUTFITS.read(db, outfit_id, include_deleted=trash))

    @patch("/{outfit_id:str}", summary="Change an outfit")
    async def patch_outfit(
        self, db: Db, who: Who, outfit_id: Id, data: JSONBody[OutfitPatch], expected: Expected
    ) -> Response[Data[Outfit]]:
        return entity(await OUTFITS.patch(db, who, outfit_id, data, expected))

    @delete("/{outfit_id:str}", summary="Delete an outfit")
    async def delete_outfit(self, db: Db, who: Who, outfit_id: Id, expected: Expected, reason: Reason = None) -> None:
        await OUTFITS.delete(db, who, outfit_id, reason, expected)

    @post("/{outfit_id:str}/restore", status_code=200, summary="Restore an outfit")
    async def restore_outfit(self, db: Db, who: Who, outfit_id: Id, expected: Expected) -> Response[Data[Outfit]]:
        row = await OUTFITS.restore(db, who, outfit_id, expected)
        return restored(row, await still_deleted(db, OUTFITS.entity_type, outfit_id))

    @get("/{outfit_id:str}/file", summary="The file of an outfit", responses=REDIRECTS)
    async def read_outfit_file(
        self, db: Db, files: Files, outfit_id: Id, redirect: Redirect = False, inline: Inline = False
    ) -> Response[Data[OriginalFile]]:
        row = await OUTFITS.read(db, outfit_id)
        return await file_of(db, files, "outfit", row, "primary", redirect=redirect, inline=inline)

    @get("/{outfit_id:str}/thumbnails", summary="The pictures of an outfit")
    async def list_outfit_thumbnails(self, db: Db, files: Files, outfit_id: Id) -> Data[list[Thumbnail]]:
        outfit = await OUTFITS.read(db, outfit_id)
        return await thumbnails_of(db, files, "outfit", outfit.outfit_id)

    @get("/{outfit_id:str}/history", summary="Who changed an outfit")
    async def list_outfit_history(self, db: Db, outfit_id: Id, past: History) -> Listing[AuditRow]:
        return await history_of(db, "outfit", outfit_id, past)


class OutfitLinkController(LinkController):
    """The outfits of episodes."""

    @get("/episodes/{episode_id:str}/outfits", summary="List the outfits of an episode")
    async def list_outfits_of_episode(
        self, db: Db, episode_id: Id, limit: Limit = 50, cursor: Cursor = None
    ) -> Listing[LinkedOutfit]:
        return page_of(await OUTFITS_OF_EPISODES.page_of_episode(db, episode_id, Window(limit, cursor)))

    @get("/outfits/{outfit_id:str}/episodes", summary="List the episodes of an outfit")
    async def list_episodes_of_outfit(
        self, db: Db, outfit_id: Id, limit: Limit = 50, cursor: Cursor = None
    ) -> Listing[EpisodeOfOutfit]:
        return page_of(await OUTFITS_OF_EPISODES.page_of_thing(db, outfit_id, Window(limit, cursor)))

    @put(
        "/episodes/{episode_id:str}/outfits/{outfit_id:str}",
        summary="Link an outfit to an episode, or replace what the link says",
        responses={201: ResponseSpec(Data[OutfitLink], description="The link is new")},
    )
    async def put_outfit_link(
        self, db: Db, who: Who, episode_id: Id, outfit_id: Id, data: JSONBody[NewOutfitLink], expected: Expected
    ) -> Response[Data[OutfitLink]]:
        return linked(await OUTFITS_OF_EPISODES.put(db, who, Pair(episode_id, outfit_id), data, expected))

    @delete("/episodes/{episode_id:str}/outfits/{outfit_id:str}", summary="Unlink an outfit from an episode")
    async def delete_outfit_link(self, db: Db, who: Who, episode_id: Id, outfit_id: Id, expected: Expected) -> None:
        await OUTFITS_OF_EPISODES.remove(db, who, Pair(episode_id, outfit_id), expected)
