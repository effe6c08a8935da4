"""Guests: who visits an episode."""

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import JSONBody

from api.dependencies import Db, Expected, Files, History, Paging, Trash, Who
from api.http.envelope import Data, Listing, Restored, created, entity, page_of, restored
from api.http.parameters import Id, Reason, TagFilter
from api.resources.audit import history_of
from api.resources.thumbnails import Thumbnail, thumbnails_of
from models.audit.log import AuditRow
from models.catalog.guests import GUESTS, Guest, GuestPatch, NewGuest
from models.catalog.restoring import still_deleted


class GuestController(Controller):
    """Who visits an episode."""

    path = "/api/v1/guests"
    tags = ("guests",)

    @get("/", summary="List guests")
    async def list_guests(self, db: Db, paging: Paging, with_tags: TagFilter = None) -> Listing[Guest]:
        return page_of(await GUESTS.page(db, paging, {"tag": with_tags}))

    @post("/", summary="Create a guest", single_statement=True)
    async def create_guest(self, db: Db, who: Who, data: JSONBody[NewGuest]) -> Response[Data[Guest]]:
        guest = await GUESTS.create(db, who, data)
        return created(guest, f"{self.path}/{guest.guest_id}")

    @get("/{guest_id:str}", summary="Read a guest")
    async def read_guest(self, db: Db, guest_id: Id, trash: Trash) -> Response[Data[Guest]]:
        return entity(await GUESTS.read(db, guest_id, include_deleted=trash))

    @patch("/{guest_id:str}", summary="Change a guest", single_statement=True)
    async def patch_guest(
        self, db: Db, who: Who, guest_id: Id, data: JSONBody[GuestPatch], expected: Expected
    ) -> Response[Data[Guest]]:
        return entity(await GUESTS.patch(db, who, guest_id, data, expected))

    @delete("/{guest_id:str}", summary="Delete a guest", single_statement=True)
    async def delete_guest(self, db: Db, who: Who, guest_id: Id, expected: Expected, reason: Reason = None) -> None:
        await GUESTS.delete(db, who, guest_id, reason, expected)

    @post("/{guest_id:str}/restore", status_code=200, summary="Restore a guest")
    async def restore_guest(self, db: Db, who: Who, guest_id: Id, expected: Expected) -> Response[Restored[Guest]]:
        row = await GUESTS.restore(db, who, guest_id, expected)
        return restored(row, await still_deleted(db, GUESTS.entity_type, guest_id))

    @get("/{guest_id:str}/thumbnails", summary="The pictures of a guest")
    async def list_guest_thumbnails(self, db: Db, files: Files, guest_id: Id) -> Data[list[Thumbnail]]:
        guest = await GUESTS.read(db, guest_id)
        return await thumbnails_of(db, files, "guest", guest.guest_id)

    @get("/{guest_id:str}/history", summary="Who changed a guest")
    async def list_guest_history(self, db: Db, guest_id: Id, past: History) -> Listing[AuditRow]:
        return await history_of(db, "guest", guest_id, past)
