"""The issuer's public keys by id: cached, refreshed on an unknown id, the last good ones kept when it is away."""

import asyncio
import time
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from typing import Any, Final

import jwt
import msgspec
import structlog

from models import dev_issuer
from models.errors import Unavailable
from models.settings import Settings

log = structlog.get_logger()
REFRESH_SECONDS: Final = 30.0  # an unknown id asks the issuer at most this often
RETRY_SECONDS: Final = 1.0  # the same as long as no key was ever fetched
STALE_SECONDS: Final = 300.0  # keys this old are fetched again: the issuer may have taken one back
TIMEOUT_SECONDS: Final = 5.0
# How a key signs follows from what it is, never from what a token says of itself.
ALGORITHMS: Final[dict[tuple[Any, Any], str]] = {
    ("RSA", None): "RS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
}

# Away, or not what it says it is.
NOT_FETCHED: Final = (OSError, HTTPException, ValueError, msgspec.DecodeError)

Fetch = Callable[[], dict[str, Any]]


class Keys:
    """The keys that ``fetch`` gives, by ``kid``."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked = float("-inf")
        self._lock = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None

    def known(self, key_id: str) -> jwt.PyJWK | None:
        """The key with this id at once, if it is held; where that is old, all keys are fetched again beside."""
        if self._age() >= STALE_SECONDS and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = asyncio.create_task(self._refresh())
        return self._keys.get(key_id)

    async def get(self, key_id: str) -> jwt.PyJWK | None:
        """The key with this id, or None where the issuer has none; only for one that is not known somebody waits.

        Raises:
            Unavailable: where no key was ever fetched and the issuer is away.
        """
        if self._keys and (key := self.known(key_id)):
            return key
        async with self._lock:
            if key_id not in self._keys and self._age() >= (REFRESH_SECONDS if self._keys else RETRY_SECONDS):
                await self._refresh()
        if not self._keys:
            raise Unavailable("the token issuer's keys cannot be fetched; try again")
        return self._keys.get(key_id)

    def _age(self) -> float:
        return time.monotonic() - self._asked

    async def _refresh(self) -> None:
        self._asked = time.monotonic()
        try:
            self._keys = usable(await asyncio.to_thread(self._fetch)) or self._keys
        except NOT_FETCHED as error:
            log.warning("issuer keys not fetched", error=str(error))


def usable(document: dict[str, Any]) -> dict[str, jwt.PyJWK]:
    """The keys of a set that sign as we verify; providers list keys of other kinds beside them."""
    found: Any = document.get("keys")
    entries = [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
    return {entry["kid"]: key for entry in entries if (key := _signing(entry))}


def _signing(entry: dict[str, Any]) -> jwt.PyJWK | None:
    algorithm = ALGORITHMS.get((entry.get("kty"), entry.get("crv")))
    if algorithm is None or entry.get("use") == "enc" or not isinstance(entry.get("kid"), str):
        return None
    try:
        return jwt.PyJWK(entry, algorithm=algorithm)
    except jwt.PyJWTError:
        return None


def keys_of(settings: Settings) -> Keys:
    """The keys of the issuer that the settings name, kept."""
    return Keys(source_of(settings))


def source_of(settings: Settings) -> Fetch:
    """How they are fetched: from the home, or from a JWKS URL."""
    if settings.embedded_issuer:
        return lambda: dev_issuer.jwks(settings.episodes_home)
    url = settings.jwks_url or f"{issuer_of(settings)}/.well-known/jwks.json"
    return lambda: _download(url)


def issuer_of(settings: Settings) -> str:
    """What ``iss`` must be."""
    if settings.jwt_issuer:
        return settings.jwt_issuer
    if settings.cognito_user_pool_id:
        region = settings.cognito_region or settings.aws_region
        return f"https://cognito-idp.{region}.amazonaws.com/{settings.cognito_user_pool_id}"
    return dev_issuer.ISSUER


def _download(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310  (the operator chose the URL)
        return msgspec.json.decode(answer.read(), type=dict[str, Any])
