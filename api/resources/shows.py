"""Shows: what a series of episodes belongs to."""

from litestar import Controller, Response, delete, get, patch, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from api.dependencies import Db, Expected, Files, History, Paging, Trash, Who
from api.http.envelope import Data, ErrorBody, Listing, created, entity, page_of, restored
from api.http.parameters import AnyOf, Id, Reason
from api.resources.audit import history_of
from api.resources.thumbnails import Thumbnail, thumbnails_of
from models.audit.log import AuditRow
from models.catalog.restoring import still_deleted
from models.catalog.shows import SHOWS, NewShow, Show, ShowPatch, ShowStatus


class ShowController(Controller):
    """What a series of episodes belongs to."""

    path = "/api/v1/shows"
    tags = ("shows",)

    @get("/", summary="List shows")
    async def list_shows(self, db: Db, paging: Paging, status: AnyOf[ShowStatus] = None) -> Listing[Show]:
        return page_of(await SHOWS.page(db, paging, {"status": status}))

    @post("/", summary="Create a show")
    async def create_show(self, db: Db, who: Who, data: JSONBody[NewShow]) -> Response[Data[Show]]:
        show = await SHOWS.create(db, who, data)
        return created(show, f"{self.path}/{show.show_id}")

    @get("/{show_id:str}", summary="Read a show")
    async def read_show(self, db: Db, show_id: Id, trash: Trash) -> Response[Data[Show]]:
        return entity(await SHOWS.read(db, show_id, include_deleted=trash))

    @patch("/{show_id:str}", summary="Change a show", responses={409: ResponseSpec(ErrorBody)})
    async def patch_show(
        self, db: Db, who: Who, show_id: Id, data: JSONBody[ShowPatch], expected: Expected
    ) -> Response[Data[Show]]:
        return entity(await SHOWS.patch(db, who, show_id, data, expected))

    @delete("/{show_id:str}", summary="Delete a show")
    async def delete_show(self, db: Db, who: Who, show_id: Id, expected: Expected, reason: Reason = None) -> None:
        await SHOWS.delete(db, who, show_id, reason, expected)

    @post("/{show_id:str}/restore", status_code=200, summary="Restore a show")
    async def restore_show(self, db: Db, who: Who, show_id: Id, expected: Expected) -> Response[Data[Show]]:
        row = await SHOWS.restore(db, who, show_id, expected)
        return restored(row, await still_deleted(db, SHOWS.entity_type, show_id))

    @get("/{show_id:str}/thumbnails", summary="The pictures of a show")
    async def list_show_thumbnails(self, db: Db, files: Files, show_id: Id) -> Data[list[Thumbnail]]:
        show = await SHOWS.read(db, show_id)
        return await thumbnails_of(db, files, "show", show.show_id)

    @get("/{show_id:str}/history", summary="Who changed a show")
    async def list_show_history(self, db: Db, show_id: Id, past: History) -> Listing[AuditRow]:
        return await history_of(db, "show", show_id, past)
