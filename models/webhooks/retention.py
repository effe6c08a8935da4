"""What is forgotten of deliveries: those that ended long ago, with their attempts."""

from datetime import datetime
from typing import Final

from models.db import connection as db
from models.db.connection import Connection

SLICE: Final = 1000  # deliveries of one transaction


async def expire(connection: Connection, before: datetime) -> int:
    """Remove a slice of the deliveries that ended before that time; how many."""
    query = """
        delete from webhook_deliveries where delivery_id in (
            select delivery_id from webhook_deliveries where finished_at < %s and status <> 'pending'
            order by finished_at limit %s for update skip locked)
    """
    return await db.execute(connection, query, [before, SLICE])
