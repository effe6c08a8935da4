"""Last stage: the entity is found as it now is."""

from models import search
from models.claims import Claimed
from models.database import Connection
from pipeline.context import Context
from pipeline.stage import Finish


async def index(_: Context, claimed: Claimed) -> Finish:
    """Write the search document of the job's entity."""

    async def finish(connection: Connection) -> None:
        await search.index(connection, claimed.entity_type, [claimed.entity_id])

    return finish
