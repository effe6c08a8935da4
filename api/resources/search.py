"""Search over everything that can be found."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, get, post
from litestar.params import FromQuery, QueryParameter
from msgspec import UNSET, Struct

from api.dependencies import Db, Files
from api.http.envelope import Data, ListMetadata, Pagination
from api.http.json_response import TaggedList
from api.http.parameters import TagFilter
from models.db.paging import LONGEST_CURSOR
from models.entities import EntityName
from models.media import references
from models.media.s3 import Storage
from models.search import query, reindex
from models.search.query import Hit, SearchQuery
from models.search.reindex import ReindexJob


class SearchHit(Struct):
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
    """How many hits each type and each of the 50 commonest tags has, over all pages; of 300 hits at most."""

    type: dict[str, int]
    tag: dict[str, int]


class SearchMetadata(ListMetadata, kw_only=True):
    """The metadata of a search."""

    facets: Facets


class SearchListing(TaggedList):
    """A page of hits, the best first."""

    data: list[SearchHit]
    metadata: SearchMetadata


class SearchController(Controller):
    """Full text over titles, descriptions, tags and scripts."""

    path = "/api/v1/search"
    tags = ("search",)

    @get("/", summary="Find things")
    async def search_everything(
        self,
        db: Db,
        files: Files,
        q: Annotated[str, QueryParameter(max_length=500, description='Words, "a phrase", -not, or.')] = "",
        kinds: Annotated[list[EntityName] | None, QueryParameter(name="type", description="Any of these.")] = None,
        show_id: FromQuery[UUID | None] = None,
        with_tags: TagFilter = None,
        status: Annotated[str | None, QueryParameter(max_length=50)] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
        cursor: Annotated[str | None, QueryParameter(max_length=LONGEST_CURSOR)] = None,
    ) -> SearchListing:
        types = [str(kind) for kind in kinds] if kinds else None
        wanted = SearchQuery(q=q, type=types, show_id=show_id, tag=with_tags, status=status, limit=limit, cursor=cursor)
        results = await query.search(db, wanted)
        pagination = Pagination(limit, results.total, results.next_cursor, results.capped or UNSET)
        metadata = SearchMetadata(pagination=pagination, facets=Facets(results.types, results.tags))
        return SearchListing([_found(files, hit) for hit in results.hits], metadata)

    @post("/reindex", status_code=202, summary="Write every document again that is not as it should be")
    async def start_reindex(self, db: Db) -> Data[ReindexJob]:
        return Data(await reindex.begin(db, "reindex", repairing=True))

    @get("/reindex", summary="How far has the reindex come?")
    async def read_reindex(self, db: Db) -> Data[ReindexJob | None]:
        return Data(await reindex.last(db, "reindex"))

    @post("/check", status_code=202, summary="Compare every document with what it should say")
    async def start_search_check(
        self, db: Db, repair: Annotated[bool, QueryParameter(description="Put right what is wrong.")] = False
    ) -> Data[ReindexJob]:
        return Data(await reindex.begin(db, "check", repairing=repair))

    @get("/check", summary="What has the check found?")
    async def read_search_check(self, db: Db) -> Data[ReindexJob | None]:
        return Data(await reindex.last(db, "check"))


def _found(files: Storage, hit: Hit) -> SearchHit:
    url = files.signed_get(references.parse(hit.thumbnail)) if hit.thumbnail else None
    return SearchHit(hit.entity_type, hit.entity_id, hit.title, hit.snippet, hit.rank, hit.tags, hit.show_id, url)
