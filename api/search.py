"""Search over everything that can be found."""

from typing import Annotated, Literal
from uuid import UUID

from litestar import Controller, get, post
from litestar.params import FromQuery, QueryParameter
from msgspec import UNSET, Struct

from api.dependencies import Db, Files
from api.envelope import Data, ListMetadata, Pagination
from api.parameters import TagFilter
from models import references, search
from models.search import Hit, SearchQuery
from models.storage import Storage

EntityKind = Literal["show", "episode", "clip", "outfit", "ui_element", "background", "component", "guest"]


class Found(Struct):
    """One hit; ``snippet`` is safe HTML with the words in <mark>; ``thumbnail_url`` works for an hour."""

    entity_type: str
    entity_id: UUID
    title: str
    snippet: str
    rank: float
    tags: list[str]
    show_id: UUID | None
    thumbnail_url: str | None


class Facets(Struct):
    """How many hits each type and each of the 50 commonest tags has, over all pages; of 10,000 hits at most."""

    type: dict[str, int]
    tag: dict[str, int]


class SearchMetadata(ListMetadata, kw_only=True):
    """The metadata of a search."""

    facets: Facets


class SearchListing(Struct):
    """A page of hits, the best first."""

    data: list[Found]
    metadata: SearchMetadata


class Reindexing(Struct):
    """How many documents will be written again."""

    queued: int


class SearchController(Controller):
    """Full text over titles, descriptions, tags and scripts."""

    path = "/api/v1/search"
    tags = ("search",)

    @get("/", summary="Find things")
    async def find(
        self,
        db: Db,
        files: Files,
        q: Annotated[str, QueryParameter(max_length=500, description='Words, "a phrase", -not, or.')] = "",
        kinds: Annotated[list[EntityKind] | None, QueryParameter(name="type", description="Any of these.")] = None,
        show_id: FromQuery[UUID | None] = None,
        with_tags: TagFilter = None,
        status: Annotated[str | None, QueryParameter(max_length=50)] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
        cursor: Annotated[str | None, QueryParameter(max_length=2048)] = None,
    ) -> SearchListing:
        types = [str(kind) for kind in kinds] if kinds else None
        wanted = SearchQuery(q=q, type=types, show_id=show_id, tag=with_tags, status=status, limit=limit, cursor=cursor)
        results = await search.search(db, wanted)
        pagination = Pagination(limit, results.total, results.next_cursor, results.capped or UNSET)
        metadata = SearchMetadata(pagination=pagination, facets=Facets(results.types, results.tags))
        return SearchListing([_found(files, hit) for hit in results.hits], metadata)

    @post("/reindex", status_code=202, summary="Write every document again")
    async def reindex(self, db: Db) -> Data[Reindexing]:
        return Data(Reindexing(await search.reindex(db)))


def _found(files: Storage, hit: Hit) -> Found:
    url = files.signed_get(references.parse(hit.thumbnail)) if hit.thumbnail else None
    return Found(hit.entity_type, hit.entity_id, hit.title, hit.snippet, hit.rank, hit.tags, hit.show_id, url)
