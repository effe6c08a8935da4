"""UI elements."""

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
from models.catalog.link_table import Pair, Window
from models.catalog.restoring import still_deleted
from models.catalog.ui_elements import (
    UI_ELEMENTS,
    UI_ELEMENTS_OF_EPISODES,
    ElementType,
    EpisodeOfUiElement,
    LinkedUiElement,
    NewUiElement,
    NewUiElementLink,
    UiElement,
    UiElementLink,
    UiElementPatch,
)


class UiElementController(Controller):
    """What is laid over the picture."""

    path = "/api/v1/ui-elements"
    tags = ("UI elements",)

    @get("/", summary="List UI elements")
    async def list_ui_elements(
        self,
        db: Db,
        paging: Paging,
        element_type: AnyOf[ElementType] = None,
        with_tags: TagFilter = None,
        of_show: OfShow = None,
    ) -> Listing[UiElement]:
        return page_of(
            await UI_ELEMENTS.page(db, paging, {"element_type": element_type, "tag": with_tags, "show_id": of_show})
        )

    @post("/", summary="Create a UI element")
    async def create_ui_element(self, db: Db, who: Who, data: JSONBody[NewUiElement]) -> Response[Data[UiElement]]:
        ui_element = await UI_ELEMENTS.create(db, who, data)
        return created(ui_element, f"{self.path}/{ui_element.ui_element_id}")

    @get("/{ui_element_id:str}", summary="Read a UI element")
    async def read_ui_element(self, db: Db, ui_element_id: Id, trash: Trash) -> Response[Data[UiElement]]:
        return entity(await UI_ELEMENTS.read(db, ui_element_id, include_deleted=trash))

    @patch("/{ui_element_id:str}", summary="Change a UI element")
    async def patch_ui_element(
        self, db: Db, who: Who, ui_element_id: Id, data: JSONBody[UiElementPatch], expected: Expected
    ) -> Response[Data[UiElement]]:
        return entity(await UI_ELEMENTS.patch(db, who, ui_element_id, data, expected))

    @delete("/{ui_element_id:str}", summary="Delete a UI element")
    async def delete_ui_element(
        self, db: Db, who: Who, ui_element_id: Id, expected: Expected, reason: Reason = None
    ) -> None:
        await UI_ELEMENTS.delete(db, who, ui_element_id, reason, expected)

    @post("/{ui_element_id:str}/restore", status_code=200, summary="Restore a UI element")
    async def restore_ui_element(
        self, db: Db, who: Who, ui_element_id: Id, expected: Expected
    ) -> Response[Data[UiElement]]:
        row = await UI_ELEMENTS.restore(db, who, ui_element_id, expected)
        return restored(row, await still_deleted(db, UI_ELEMENTS.entity_type, ui_element_id))

    @get("/{ui_element_id:str}/file", summary="The file of a UI element", responses=REDIRECTS)
    async def read_ui_element_file(
        self, db: Db, files: Files, ui_element_id: Id, redirect: Redirect = False, inline: Inline = False
    ) -> Response[Data[OriginalFile]]:
        row = await UI_ELEMENTS.read(db, ui_element_id)
        return await file_of(db, files, "ui_element", row, "primary", redirect=redirect, inline=inline)

    @get("/{ui_element_id:str}/thumbnails", summary="The pictures of a UI element")
    async def list_ui_element_thumbnails(self, db: Db, files: Files, ui_element_id: Id) -> Data[list[Thumbnail]]:
        ui_element = await UI_ELEMENTS.read(db, ui_element_id)
        return await thumbnails_of(db, files, "ui_element", ui_element.ui_element_id)

    @get("/{ui_element_id:str}/history", summary="Who changed a UI element")
    async def list_ui_element_history(self, db: Db, ui_element_id: Id, past: History) -> Listing[AuditRow]:
        return await history_of(db, "ui_element", ui_element_id, past)


class UiElementLinkController(LinkController):
    """The UI elements of episodes."""

    @get("/episodes/{episode_id:str}/ui-elements", summary="List the UI elements of an episode")
    async def list_ui_elements_of_episode(
        self, db: Db, episode_id: Id, limit: Limit = 50, cursor: Cursor = None
    ) -> Listing[LinkedUiElement]:
        return page_of(await UI_ELEMENTS_OF_EPISODES.page_of_episode(db, episode_id, Window(limit, cursor)))

    @get("/ui-elements/{ui_element_id:str}/episodes", summary="List the episodes of a UI element")
    async def list_episodes_of_ui_element(
        self, db: Db, ui_element_id: Id, limit: Limit = 50, cursor: Cursor = None
    ) -> Listing[EpisodeOfUiElement]:
        return page_of(await UI_ELEMENTS_OF_EPISODES.page_of_thing(db, ui_element_id, Window(limit, cursor)))

    @put(
        "/episodes/{episode_id:str}/ui-elements/{ui_element_id:str}",
        summary="Link a UI element to an episode, or replace what the link says",
        responses={201: ResponseSpec(Data[UiElementLink], description="The link is new")},
    )
    async def put_ui_element_link(
        self, db: Db, who: Who, episode_id: Id, ui_element_id: Id, data: JSONBody[NewUiElementLink], expected: Expected
    ) -> Response[Data[UiElementLink]]:
        data.check()
        return linked(await UI_ELEMENTS_OF_EPISODES.put(db, who, Pair(episode_id, ui_element_id), data, expected))

    @delete("/episodes/{episode_id:str}/ui-elements/{ui_element_id:str}", summary="Unlink a UI element from an episode")
    async def delete_ui_element_link(
        self, db: Db, who: Who, episode_id: Id, ui_element_id: Id, expected: Expected
    ) -> None:
        await UI_ELEMENTS_OF_EPISODES.remove(db, who, Pair(episode_id, ui_element_id), expected)
