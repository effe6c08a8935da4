"""Clips: raw footage, of an episode or of none yet."""

from uuid import UUID

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import FromQuery, JSONBody

from api.dependencies import Db, Expected, Files, History, Paging, Trash, Who
from api.http.envelope import Data, Listing, created, entity, page_of, restored
from api.http.parameters import AnyOf, Hash, Id, OfShow, Reason, TagFilter
from api.resources.audit import history_of
from api.resources.files import REDIRECTS, Inline, OriginalFile, Redirect, file_of
from api.resources.thumbnails import Thumbnail, thumbnails_of
from models.audit.log import AuditRow
from models.catalog.clips import CLIPS, Assignment, Clip, ClipPatch, ClipStatus, NewClip, Quality, TalentSource
from models.catalog.restoring import still_deleted


class ClipController(Controller):
    """Raw footage."""

    path = "/api/v1/clips"
    tags = ("clips",)

    @get("/", summary="List clips")
    async def list_clips(
        self,
        db: Db,
        paging: Paging,
        episode_id: AnyOf[UUID] = None,
        of_show: OfShow = None,
        unassigned: FromQuery[bool | None] = None,
        talent_source: AnyOf[TalentSource] = None,
        quality: AnyOf[Quality] = None,
        status: AnyOf[ClipStatus] = None,
        with_tags: TagFilter = None,
        file_hash: Hash = None,
        duplicates: FromQuery[bool | None] = None,
    ) -> Listing[Clip]:
        filters = {
            "episode_id": episode_id,
            "show_id": of_show,
            "unassigned": unassigned,
            "talent_source": talent_source,
            "quality": quality,
            "status": status,
            "tag": with_tags,
            "file_hash": file_hash,
            "duplicates": duplicates,
        }
        return page_of(await CLIPS.page(db, paging, filters))

    @post("/", summary="Create a clip")
    async def create_clip(self, db: Db, who: Who, data: JSONBody[NewClip]) -> Response[Data[Clip]]:
        clip = await CLIPS.create(db, who, data)
        return created(clip, f"{self.path}/{clip.clip_id}")

    @get("/{clip_id:str}", summary="Read a clip")
    async def read_clip(self, db: Db, clip_id: Id, trash: Trash) -> Response[Data[Clip]]:
        return entity(await CLIPS.read(db, clip_id, include_deleted=trash))

    @patch("/{clip_id:str}", summary="Change a clip")
    async def patch_clip(
        self, db: Db, who: Who, clip_id: Id, data: JSONBody[ClipPatch], expected: Expected
    ) -> Response[Data[Clip]]:
        return entity(await CLIPS.patch(db, who, clip_id, data, expected))

    @delete("/{clip_id:str}", summary="Delete a clip")
    async def delete_clip(self, db: Db, who: Who, clip_id: Id, expected: Expected, reason: Reason = None) -> None:
        await CLIPS.delete(db, who, clip_id, reason, expected)

    @post("/{clip_id:str}/restore", status_code=200, summary="Restore a clip")
    async def restore_clip(self, db: Db, who: Who, clip_id: Id, expected: Expected) -> Response[Data[Clip]]:
        row = await CLIPS.restore(db, who, clip_id, expected)
        return restored(row, await still_deleted(db, CLIPS.entity_type, clip_id))

    @post("/{clip_id:str}/assign", status_code=200, summary="Give a clip to an episode")
    async def assign_clip(
        self, db: Db, who: Who, clip_id: Id, data: JSONBody[Assignment], expected: Expected
    ) -> Response[Data[Clip]]:
        return entity(await CLIPS.patch(db, who, clip_id, data, expected))

    @post("/{clip_id:str}/unassign", status_code=200, summary="Take a clip from its episode")
    async def unassign_clip(self, db: Db, who: Who, clip_id: Id, expected: Expected) -> Response[Data[Clip]]:
        return entity(await CLIPS.patch(db, who, clip_id, ClipPatch(episode_id=None), expected))

    @get("/{clip_id:str}/file", summary="The file of a clip", responses=REDIRECTS)
    async def read_clip_file(
        self, db: Db, files: Files, clip_id: Id, redirect: Redirect = False, inline: Inline = False
    ) -> Response[Data[OriginalFile]]:
        row = await CLIPS.read(db, clip_id)
        return await file_of(db, files, "clip", row, "primary", redirect=redirect, inline=inline)

    @get("/{clip_id:str}/thumbnails", summary="The pictures of a clip")
    async def list_clip_thumbnails(self, db: Db, files: Files, clip_id: Id) -> Data[list[Thumbnail]]:
        clip = await CLIPS.read(db, clip_id)
        return await thumbnails_of(db, files, "clip", clip.clip_id)

    @get("/{clip_id:str}/history", summary="Who changed a clip")
    async def list_clip_history(self, db: Db, clip_id: Id, past: History) -> Listing[AuditRow]:
        return await history_of(db, "clip", clip_id, past)
