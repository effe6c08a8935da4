"""Who is calling, and what they may do."""

import time
from ipaddress import ip_network
from typing import Any, Final

import jwt
from litestar.connection import ASGIConnection

from api.auth.api_keys import ApiKeys
from api.auth.caller import Caller
from api.auth.groups import Groups
from api.auth.jwks import Keys, issuer_of, keys_of
from api.http.client_address import client_address
from api.http.headers import sent
from models.access.keys import PREFIX
from models.errors import Forbidden, Unauthorized, Unavailable
from models.roles import Role
from models.settings import Settings

LEEWAY_SECONDS: Final = 30
REMEMBERED: Final = 2048  # verified tokens kept, so that a caller's next request costs no signature check

# Who may do what. A route that no line names is for nobody.
BY_METHOD: Final[dict[str, Role]] = {
    "GET": "viewer",
    "HEAD": "viewer",
    "POST": "editor",
    "PUT": "editor",
    "PATCH": "editor",
    "DELETE": "editor",
}
ADMIN_ENDINGS: Final = (
    "/reindex",
    "/search/check",
    "/ingest/retry",
    "/ingest/cancel",
    "/ingest/reprocess",
    "/audit",
    "/audit/verify",
)
ADMIN_AREAS: Final = tuple(
    f"/api/v1/{area}" for area in ("api-keys", "ingest/pauses", "ingest/priorities", "housekeeping", "integrity")
)
STATUS: Final = "/api/v1/status"  # everybody sees how everything stands; admins change it
PUBLIC: Final = ("/health", "/metrics", "/schema", "/.well-known")


def role_for(method: str, path: str) -> Role | None:
    """The least role that a route needs; None where it needs no token.

    Raises:
        Forbidden: where no rule covers the route.
    """
    if path == "/" or path.startswith(PUBLIC):
        return None
    if path.endswith(ADMIN_ENDINGS) or path.startswith(ADMIN_AREAS):
        return "admin"
    if path.startswith(STATUS) and method not in ("GET", "HEAD"):
        return "admin"
    if method not in BY_METHOD or not path.startswith("/api/"):
        raise Forbidden("nobody may do this")
    return BY_METHOD[method]


class Authenticator:
    """Verifies bearer tokens: by the issuer's key and that key's algorithm, and all the claims that the API promises.

    A key for machines stands wherever a token does; ``api_keys`` look it up.
    """

    def __init__(self, settings: Settings, keys: Keys | None = None, api_keys: ApiKeys | None = None) -> None:
        self._api_keys = api_keys
        self._keys = keys or keys_of(settings)
        self._issuer = issuer_of(settings)
        self._client = settings.cognito_client_id or settings.jwt_audience
        self._groups = Groups(settings)
        self._uses = ("access", "id") if settings.cognito_tokens else ("access", "id", None)
        self._remembered: dict[str, tuple[Caller, jwt.PyJWK]] = {}

    def known(self, authorization: str | None) -> Caller | None:
        """Who sent this Authorization header, if the token was verified before and is still good, as its key is."""
        token = _bearer(authorization)
        if self._api_keys and token.startswith(PREFIX):
            return self._api_keys.known(token)
        caller, key = self._remembered.get(token) or (None, None)
        if caller is None or key is None or caller.expires_at + LEEWAY_SECONDS <= time.time():
            return None
        return caller if self._keys.known(str(key.key_id)) is key else None

    async def caller(self, authorization: str | None) -> Caller:
        """Who sent this Authorization header.

        Raises:
            Unauthorized: saying what is wrong with the token or the key.
            Forbidden: where none of the token's groups has a role.
        """
        if known := self.known(authorization):
            return known
        token = _bearer(authorization)
        if not token:
            raise Unauthorized("send a token: 'Authorization: Bearer …'")
        if self._api_keys and token.startswith(PREFIX):
            return await self._api_keys.caller(token)
        key = await self._key(token)
        return self._remember(token, self._groups.caller(self._claims(token, key)), key)

    async def still(self, caller: Caller, authorization: str | None) -> bool:
        """Whether who was let in with this header would be let in again; an issuer that is away ends nothing."""
        try:
            return (await self.caller(authorization)).may(caller.role) and time.time() < caller.expires_at
        except (Unauthorized, Forbidden):
            return False
        except Unavailable:
            return time.time() < caller.expires_at

    def _remember(self, token: str, caller: Caller, key: jwt.PyJWK) -> Caller:
        if len(self._remembered) >= REMEMBERED:
            self._remembered.clear()
        self._remembered[token] = caller, key
        return caller

    async def _key(self, token: str) -> jwt.PyJWK:
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
        except jwt.PyJWTError as error:
            raise Unauthorized(f"the token is not valid: {error}") from None
        key = await self._keys.get(key_id) if isinstance(key_id, str) else None
        if key is None:
            raise Unauthorized("the token is signed by a key that the issuer does not have")
        return key

    def _claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        try:
            claims = self._decoded(token, key)
        except jwt.ExpiredSignatureError:
            raise Unauthorized("the token has expired") from None
        except jwt.PyJWTError as error:
            raise Unauthorized(f"the token is not valid: {error}") from None
        self._check_audience(claims)
        return claims

    def _decoded(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        options: Any = {"require": ["exp", "iat", "iss", "sub"], "verify_aud": False}
        return jwt.decode(
            token, key, algorithms=[key.algorithm_name], issuer=self._issuer, leeway=LEEWAY_SECONDS, options=options
        )

    def _check_audience(self, claims: dict[str, Any]) -> None:
        """A Cognito access token names its client in ``client_id``, an id token in ``aud``; others may in ``azp``."""
        use = claims.get("token_use")
        audience = claims.get("client_id") if use == "access" else claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if use is None:
            audiences = [*audiences, claims.get("azp")]
        if use not in self._uses:
            raise Unauthorized("the token is neither an access token nor an id token")
        if self._client is not None and self._client not in audiences:
            raise Unauthorized("the token was made for another application")


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def authorize(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Find out who is calling, and whether they may call this route.

    Raises:
        Unauthorized, Forbidden
    """
    needed = role_for(str(connection.scope.get("method", "")), connection.scope.get("path_template", ""))
    if needed is None:
        return
    authenticator: Authenticator = connection.app.state.authenticator
    caller = await authenticator.caller(sent(connection.scope, b"authorization"))
    connection.scope["auth"] = caller
    if caller.network is not None:
        _check_network(connection, caller.network)
    if not caller.may(needed):
        raise Forbidden(f"this needs the role {needed}; yours is {caller.role}")


def _check_network(connection: ASGIConnection[Any, Any, Any, Any], network: str) -> None:
    address = client_address(connection.scope, connection.app.state.settings.trusted_proxies)
    if address is None or address not in ip_network(network):
        raise Forbidden(f"this api key is good in the network {network} only")
