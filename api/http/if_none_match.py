"""If-None-Match: a client that has the answer already is told so by a 304, without the answer (RFC 9110, 13.1.2).

The tag of one row is its version. The tag of a list is weak and made of what the list says: its rows and how it goes
on, not when it was asked. Both are of what is said, in whatever encoding it travels.
"""

import re
from hashlib import blake2b
from typing import Any, Final

from api.http.headers import sent

NOT_MODIFIED: Final = 304
_DIGEST_BYTES: Final = 12
_OPAQUE: Final = re.compile(r'"[!#-~\x80-\xff]*"')


def tags_of(scope: Any) -> str | None:
    """The tags that the client of a read has, as it sent them; None where it asks without."""
    return sent(scope, b"if-none-match") if scope["method"] == "GET" else None


def has(tags: str, tag: str) -> bool:
    """Whether one of the client's tags is this one: weak or strong is the same here, and ``*`` is any."""
    return tags.strip() == "*" or tag.removeprefix("W/") in _OPAQUE.findall(tags)


def tag_of_list(body: bytes) -> str:
    """The weak tag of a list in its envelope, as JSON."""
    rows, _, about = body.rpartition(b',"metadata":')
    said = rows + about.partition(b'"pagination":')[2]
    return f'W/"{blake2b(said, digest_size=_DIGEST_BYTES).hexdigest()}"'
