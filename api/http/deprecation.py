"""What is to go: its answers say since when nobody should build on it, and when it goes (RFC 9745, RFC 8594).

The rule stands in ``ops/docs/use-the-api.md``; nothing is to go at the moment.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

from msgspec import Struct

from api.http.headers import Headers

NOTICE: Final = timedelta(days=180)


class Deprecation(Struct, frozen=True):
    """From when on a route is not to be built on, when it goes, and the page that says what to use."""

    since: datetime
    ends: datetime
    page: str

    def __post_init__(self) -> None:
        if self.ends - self.since < NOTICE:
            raise ValueError(f"a route goes {NOTICE.days} days after it was announced, or later")

    @property
    def headers(self) -> Headers:
        """As its answers say it."""
        return (
            (b"deprecation", b"@%d" % int(self.since.timestamp())),
            (b"sunset", format_datetime(self.ends.astimezone(UTC), usegmt=True).encode()),
            (b"link", f'<{self.page}>; rel="deprecation"'.encode()),
        )


Deprecations = Mapping[tuple[str, str], Deprecation]  # by method and path of a route
DEPRECATED: Final[Deprecations] = {}


def announced(scope: Any, deprecated: Deprecations) -> Headers:
    """What an answer of this route says of its end."""
    found = deprecated.get((scope["method"], scope.get("path_template", "")))
    return found.headers if found else ()
