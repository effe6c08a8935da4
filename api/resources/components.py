"""Components."""

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
from models.catalog.components import (
    COMPONENTS,
    COMPONENTS_OF_EPISODES,
    Component,
    ComponentLink,
    ComponentPatch,
    ComponentType,
    LinkedComponent,
    NewComponent,
)
from models.catalog.link_table import LinkedEpisode, NewLink, Pair, Window
from models.catalog.restoring import still_deleted


class ComponentController(Controller):
    """The recurring parts that episodes are built from."""

    path = "/api/v1/components"
    tags = ("components",)

    @get("/", summary="List components")
    async def list_components(
        self,
        db: Db,
        paging: Paging,
        component_type: AnyOf[ComponentType] = None,
        with_tags: TagFilter = None,
        of_show: OfShow = None,
    ) -> Listing[Component]:
        return page_of(
            await COMPONENTS.page(db, paging, {"component_type": component_type, "tag": with_tags, "show_id": of_show})
        )

    @post("/", summary="Create a component")
    async def create_component(self, db: Db, who: Who, data: JSONBody[NewComponent]) -> Response[Data[Component]]:
        component = await COMPONENTS.create(db, who, data)
        return created(component, f"{self.path}/{component.component_id}")

    @get("/{component_id:str}", summary="Read a component")
    async def read_component(self, db: Db, component_id: Id, trash: Trash) -> Response[Data[Component]]:
        return entity(await COMPONENTS.read(db, component_id, include_deleted=trash))

    @patch("/{component_id:str}", summary="Change a component")
    async def patch_component(
        self, db: Db, who: Who, component_id: Id, data: JSONBody[ComponentPatch], expected: Expected
    ) -> Response[Data[Component]]:
        return entity(await COMPONENTS.patch(db, who, component_id, data, expected))

    @delete("/{component_id:str}", summary="Delete a component")
    async def delete_component(
        self, db: Db, who: Who, component_id: Id, expected: Expected, reason: Reason = None
    ) -> None:
        await COMPONENTS.delete(db, who, component_id, reason, expected)

    @post("/{component_id:str}/restore", status_code=200, summary="Restore a component")
    async def restore_component(
        self, db: Db, who: Who, component_id: Id, expected: Expected
    ) -> Response[Data[Component]]:
        row = await COMPONENTS.restore(db, who, component_id, expected)
        return restored(row, await still_deleted(db, COMPONENTS.entity_type, component_id))

    @get("/{component_id:str}/file", summary="The file of a component", responses=REDIRECTS)
    async def read_component_file(
        self, db: Db, files: Files, component_id: Id, redirect: Redirect = False, inline: Inline = False
    ) -> Response[Data[OriginalFile]]:
        row = await COMPONENTS.read(db, component_id)
        return await file_of(db, files, "component", row, "primary", redirect=redirect, inline=inline)

    @get("/{component_id:str}/thumbnails", summary="The pictures of a component")
    async def list_component_thumbnails(self, db: Db, files: Files, component_id: Id) -> Data[list[Thumbnail]]:
        component = await COMPONENTS.read(db, component_id)
        return await thumbnails_of(db, files, "component", component.component_id)

    @get("/{component_id:str}/history", summary="Who changed a component")
    async def list_component_history(self, db: Db, component_id: Id, past: History) -> Listing[AuditRow]:
        return await history_of(db, "component", component_id, past)


class ComponentLinkController(LinkController):
    """The components of episodes."""

    @get("/episodes/{episode_id:str}/components", summary="List the components of an episode")
    async def list_components_of_episode(
        self, db: Db, episode_id: Id, limit: Limit = 50, cursor: Cursor = None
    ) -> Listing[LinkedComponent]:
        return page_of(await COMPONENTS_OF_EPISODES.page_of_episode(db, episode_id, Window(limit, cursor)))

    @get("/components/{component_id:str}/episodes", summary="List the episodes of a component")
    async def list_episodes_of_component(
        self, db: Db, component_id: Id, limit: Limit = 50, cursor: Cursor = None
    ) -> Listing[LinkedEpisode]:
        return page_of(await COMPONENTS_OF_EPISODES.page_of_thing(db, component_id, Window(limit, cursor)))

    @put(
        "/episodes/{episode_id:str}/components/{component_id:str}",
        summary="Link a component to an episode, or replace what the link says",
        responses={201: ResponseSpec(Data[ComponentLink], description="The link is new")},
    )
    async def put_component_link(
        self, db: Db, who: Who, episode_id: Id, component_id: Id, data: JSONBody[NewLink], expected: Expected
    ) -> Response[Data[ComponentLink]]:
        return linked(await COMPONENTS_OF_EPISODES.put(db, who, Pair(episode_id, component_id), data, expected))

    @delete("/episodes/{episode_id:str}/components/{component_id:str}", summary="Unlink a component from an episode")
    async def delete_component_link(
        self, db: Db, who: Who, episode_id: Id, component_id: Id, expected: Expected
    ) -> None:
        await COMPONENTS_OF_EPISODES.remove(db, who, Pair(episode_id, component_id), expected)
