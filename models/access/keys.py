"""Keys for machines: made by an admin, shown once, kept as their SHA-256, good until they expire or are revoked.

A fast hash is right here. A slow one protects what people choose and others may guess; a key is 32 bytes drawn at
random, which nobody tries out, and it is looked up with each request.
"""

import re
import secrets
from datetime import datetime
from hashlib import sha256
from ipaddress import ip_network
from typing import Annotated, Final
from uuid import UUID

from msgspec import Meta, Struct, structs

from models.db import connection as db
from models.db.connection import Connection
from models.db.paging import COUNT_LIMIT, Page, Whole, decode_cursor, encode_cursor
from models.db.recording import Actor
from models.errors import Conflict, Invalid, NotFound
from models.roles import Role

PREFIX: Final = "epk_"  # by which a scanner for secrets knows one
SUBJECT: Final = "key:"  # begins the name under which a key changes things
LIST: Final = "api_keys"
SORT: Final = "-created_at"
_BYTES: Final = 32
_SHOWN: Final = re.compile(rb'"key":"epk_[A-Za-z0-9_-]{43}"')

KeyName = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$(?!\n)")]
Network = Annotated[str, Meta(min_length=2, max_length=49, pattern=r"^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$(?!\n)")]


class NewKey(Struct, forbid_unknown_fields=True):
    """What an admin says of a new key: until when it is good, a year at most and if nothing is said; from where."""

    name: KeyName
    role: Role
    expires_at: datetime | None = None
    network: Network | None = None


class Key(Struct):
    """A key as it is listed; what it was last used for is known to the minute."""

    key_id: UUID
    name: str
    role: Role
    network: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None


class MadeKey(Key):
    """A new key with its secret, which is never shown again: it is null in the answer to a repeated request."""

    key: str | None


class Grant(Struct, frozen=True):
    """What a key opens, as the database says now."""

    name: str
    role: Role
    network: str | None
    expires_at: float
    revoked: bool


_COLUMNS: Final = (
    "key_id, name, role, network::text, created_at, created_by, expires_at, last_used_at, revoked_at, revoked_by"
)
_CREATE: Final = f"""
    with made as (
        insert into api_keys (name, role, network, hash, created_by, expires_at)
        select %(name)s, %(role)s, %(network)s::cidr, %(hash)s, %(actor)s, until
        from (select coalesce(%(expires_at)s::timestamptz, clock_timestamp() + interval '365 days') as until) as wanted
        where until > clock_timestamp() and until <= clock_timestamp() + interval '366 days'
        on conflict (name) where revoked_at is null do nothing
        returning *
    ), audited as (
        insert into audit_log (actor, action, entity_type, entity_id, after, request_id)
        select %(actor)s, 'create', 'api_key', key_id, jsonb_strip_nulls(to_jsonb(made) - 'hash'), %(request_id)s
        from made
    )
    select {_COLUMNS} from made
"""
_REVOKE: Final = """
    with revoked as (
        update api_keys set revoked_at = clock_timestamp(), revoked_by = %(actor)s
        where key_id = %(key)s and revoked_at is null returning *
    ), audited as (
        insert into audit_log (actor, action, entity_type, entity_id, before, after, request_id)
        select %(actor)s, 'delete', 'api_key', key_id, jsonb_build_object('revoked_at', null),
               jsonb_build_object('revoked_at', revoked_at, 'revoked_by', revoked_by), %(request_id)s
        from revoked
    )
    select key_id from revoked
"""
_PAGE: Final = f"""
    select {_COLUMNS} from api_keys where %(last)s::uuid is null or key_id < %(last)s
    order by key_id desc limit %(limit)s
"""
_GRANT: Final = """
    select name, role, network::text, extract(epoch from expires_at)::float8, revoked_at is not null
    from api_keys where hash = %(hash)s
"""
_USED: Final = """
    update api_keys set last_used_at = clock_timestamp()
    where hash = %(hash)s and (last_used_at is null or last_used_at < clock_timestamp() - interval '1 minute')
"""


def without_secret(answer: bytes) -> bytes:
    """An answer as it may be kept."""
    return _SHOWN.sub(b'"key":null', answer)


def digest(key: str) -> bytes:
    """What is kept of a key."""
    return sha256(key.encode()).digest()


async def create(connection: Connection, actor: Actor, new: NewKey) -> MadeKey:
    """Make a key.

    Raises:
        Conflict: where a key that is not revoked has the name.
        Invalid: naming ``expires_at`` or ``network``.
    """
    _check_network(new.network)
    key = PREFIX + secrets.token_urlsafe(_BYTES)
    sent = {"name": new.name, "role": new.role, "network": new.network, "expires_at": new.expires_at}
    made = await db.row(connection, Key, _CREATE.encode(), actor.params() | sent | {"hash": digest(key)})
    if made is None:
        raise await _refusal(connection, new)
    return MadeKey(**structs.asdict(made), key=key)


def _check_network(network: str | None) -> None:
    try:
        ip_network(network or "::/0")
    except ValueError:
        raise Invalid("a network looks like 10.1.0.0/16 or 2001:db8::/32", field="network") from None


async def _refusal(connection: Connection, new: NewKey) -> Exception:
    query = "select key_id from api_keys where name = %s and revoked_at is null"
    if taken := await db.value(connection, query, [new.name]):
        return Conflict(f"key {taken} has the same name", field="name")
    return Invalid("a key ends in the future, and after a year at most", field="expires_at")


async def revoke(connection: Connection, actor: Actor, key_id: UUID) -> None:
    """End a key: within a second no process takes it any more.

    Raises:
        NotFound: where there is no such key, or it is revoked already.
    """
    if await db.value(connection, _REVOKE, actor.params() | {"key": key_id}) is None:
        raise NotFound(f"there is no api key {key_id} that is not revoked")


async def page(connection: Connection, limit: int, cursor: str | None) -> Page[Key]:
    """Keys, the newest first, also those that are over: what they did stays theirs.

    Raises:
        Invalid: naming ``cursor``.
    """
    last = decode_cursor(cursor, LIST, SORT, Whole).id if cursor is not None else None
    found = await db.rows(connection, Key, _PAGE.encode(), {"last": last, "limit": limit + 1})
    total = await db.value(connection, "select count(*) from api_keys")
    following = encode_cursor(LIST, SORT, 0, found[limit - 1].key_id) if len(found) > limit else None
    return Page(found[:limit], limit, min(total, COUNT_LIMIT), total > COUNT_LIMIT, following)


async def grant(connection: Connection, key: str) -> Grant | None:
    """What a key opens, and a note that it was used; None where there is no such key."""
    hashed = {"hash": digest(key)}
    found = await db.row(connection, Grant, _GRANT, hashed)
    if found is not None and not found.revoked:
        await db.execute(connection, _USED, hashed)
    return found
