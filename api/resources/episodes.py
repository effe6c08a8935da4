"""Episodes of a show's seasons."""

from uuid import UUID

from litestar import Controller, Response, delete, get, patch, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from api.dependencies import Db, Expected, Files, History, Paging, Trash, Who
from api.http import request_body
from api.http.envelope import Data, ErrorBody, Listing, created, entity, page_of, restored
from api.http.parameters import AnyOf, DateFilter, Id, Reason, TagFilter
from api.resources.audit import history_of
from api.resources.files import REDIRECTS, EpisodeFile, Inline, OriginalFile, Redirect, file_of
from api.resources.thumbnails import Thumbnail, thumbnails_of
from models.audit.log import AuditRow
from models.catalog.episodes import EPISODES, ApprovalStatus, Episode, EpisodePatch, EpisodeStatus, NewEpisode
from models.catalog.restoring import still_deleted


class EpisodeController(Controller):
    """Episodes of a show's seasons."""

    path = "/api/v1/episodes"
    tags = ("episodes",)

    @get("/", summary="List episodes")
    async def list_episodes(
        self,
        db: Db,
        paging: Paging,
        show_id: AnyOf[UUID] = None,
        season_number: AnyOf[int] = None,
        status: AnyOf[EpisodeStatus] = None,
        approval_status: AnyOf[ApprovalStatus] = None,
        category: AnyOf[str] = None,
        language: AnyOf[str] = None,
        with_tags: TagFilter = None,
        publish_date_from: DateFilter = None,
        publish_date_to: DateFilter = None,
    ) -> Listing[Episode]:
        filters = {
            "show_id": show_id,
            "season_number": season_number,
            "status": status,
            "approval_status": approval_status,
            "category": category,
            "language": language,
            "tag": with_tags,
            "publish_date_from": publish_date_from,
            "publish_date_to": publish_date_to,
        }
        return page_of(await EPISODES.page(db, paging, filters))

    @post("/", summary="Create an episode", request_max_body_size=request_body.LARGE)
    async def create_episode(self, db: Db, who: Who, data: JSONBody[NewEpisode]) -> Response[Data[Episode]]:
        episode = await EPISODES.create(db, who, data)
        return created(episode, f"{self.path}/{episode.episode_id}")

    @get("/{episode_id:str}", summary="Read an episode")
    async def read_episode(self, db: Db, episode_id: Id, trash: Trash) -> Response[Data[Episode]]:
        return entity(await EPISODES.read(db, episode_id, include_deleted=trash))

    @patch(
        "/{episode_id:str}",
        summary="Change an episode",
        request_max_body_size=request_body.LARGE,
        responses={409: ResponseSpec(ErrorBody)},
    )
    async def patch_episode(
        self, db: Db, who: Who, episode_id: Id, data: JSONBody[EpisodePatch], expected: Expected
    ) -> Response[Data[Episode]]:
        return entity(await EPISODES.patch(db, who, episode_id, data, expected))

    @delete("/{episode_id:str}", summary="Delete an episode")
    async def delete_episode(self, db: Db, who: Who, episode_id: Id, expected: Expected, reason: Reason = None) -> None:
        await EPISODES.delete(db, who, episode_id, reason, expected)

    @post("/{episode_id:str}/restore", status_code=200, summary="Restore an episode")
    async def restore_episode(self, db: Db, who: Who, episode_id: Id, expected: Expected) -> Response[Data[Episode]]:
        row = await EPISODES.restore(db, who, episode_id, expected)
        return restored(row, await still_deleted(db, EPISODES.entity_type, episode_id))

    @get("/{episode_id:str}/file", summary="The thumbnail, trailer or script file of an episode", responses=REDIRECTS)
    async def read_episode_file(
        self,
        db: Db,
        files: Files,
        episode_id: Id,
        role: EpisodeFile = "thumbnail",
        redirect: Redirect = False,
        inline: Inline = False,
    ) -> Response[Data[OriginalFile]]:
        row = await EPISODES.read(db, episode_id)
        return await file_of(db, files, "episode", row, role, redirect=redirect, inline=inline)

    @get("/{episode_id:str}/thumbnails", summary="The pictures of an episode")
    async def list_episode_thumbnails(self, db: Db, files: Files, episode_id: Id) -> Data[list[Thumbnail]]:
        episode = await EPISODES.read(db, episode_id)
        return await thumbnails_of(db, files, "episode", episode.episode_id)

    @get("/{episode_id:str}/history", summary="Who changed an episode")
    async def list_episode_history(self, db: Db, episode_id: Id, past: History) -> Listing[AuditRow]:
        return await history_of(db, "episode", episode_id, past)
