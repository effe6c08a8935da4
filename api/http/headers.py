"""Headers as ASGI has them: reading those of a request, adding those that protect an answer.

An answer of the API is nobody's to frame, embed, sniff or keep: it may be about what is not yet published. The
documentation may be kept, and its page is told what it may load.
"""

from collections.abc import Iterable
from typing import Any, Final

from models.settings import AppEnv

Headers = tuple[tuple[bytes, bytes], ...]

_ALWAYS: Final[Headers] = (
    (b"server", b""),  # else it would tell by itself which it is
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_API: Final[Headers] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
# Its page loads nothing but our own; Swagger UI writes styles into it.
DOCUMENTATION: Final = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'"
)
_DOCUMENTATION: Final[Headers] = ((b"content-security-policy", f"{DOCUMENTATION}; frame-ancestors 'none'".encode()),)
_ENCRYPTED: Final[Headers] = ((b"strict-transport-security", b"max-age=31536000; includeSubDomains"),)


class Protection:
    """The headers that protect an answer, made once; browsers are held to HTTPS outside development."""

    def __init__(self, app_env: AppEnv) -> None:
        everywhere = _ALWAYS if app_env == "development" else _ALWAYS + _ENCRYPTED
        self._api = everywhere + _API
        self._documentation = everywhere + _DOCUMENTATION

    def of(self, path: str) -> Headers:
        """The headers of any answer at this path."""
        return self._documentation if path.startswith("/schema") else self._api


def sent(scope: Any, name: bytes) -> str | None:
    """A header of the request, named in lower case; None where it was not sent."""
    return next((value.decode("latin-1") for header, value in scope["headers"] if header == name), None)


def varied(headers: Iterable[tuple[bytes, bytes]], word: bytes) -> list[tuple[bytes, bytes]]:
    """The headers of an answer with a word for caches in ``Vary``, all of its words in one line."""
    before = [value for name, value in headers if name.lower() == b"vary"]
    others = [pair for pair in headers if pair[0].lower() != b"vary"] if before else list(headers)
    return [*others, (b"vary", b", ".join([*before, word]))]
