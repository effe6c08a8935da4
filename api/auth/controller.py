"""Keys for machines: made, listed and revoked; for admins."""

from litestar import Controller, Response, delete, get, post
from litestar.params import JSONBody

from api.dependencies import Db, Who
from api.http.envelope import Data, Listing, page_of
from api.http.json_response import JsonResponse
from api.http.parameters import Id
from api.resources.audit import Cursor, Limit
from models.access import keys
from models.access.keys import Key, MadeKey, NewKey


class KeyController(Controller):
    """Keys for machines; for admins."""

    path = "/api/v1/api-keys"
    tags = ("api keys",)

    @post("/", summary="Make a key, which is shown in this answer only")
    async def create_api_key(self, db: Db, who: Who, data: JSONBody[NewKey]) -> Response[Data[MadeKey]]:
        made = await keys.create(db, who, data)
        return JsonResponse(Data(made), status_code=201, headers={"Location": self.path})

    @get("/", summary="List keys, the newest first")
    async def list_api_keys(self, db: Db, limit: Limit = 50, cursor: Cursor = None) -> Listing[Key]:
        return page_of(await keys.page(db, limit, cursor))

    @delete("/{key_id:str}", summary="Revoke a key: within a second it opens nothing")
    async def revoke_api_key(self, db: Db, who: Who, key_id: Id) -> None:
        await keys.revoke(db, who, key_id)
