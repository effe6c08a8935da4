"""Whether anybody has tampered with the audit log: its rows are sealed in batches by a chain of hashes.

They are sealed after the fact, so that writers do not queue up behind it. A row that is not sealed yet can still be
changed without a trace by whoever owns the database, and so can the end of the chain, unless its last seal is also
kept elsewhere: the dispatcher logs each, and ``verify`` takes one.
"""

from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

from models.db import connection as db
from models.db.connection import Connection

SEALED_AT_ONCE: Final = 50_000  # rows, and those of the last one's transaction
CHECKED_AT_ONCE: Final = 100_000  # rows, and those of the last one's seal
TamperedPart = Literal["row changed", "row removed", "row added", "seal changed", "seal removed"]


class Break(Struct):
    """TamperedPart does not hold first: a seal, and the row that is to blame.

    ``audit_id`` is null where the seal itself is to blame, or is too old to tell.
    """

    seal_id: int
    sealed_at: datetime | None
    audit_id: int | None
    what: TamperedPart


class Verdict(Struct):
    """Whether each seal fits its rows; up to ``broken``, so many ``seals`` over so many ``rows`` do.

    Of all rows, ``redacted`` say less than they did, because what they tell of was purged.
    ``last_seal`` kept elsewhere proves later that nothing up to it was rewritten or cut off.
    """

    seals: int
    rows: int
    unsealed: int
    redacted: int
    intact: bool
    broken: Break | None
    last_seal: str | None


# The digest of a row is over these columns, not over those it may get: they would be for another format of seals.
_TEXT: Final = """
    (select to_jsonb(one)::text from (
        select audit_log.audit_id, audit_log.at, audit_log.actor, audit_log.action, audit_log.entity_type,
               audit_log.entity_id, audit_log.before, audit_log.after, audit_log.request_id, audit_log.job_id,
               audit_log.transaction
    ) as one)"""
_CONTENT: Final = f"sha256(convert_to({_TEXT}, 'UTF8'))"
# A redacted row keeps the digest it had, if the purge that redacted it vouches for what is left; else it has none.
_DIGEST: Final = f"""
    case when redacted_with is null then {_CONTENT} when exists (
        select from audit_log as purge where purge.entity_id = audit_log.redacted_with and purge.action = 'purge'
            and purge.after -> 'redacted' ->> audit_log.audit_id::text = encode({_CONTENT}, 'hex')
    ) then digest else '' end"""
# TamperedPart a seal says of itself, the same in every time zone.
_HEAD: Final = "sha256(convert_to(concat_ws(' ', upto, rows, extract(epoch from sealed_at)), 'UTF8'))"
_NAMED: Final = b"select concat(seal_id, ':', encode(hash, 'hex')) from audit_seals "
# The hash of a seal is over the hash of the one before it, what it says of itself, and the digests of its rows in the
# order of their ids. The row gets its sealed_at by default, which is the now() that the hash is over.
_SEAL: Final = f"""
    with last as (
        select coalesce((select hash from audit_seals order by seal_id desc limit 1), '') as hash,
               coalesce((select upto from audit_seals order by seal_id desc limit 1), '0') as since
    ), settled as (
        select hash, since, least(pg_snapshot_xmin(pg_current_snapshot()), (
            select (transaction::text::bigint + 1)::text::xid8 from audit_log where transaction >= since
            order by transaction offset %s limit 1)) as upto
        from last
    ), covered as (
        select count(*) as rows, now() as sealed_at, array_agg(audit_id order by audit_id) as audit_ids,
               string_agg({_DIGEST}, ''::bytea order by audit_id) as digests
        from settled join audit_log on transaction >= since and transaction < upto
    )
    insert into audit_seals (format, upto, rows, hash, audit_ids, digests)
    select 2, upto, rows, sha256(hash || {_HEAD} || digests), audit_ids, digests
    from settled, covered where rows > 0
    returning concat(seal_id, ':', encode(hash, 'hex'))
"""


async def seal(connection: Connection) -> str | None:
    """Seal the oldest rows that no running transaction can still add to; the seal's name, None where there are none.

    Of several callers at once one does it, the others do nothing.
    """
    if not await db.value(connection, "select pg_try_advisory_xact_lock(6305218)"):
        return None
    made: str | None = await db.value(connection, _SEAL.encode(), [SEALED_AT_ONCE - 1])
    return made


class _Seal(Struct):
    seal_id: int
    previous_id: int
    since: int
    upto: int
    rows: int
    sealed_at: datetime
    dated: bool  # made before seals had digests
    fits: bool


# Seals of the first format say nothing of themselves; the oldest have no digests and are over the text of their rows.
_CHECK: Final = f"""
    with chain as (
        select *, lag(hash, 1, '') over by_id as previous, lag(seal_id, 1, 0::bigint) over by_id as previous_id,
               lag(upto, 1, '0') over by_id as since,
               sum(rows) filter (where seal_id > %(after)s) over by_id - rows as rows_before
        from (select * from audit_seals where seal_id >= %(after)s order by seal_id limit 1000) as following
        window by_id as (order by seal_id)
    )
    select seal_id, previous_id, since::text::bigint, upto::text::bigint, rows, sealed_at, digests is null,
           rows = actual.number and case
               when digests is null then hash = sha256(previous || convert_to(coalesce((
                   select string_agg({_TEXT}, E'\\n' order by audit_id)
                   from audit_log where transaction >= chain.since and transaction < chain.upto), ''), 'UTF8'))
               else hash = sha256(previous || case format when 2 then {_HEAD} else '' end || digests)
                   and (audit_ids, digests) = (actual.ids, actual.found) end
    from chain, lateral (
        select count(*) as number, array_agg(audit_id order by audit_id) as ids,
               string_agg({_DIGEST}, ''::bytea order by audit_id) as found
        from audit_log where transaction >= chain.since and transaction < chain.upto
    ) as actual
    where seal_id > %(after)s and rows_before <= %(most)s order by seal_id
"""


async def verify(connection: Connection, kept: str | None = None) -> Verdict:
    """Compute every seal again from the rows that are there, a part at a time, up to the first that does not fit.

    ``kept`` is the ``last_seal`` of an earlier verdict: it must be there still.
    """
    last = await db.value(connection, _NAMED + b"order by seal_id desc limit 1")
    seals, rows, broken = await _walk(connection)
    broken = broken or await _missing(connection, kept)
    redacted = await db.value(connection, "select count(*) from audit_log where redacted_with is not null")
    return Verdict(seals, rows, await _unsealed(connection), redacted, broken is None, broken, last)


async def _walk(connection: Connection) -> tuple[int, int, Break | None]:
    seals = rows = after = 0
    while found := await _following(connection, after):
        for one in found:
            if not one.fits:
                return seals, rows, await _blame(connection, one)
            seals, rows, after = seals + 1, rows + one.rows, one.seal_id
    return seals, rows, None


async def _following(connection: Connection, after: int) -> list[_Seal]:
    return await db.rows(connection, _Seal, _CHECK.encode(), {"after": after, "most": CHECKED_AT_ONCE})


async def _unsealed(connection: Connection) -> int:
    query = """
        select count(*) from audit_log
        where transaction >= coalesce((select upto from audit_seals order by seal_id desc limit 1), '0')
    """
    number: int = await db.value(connection, query)
    return number


class _Row(Struct):
    audit_id: int
    what: TamperedPart


async def _blame(connection: Connection, broken: _Seal) -> Break:
    """A row of the seal's own that is gone or says something else; else a seal before it; else a row too many."""
    row = None if broken.dated else await db.row(connection, _Row, _OWN.encode(), [broken.seal_id])
    if row is None and broken.previous_id + 1 < broken.seal_id:
        return Break(broken.previous_id + 1, None, None, "seal removed")
    if row is None and not broken.dated:
        params = [str(broken.since), str(broken.upto), broken.seal_id]
        row = await db.row(connection, _Row, _ADDED, params)
    what = row.what if row else "seal changed"
    return Break(broken.seal_id, broken.sealed_at, row.audit_id if row else None, what)


_OWN: Final = f"""
    with sealed as (
        select one.audit_id, substring(digests from 32 * (place::integer - 1) + 1 for 32) as digest
        from audit_seals, unnest(audit_ids) with ordinality as one (audit_id, place) where seal_id = %s
    ), found as (
        select audit_id, {_DIGEST} as digest from audit_log where audit_id in (select audit_id from sealed)
    )
    select audit_id, case when found.audit_id is null then 'row removed' else 'row changed' end
    from sealed left join found using (audit_id)
    where sealed.digest is distinct from found.digest order by audit_id limit 1
"""
_ADDED: Final = """
    select audit_id, 'row added' from audit_log
    where transaction >= %s::xid8 and transaction < %s::xid8
      and audit_id not in (select unnest(audit_ids) from audit_seals where seal_id = %s)
    order by audit_id limit 1
"""


async def _missing(connection: Connection, kept: str | None) -> Break | None:
    """A seal that was there once and is not any more, or is another."""
    if kept is None:
        return None
    seal_id = int(kept.partition(":")[0])
    found = await db.value(connection, _NAMED + b"where seal_id = %s", [seal_id])
    if found == kept:
        return None
    return Break(seal_id, None, None, "seal changed" if found else "seal removed")
