"""A page ends where its rows have some megabytes: what a list gives at once has an end, whatever its rows hold."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from psycopg.sql import SQL, Composable, Composed, Identifier

MOST: Final = 8_000_000  # bytes; the first row counts whatever it has
_REST: Final = 1000  # bytes of a row for all that is short
# A number takes up to 22 times its bytes when it is written, and what is compressed has up to 90 times its bytes; but
# no document that is within its bounds has more than 98,304.
_MOST_OF_DOCUMENT: Final = SQL("""
    coalesce(case when pg_column_compression({0}) is null
                  then case when pg_column_size({0}) <= 4096 then pg_column_size({0}) * 22
                            else greatest(pg_column_size({0}) * 2, 98304) end
                  when pg_column_size({0}) <= 4096 then 98304 else pg_column_size({0}) * 90 end, 0)
""")

_FITS: Final = SQL("""
    (bytes <= {most} or {key} = any(array(
        select {key} from (
            select {key}, size, sum(size) over (order by {order} rows unbounded preceding) as upto
            from (select *, {size} as size from page) as weighed
        ) as running where upto <= {most} or upto = size
    )))
""")


def fits(key: str, *, order: Composable, size: Composed) -> Composed:
    """Whether a row of ``page`` is one of the first that have no more than ``MOST`` bytes together, or the very first.

    All of them are where ``bytes``, the sum of what each may have at most, is no more: only of others are the sizes
    found out.
    """
    return _FITS.format(key=Identifier(key), order=order, size=size, most=MOST)


def told(column: str) -> Composed:
    """A document of ``page`` as the JSON that an answer says of it."""
    return SQL("convert_to(page.{0}::text, 'UTF8') as {0}").format(Identifier(column))


class RowSize(NamedTuple):
    """How many bytes a row of ``page`` has: no more than ``most``, which costs little, and ``exactly``."""

    most: Composed
    exactly: Composed

    def __add__(self, other: Any) -> "RowSize":
        """Of a row that has the columns of both."""
        plus = SQL(" + ")
        return RowSize(self.most + plus + other.most, self.exactly + plus + other.exactly)


def size_of(texts: Iterable[str], documents: Iterable[str], others: Iterable[str] = ()) -> RowSize:
    """By the columns that may be long; a text knows its length without being read, a document is written out."""
    plain = [SQL("{}").format(_REST)]
    plain += [SQL("coalesce(octet_length({}), 0)").format(Identifier(name)) for name in texts]
    plain += [SQL("coalesce(pg_column_size({}), 0)").format(Identifier(name)) for name in others]
    most = [_MOST_OF_DOCUMENT.format(Identifier(name)) for name in documents]
    exactly = [SQL("coalesce(octet_length({}::text), 0)").format(Identifier(name)) for name in documents]
    return RowSize(SQL(" + ").join([*plain, *most]), SQL(" + ").join([*plain, *exactly]))
