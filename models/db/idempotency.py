"""Idempotency keys: the first answer to a POST, given again to the same caller and request within a day."""

import msgspec

from models.db import connection as db
from models.db.connection import Connection
from models.db.presigned import UrlPlaceholder
from models.errors import Conflict


class StoredResponse(msgspec.Struct):
    """A status, its headers and its body, as they were sent; but for the URLs that had ``presigned`` places in it."""

    status: int
    headers: dict[str, str]
    body: bytes
    presigned: list[UrlPlaceholder] = []


class _Kept(msgspec.Struct):
    request_hash: bytes
    status: int | None
    headers: dict[str, str] | None
    body: bytes | None
    presigned: list[UrlPlaceholder] | None


async def reserve(connection: Connection, caller: str, key: str, request_hash: bytes) -> StoredResponse | None:
    """Take the key for this transaction, or get the answer it already has.

    A second request with the same key waits here until the first has committed or rolled back.

    Raises:
        Conflict: where the key was used for another request.
    """
    query = """
        insert into idempotency_keys as kept (caller, key, request_hash) values (%s, %s, %s)
        on conflict (caller, key) do update
        set request_hash = excluded.request_hash, status = null, headers = null, body = null,
            presigned = null, created_at = now()
        where kept.created_at < now() - interval '24 hours'
    """
    if await db.execute(connection, query, [caller, key, request_hash]):
        return None
    query = "select request_hash, status, headers, body, presigned from idempotency_keys where caller = %s and key = %s"
    kept = await db.row(connection, _Kept, query, [caller, key])
    if kept is None or kept.request_hash != request_hash:
        raise Conflict("this Idempotency-Key was used for another request")
    places = msgspec.convert(kept.presigned or [], list[UrlPlaceholder])
    return StoredResponse(kept.status or 200, kept.headers or {}, kept.body or b"", places)


async def keep(connection: Connection, caller: str, key: str, answer: StoredResponse) -> None:
    """Store the answer beside its effects, in the same transaction."""
    query = """
        update idempotency_keys set status = %s, headers = %s::jsonb, body = %s, presigned = %s::jsonb
        where caller = %s and key = %s
    """
    headers, places = (msgspec.json.encode(part).decode() for part in (answer.headers, answer.presigned))
    await db.execute(connection, query, [answer.status, headers, answer.body, places, caller, key])


async def expire(connection: Connection, limit: int = 500) -> int:
    """Remove the oldest answers that nobody is promised any more; how many.

    An hour more than the promise, so that none goes between a request's look for its key and its reading of it.
    """
    query = """
        delete from idempotency_keys where (caller, key) in
            (select caller, key from idempotency_keys where created_at < now() - interval '25 hours'
             order by created_at limit %s for update skip locked)
    """
    return await db.execute(connection, query, [limit])
