"""Presigned URLs in an answer that is kept: never as they were sent, but as what it takes to sign them anew.

Whoever has one may do what it says until it expires, and an hour later it is of use to nobody.
"""

import secrets
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Final

from msgspec import Struct


class PresignedRequest(Struct, frozen=True):
    """What a URL is good for: one request, with exactly these headers and parameters, for so many seconds."""

    method: str
    bucket: str
    key: str
    headers: dict[str, str]
    seconds: int
    parameters: dict[str, str]


class UrlPlaceholder(Struct, frozen=True):
    """What stands in a kept answer where a URL was."""

    mark: str
    wish: PresignedRequest


_MADE: Final[ContextVar[list[tuple[str, PresignedRequest]] | None]] = ContextVar("presigned", default=None)


def watch() -> list[tuple[str, PresignedRequest]]:
    """From now on in this request, each URL that is made, with what it is good for."""
    made: list[tuple[str, PresignedRequest]] = []
    _MADE.set(made)
    return made


def note(url: str, wish: PresignedRequest) -> None:
    """A URL was made."""
    made = _MADE.get()
    if made is not None:
        made.append((url, wish))


def without(body: bytes, made: Sequence[tuple[str, PresignedRequest]]) -> tuple[bytes, list[UrlPlaceholder]]:
    """A body that has a mark in place of each URL; nobody can have written such a mark into it beforehand."""
    places = [UrlPlaceholder(f"presigned-{secrets.token_hex(16)}", wish) for _, wish in made]
    for (url, _), place in zip(made, places, strict=True):
        body = body.replace(url.encode(), place.mark.encode())
    return body, places


def within(body: bytes, places: Sequence[UrlPlaceholder], sign: Callable[[PresignedRequest], str]) -> bytes:
    """The same body with URLs made anew."""
    for place in places:
        body = body.replace(place.mark.encode(), sign(place.wish).encode())
    return body
