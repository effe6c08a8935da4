"""A page ends where its rows have some megabytes: what a list gives at once has an end, whatever its rows hold."""

from collections.abc import Iterable
from typing import Final

from psycopg.sql import SQL, Composable, Composed, Identifier

MOST: Final = 8_000_000  # bytes; the first row counts whatever it has
_REST: Final = 1000  # bytes of a row for all that is short
# A text tells its length without being read. A document of no more bytes than this has no more than some thousands
# when it is unpacked; others are written out to be measured.
_SMALL: Final = 100

_FITS: Final = SQL("""
    (bytes <= {most} or {key} = any(array(
        select {key} from (
            select {key}, size, sum(size) over (order by {order} rows unbounded preceding) as upto
            from (select *, {size} as size from page) as weighed
        ) as running where upto <= {most} or upto = size
    )))
""")


def fits(key: str, *, order: Composable, size: Composable) -> Composed:
    """Whether a row of ``page`` is one of the first that have no more than ``MOST`` bytes together, or the very first.

    All of them are where ``bytes``, the sum of their sizes, is no more: only for others is it found out of each.
    """
    return _FITS.format(key=Identifier(key), order=order, size=size, most=MOST)


def size_of(texts: Iterable[str], documents: Iterable[str], others: Iterable[str] = ()) -> Composed:
    """How many bytes a row has, by its columns that may be long."""
    parts = [SQL("{}").format(_REST)]
    parts += [SQL("coalesce(octet_length({}), 0)").format(Identifier(name)) for name in texts]
    parts += [SQL("coalesce(pg_column_size({}), 0)").format(Identifier(name)) for name in others]
    document = SQL(
        "case when pg_column_size({0}) <= {1} then {1} when {0} is null then 0 else octet_length({0}::text) end"
    )
    parts += [document.format(Identifier(name), _SMALL) for name in documents]
    return SQL(" + ").join(parts)
