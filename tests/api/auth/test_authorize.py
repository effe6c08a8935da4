"""Who is calling, and what they may do: every route, every kind of bad token, and the issuer's keys."""

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm
from litestar import Litestar
from litestar.routes import HTTPRoute

from api.app import create_app
from api.auth.authorize import Authenticator, role_for
from api.auth.jwks import Keys
from models import dev_issuer
from models.errors import Forbidden, Unauthorized, Unavailable
from models.roles import Role
from models.settings import Settings, load
from tests.eventually import eventually
from tests.key_server import KeyServer, key_server
from tests.resources import CLIP, SHOW, create
from tests.stack import PLAIN, Stack

PUBLIC = {"/health", "/health/ready", "/metrics", "/.well-known/jwks.json"}
RANKS: tuple[Role, ...] = ("viewer", "editor", "admin")


def now() -> int:
    """Seconds since the epoch."""
    return int(time.time())


def encoded(value: dict[str, Any]) -> str:
    """A part of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def stranger() -> RSAPrivateKey:
    """A key that no issuer knows."""
    return generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def forge(server: Stack) -> Callable[..., str]:
    """Signs what one likes with the stack's own key; claims that are None are left out."""

    def sign(headers: dict[str, Any] | None = None, key: RSAPrivateKey | None = None, **claims: Any) -> str:
        said = {
            "sub": "tester",
            "iss": dev_issuer.ISSUER,
            "client_id": dev_issuer.CLIENT_ID,
            "token_use": "access",
            "cognito:groups": ["admin"],
            "iat": now(),
            "exp": now() + 600,
        } | claims
        said = {name: value for name, value in said.items() if value is not None}
        given = {"kid": dev_issuer.KEY_ID} | (headers or {})
        given = {name: value for name, value in given.items() if value is not None}
        return jwt.encode(said, key or dev_issuer.key(server.home), algorithm="RS256", headers=given)

    return sign


@pytest.fixture(scope="module")
def ask(server: Stack) -> Iterator[Callable[[str | None], httpx2.Response]]:
    """A read with this Authorization header."""
    with httpx2.Client(base_url=server.url, timeout=30, **PLAIN) as client:

        def get(authorization: str | None) -> httpx2.Response:
            headers = {} if authorization is None else {"Authorization": authorization}
            return client.get(SHOW.path, params={"limit": 1}, headers=headers)

        yield get


def unauthorized(answer: httpx2.Response) -> bool:
    """Whether the answer is the 401 that the API promises."""
    code = answer.json()["errors"][0]["code"]
    return (answer.status_code, code, answer.headers["WWW-Authenticate"]) == (401, "UNAUTHORIZED", "Bearer")


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Basic dGVzdGVyOnRlc3Rlcg==", "Bearer garbage", "Bearer a.b.c"]
)
def test_without_a_token_nobody_reads(ask: Callable[..., httpx2.Response], authorization: str | None) -> None:
    assert unauthorized(ask(authorization))


def test_the_scheme_may_be_in_any_case(ask: Callable[..., httpx2.Response], forge: Callable[..., str]) -> None:
    assert ask(f"bearer {forge()}").status_code == 200
    assert ask(f"BEARER {forge()}").status_code == 200


def test_a_token_that_claims_no_algorithm_is_refused(
    ask: Callable[..., httpx2.Response], forge: Callable[..., str]
) -> None:
    _, claims, signature = forge().split(".")
    for algorithm in ("none", "None", "NONE"):
        header = encoded({"alg": algorithm, "typ": "JWT", "kid": dev_issuer.KEY_ID})
        assert unauthorized(ask(f"Bearer {header}.{claims}."))
        assert unauthorized(ask(f"Bearer {header}.{claims}.{signature}"))


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(
    server: Stack, ask: Callable[..., httpx2.Response], forge: Callable[..., str]
) -> None:
    public = dev_issuer.key(server.home).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    signed = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': dev_issuer.KEY_ID})}.{forge().split('.')[1]}"
    digest = hmac.new(pem, signed.encode(), hashlib.sha256).digest()
    signature = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert unauthorized(ask(f"Bearer {signed}.{signature}"))


def test_other_algorithms_of_the_same_key_are_refused(server: Stack, ask: Callable[..., httpx2.Response]) -> None:
    claims = {"sub": "x", "iss": dev_issuer.ISSUER, "cognito:groups": ["admin"], "iat": now(), "exp": now() + 60}
    for algorithm in ("RS384", "RS512", "PS256"):
        token = jwt.encode(claims, dev_issuer.key(server.home), algorithm=algorithm, headers={"kid": dev_issuer.KEY_ID})
        assert unauthorized(ask(f"Bearer {token}"))


def test_a_strangers_key_is_refused_whatever_the_header_offers(
    ask: Callable[..., httpx2.Response], forge: Callable[..., str], stranger: RSAPrivateKey
) -> None:
    own = RSAAlgorithm.to_jwk(stranger.public_key(), as_dict=True)
    with key_server({"keys": [own | {"kid": "theirs"}]}) as endpoint:
        offers: list[dict[str, Any]] = [
            {},
            {"kid": "theirs"},
            {"jku": endpoint.url},
            {"jku": endpoint.url, "kid": "theirs"},
            {"x5u": endpoint.url},
            {"jwk": own},
        ]
        for headers in offers:
            assert unauthorized(ask(f"Bearer {forge(headers, key=stranger)}"))
        assert endpoint.asked == 0


@pytest.mark.parametrize("kid", [None, "", "unknown", "../key", "x" * 5000])
def test_an_unknown_key_id_is_refused(
    ask: Callable[..., httpx2.Response], forge: Callable[..., str], kid: str | None
) -> None:
    assert unauthorized(ask(f"Bearer {forge({'kid': kid})}"))


def test_a_key_id_that_is_no_text_is_refused(ask: Callable[..., httpx2.Response], forge: Callable[..., str]) -> None:
    _, claims, signature = forge().split(".")
    unfit: list[Any] = [1, None, [], {}]
    for kid in unfit:
        header = encoded({"alg": "RS256", "typ": "JWT", "kid": kid})
        assert unauthorized(ask(f"Bearer {header}.{claims}.{signature}"))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "somebody-else"},
        {"iss": dev_issuer.ISSUER + "/"},
        {"iss": None},
        {"exp": now() - 61},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": None},
        {"iat": now() + 3600},
        {"nbf": now() + 3600},
        {"sub": None},
    ],
    ids=[
        "another issuer",
        "a longer issuer",
        "no issuer",
        "over",
        "no end",
        "an end in words",
        "no time",
        "made in the future",
        "not valid yet",
        "no subject",
    ],
)
def test_a_claim_that_is_missing_or_wrong_is_refused(
    ask: Callable[..., httpx2.Response], forge: Callable[..., str], claims: dict[str, Any]
) -> None:
    assert unauthorized(ask(f"Bearer {forge(**claims)}"))


def test_a_changed_claim_breaks_the_signature(ask: Callable[..., httpx2.Response], forge: Callable[..., str]) -> None:
    header, claims, signature = forge(**{"cognito:groups": ["viewer"]}).split(".")
    body = json.loads(base64.urlsafe_b64decode(claims + "=="))
    raised = encoded(body | {"cognito:groups": ["admin"]})
    assert unauthorized(ask(f"Bearer {header}.{raised}.{signature}"))


def test_a_token_ends_when_it_says_so(server: Stack, ask: Callable[..., httpx2.Response]) -> None:
    token = dev_issuer.sign(server.home, role="viewer", lifetime_seconds=-25)
    assert ask(f"Bearer {token}").status_code == 200  # within the leeway
    expired = dev_issuer.sign(server.home, role="viewer", lifetime_seconds=-31)
    answer = ask(f"Bearer {expired}")
    assert unauthorized(answer)
    assert "expired" in answer.json()["errors"][0]["message"]


def test_a_remembered_token_still_expires(ask: Callable[..., httpx2.Response], forge: Callable[..., str]) -> None:
    header = f"Bearer {forge(exp=now() - 28)}"  # good for one or two seconds more
    assert ask(header).status_code == 200
    assert eventually(lambda: ask(header).status_code == 401, within=4)


@pytest.mark.parametrize("groups", [None, [], ["guests"], "admin", {"admin": True}, [["admin"]], ["Admin"]])
def test_without_one_of_the_groups_nothing_is_allowed(
    ask: Callable[..., httpx2.Response], forge: Callable[..., str], groups: Any
) -> None:
    answer = ask(f"Bearer {forge(**{'cognito:groups': groups})}")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "FORBIDDEN")


def test_of_several_groups_the_highest_counts(server: Stack, forge: Callable[..., str]) -> None:
    token = forge(**{"cognito:groups": ["others", "viewer", "editor"]})
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=server.url, headers=headers, timeout=30, **PLAIN) as client:
        assert create(client, SHOW)["created_by"] == "tester"


def test_the_tokens_of_the_command_line_are_as_good(server: Stack) -> None:
    for role in RANKS:
        with server.client(role) as client:
            assert client.get(SHOW.path).status_code == 200


# Every route --------------------------------------------------------------------------------------------------------


def routes(app: Litestar) -> list[tuple[str, str]]:
    """Method and path of every route except the answers to OPTIONS."""
    found = [route for route in app.routes if isinstance(route, HTTPRoute)]
    pairs = {(method, route.path_format) for route in found for method in route.route_handler_map}
    return sorted((method, path) for method, path in pairs if method != "OPTIONS")


@pytest.fixture(scope="module")
def table(services: dict[str, str]) -> list[tuple[str, str]]:
    """The routes of the API."""
    return routes(create_app(load(services)))


def least_role(method: str, path: str) -> str | None:
    """Who may do what, as the API promises it, read aloud."""
    if path in PUBLIC or path.startswith("/schema"):
        return None
    areas = ("api-keys", "audit", "ingest/pauses", "ingest/priorities", "ingest/reprocess", "housekeeping", "integrity")
    if method != "GET" and path.startswith("/api/v1/status"):
        return "admin"
    if path.endswith("/reindex") or path.startswith(tuple(f"/api/v1/{area}" for area in areas)):
        return "admin"
    if path in {"/api/v1/ingest/retry", "/api/v1/ingest/cancel", "/api/v1/search/check"}:
        return "admin"
    return "viewer" if method == "GET" else "editor"


def test_every_route_asks_for_what_is_promised(table: list[tuple[str, str]]) -> None:
    assert len(table) > 30
    rules = {route: role_for(*route) for route in table}
    assert rules == {route: least_role(*route) for route in table}


def test_a_route_that_no_rule_covers_is_for_nobody() -> None:
    for method, path in (("TRACE", "/api/v1/shows"), ("GET", "/admin"), ("CONNECT", "/"), ("GET", "")):
        if path != "/":
            with pytest.raises(Forbidden):
                role_for(method, path)


def concrete(path: str) -> str:
    """A path with ids in it."""
    return "/".join(str(uuid4()) if part.startswith("{") else part for part in path.split("/"))


def test_every_route_but_the_public_ones_wants_a_token(server: Stack, table: list[tuple[str, str]]) -> None:
    with httpx2.Client(base_url=server.url, timeout=30, **PLAIN) as client:
        for method, path in table:
            answer = client.request(method, concrete(path), json={} if method in {"POST", "PUT", "PATCH"} else None)
            if least_role(method, path) is None:
                assert answer.status_code in {200, 404}, (method, path, answer.text)
            else:
                assert unauthorized(answer), (method, path, answer.text)


@pytest.mark.parametrize("role", RANKS)
def test_every_route_lets_in_who_may_and_nobody_else(server: Stack, table: list[tuple[str, str]], role: Role) -> None:
    with server.client(role) as client:
        for method, path in table:
            needed = least_role(method, path)
            if needed is None or path.endswith("/reindex"):
                continue
            answer = client.request(method, concrete(path), json={} if method in {"POST", "PUT", "PATCH"} else None)
            refused = RANKS.index(role) < RANKS.index(needed)
            assert (answer.status_code == 403) == refused, (role, method, path, answer.text)
            assert answer.status_code not in {401, 405, 500}, (role, method, path, answer.text)


def test_who_may_not_write_changes_nothing(viewer: httpx2.Client, editor: httpx2.Client) -> None:
    clip = create(editor, CLIP)
    path = f"{CLIP.path}/{clip['clip_id']}"
    assert viewer.patch(path, json={"title": "mine"}).status_code == 403
    assert viewer.delete(path).status_code == 403
    assert editor.get(path).json()["data"] == clip


def test_the_issuers_keys_are_public_and_hold_no_secret(server: Stack) -> None:
    found = httpx2.get(f"{server.url}/.well-known/jwks.json", **PLAIN).json()["keys"]
    assert [key["kid"] for key in found] == [dev_issuer.KEY_ID]
    assert not {"d", "p", "q", "dp", "dq", "qi"} & set(found[0])


# An identity provider of our own ------------------------------------------------------------------------------------


@pytest.fixture
def provider() -> Iterator[KeyServer]:
    """A provider without keys yet."""
    with key_server({"keys": []}) as running:
        yield running


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock that the key cache reads; one moves it by hand instead of waiting."""
    reading = [time.monotonic()]
    monkeypatch.setattr("api.auth.jwks.time", SimpleNamespace(monotonic=lambda: reading[0]))
    return reading


POOL = "eu-west-1_Example"
ISSUER = f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}"


def public(key: RSAPrivateKey, kid: str) -> dict[str, Any]:
    """The public half as one entry of a JWK set."""
    return RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid, "use": "sig", "alg": "RS256"}


def token_of(key: RSAPrivateKey, kid: str = "one", **claims: Any) -> str:
    """A header with a token like Cognito's; claims that are None are left out."""
    said = {"sub": "ana", "iss": ISSUER, "cognito:groups": ["editor"], "iat": now(), "exp": now() + 600}
    said |= {"token_use": "access"} | claims
    said = {name: value for name, value in said.items() if value is not None}
    return f"Bearer {jwt.encode(said, key, algorithm='RS256', headers={'kid': kid})}"


def settings(provider: KeyServer, tmp_path: Path, **more: str) -> Settings:
    """Settings of a pool whose keys our provider serves."""
    environ = {
        "DATABASE_URL": "postgresql://nowhere/none",
        "REDIS_URL": "redis://nowhere",
        "EPISODES_HOME": str(tmp_path),
        "JWKS_URL": provider.url,
        "COGNITO_REGION": "eu-west-1",
        "COGNITO_USER_POOL_ID": POOL,
    }
    return load(environ | more)


async def test_an_access_token_names_its_client(provider: KeyServer, tmp_path: Path, stranger: RSAPrivateKey) -> None:
    provider.document = {"keys": [public(stranger, "one")]}
    authenticator = Authenticator(settings(provider, tmp_path, COGNITO_CLIENT_ID="studio"))
    caller = await authenticator.caller(token_of(stranger, token_use="access", client_id="studio"))
    assert (caller.subject, caller.role) == ("ana", "editor")
    for wrong in ({"client_id": "other"}, {"client_id": None}, {"client_id": None, "aud": "studio"}):
        with pytest.raises(Unauthorized):
            await authenticator.caller(token_of(stranger, token_use="access", **wrong))


async def test_an_id_token_names_its_audience(provider: KeyServer, tmp_path: Path, stranger: RSAPrivateKey) -> None:
    provider.document = {"keys": [public(stranger, "one")]}
    authenticator = Authenticator(settings(provider, tmp_path, COGNITO_CLIENT_ID="studio"))
    for audience in ("studio", ["other", "studio"]):
        assert await authenticator.caller(token_of(stranger, token_use="id", aud=audience))
    others: list[dict[str, Any]] = [{"aud": "other"}, {"aud": None}, {"aud": None, "client_id": "studio"}, {"aud": []}]
    for wrong in others:
        with pytest.raises(Unauthorized):
            await authenticator.caller(token_of(stranger, token_use="id", **wrong))


async def test_a_refresh_token_is_no_access(provider: KeyServer, tmp_path: Path, stranger: RSAPrivateKey) -> None:
    provider.document = {"keys": [public(stranger, "one")]}
    for more in ({"COGNITO_CLIENT_ID": "studio"}, {}):  # in development no client has to be named
        authenticator = Authenticator(settings(provider, tmp_path, **more))
        for use in ("refresh", None, "", ["access"]):
            with pytest.raises(Unauthorized):
                await authenticator.caller(token_of(stranger, token_use=use, client_id="studio", aud="studio"))


async def test_another_provider_sets_issuer_and_audience(
    provider: KeyServer, tmp_path: Path, stranger: RSAPrivateKey
) -> None:
    provider.document = {"keys": [public(stranger, "one")]}
    named = settings(
        provider, tmp_path, COGNITO_USER_POOL_ID="", JWT_ISSUER="https://id.example/", JWT_AUDIENCE="episodes"
    )
    authenticator = Authenticator(named)
    assert await authenticator.caller(token_of(stranger, iss="https://id.example/", aud="episodes", token_use=None))
    others: list[dict[str, Any]] = [{"iss": "https://id.example"}, {"aud": "other"}, {"aud": None}]
    for wrong in others:
        said: dict[str, Any] = {"iss": "https://id.example/", "aud": "episodes", "token_use": None} | wrong
        with pytest.raises(Unauthorized):
            await authenticator.caller(token_of(stranger, **said))


async def test_the_embedded_issuer_is_nobody_once_there_is_a_provider(
    provider: KeyServer, tmp_path: Path, stranger: RSAPrivateKey
) -> None:
    provider.document = {"keys": [public(stranger, "one")]}
    authenticator = Authenticator(settings(provider, tmp_path))
    with pytest.raises(Unauthorized):
        await authenticator.caller(f"Bearer {dev_issuer.sign(tmp_path, role='admin')}")


async def test_a_rotation_is_noticed_and_both_keys_are_good(
    provider: KeyServer, tmp_path: Path, stranger: RSAPrivateKey, clock: list[float]
) -> None:
    new = generate_private_key(public_exponent=65537, key_size=2048)
    provider.document = {"keys": [public(stranger, "one")]}
    authenticator = Authenticator(settings(provider, tmp_path))
    assert await authenticator.caller(token_of(stranger))
    provider.document = {"keys": [public(stranger, "one"), public(new, "two")]}
    clock[0] += 30
    assert await authenticator.caller(token_of(new, "two"))
    assert await authenticator.caller(token_of(stranger, sub="ben"))
    assert provider.asked == 2


async def test_an_unknown_key_id_asks_at_most_every_thirty_seconds(
    provider: KeyServer, tmp_path: Path, stranger: RSAPrivateKey, clock: list[float]
) -> None:
    provider.document = {"keys": [public(stranger, "one")]}
    authenticator = Authenticator(settings(provider, tmp_path))
    for number in range(10):
        with pytest.raises(Unauthorized):
            await authenticator.caller(token_of(stranger, f"unknown-{number}"))
    assert provider.asked == 1
    clock[0] += 29.9
    with pytest.raises(Unauthorized):
        await authenticator.caller(token_of(stranger, "unknown"))
    assert provider.asked == 1
    clock[0] += 0.2
    with pytest.raises(Unauthorized):
        await authenticator.caller(token_of(stranger, "unknown"))
    assert provider.asked == 2


@pytest.mark.parametrize(
    "document",
    [
        None,
        {"keys": [{"kty": "RSA", "kid": "one"}]},
        {"keys": [{"kty": "RSA", "n": 5, "e": None, "kid": "one"}]},
        {"keys": [5, {"kid": ["one"]}]},
        {"keys": 5},
        {"keys": []},
        {},
        [],
        b"<html>",
        b'{"\xff": 1}',
        b"",
    ],
    ids=str,
)
async def test_while_the_provider_is_away_or_confused_the_last_good_keys_hold(
    provider: KeyServer, tmp_path: Path, stranger: RSAPrivateKey, clock: list[float], document: Any
) -> None:
    provider.document = {"keys": [public(stranger, "one")]}
    authenticator = Authenticator(settings(provider, tmp_path))
    assert await authenticator.caller(token_of(stranger))
    provider.away, provider.document = document is None, document
    for number in range(3):
        clock[0] += 31
        with pytest.raises(Unauthorized):
            await authenticator.caller(token_of(stranger, "unknown"))
        assert await authenticator.caller(token_of(stranger, sub=f"caller-{number}"))
    assert provider.asked == 4


async def test_a_provider_that_was_never_there_is_our_fault_not_the_callers(
    provider: KeyServer, tmp_path: Path, stranger: RSAPrivateKey, clock: list[float]
) -> None:
    provider.away = True
    authenticator = Authenticator(settings(provider, tmp_path))
    with pytest.raises(Unavailable):
        await authenticator.caller(token_of(stranger))
    provider.away, provider.document = False, {"keys": [public(stranger, "one")]}
    clock[0] += 31
    assert await authenticator.caller(token_of(stranger))


async def test_keys_of_another_kind_are_passed_over(
    provider: KeyServer, tmp_path: Path, stranger: RSAPrivateKey
) -> None:
    other = {"kty": "EC", "kid": "curve", "crv": "P-256", "x": "AA", "y": "AA"}
    encryption = public(stranger, "crypt") | {"use": "enc", "alg": "RSA-OAEP"}
    provider.document = {"keys": [other, encryption, {"kty": "oct", "kid": "s", "k": "AA"}, public(stranger, "one")]}
    authenticator = Authenticator(settings(provider, tmp_path))
    assert await authenticator.caller(token_of(stranger))
    with pytest.raises(Unauthorized):
        await authenticator.caller(token_of(stranger, "curve"))


async def test_a_key_that_the_issuer_takes_back_is_no_longer_good(
    provider: KeyServer, tmp_path: Path, stranger: RSAPrivateKey, clock: list[float]
) -> None:
    provider.document = {"keys": [public(stranger, "one")]}
    authenticator, header = Authenticator(settings(provider, tmp_path)), token_of(stranger)
    caller = await authenticator.caller(header)
    provider.document = {"keys": [public(generate_private_key(public_exponent=65537, key_size=2048), "two")]}
    clock[0] += 299
    assert await authenticator.still(caller, header)
    assert provider.asked == 1
    clock[0] += 2
    assert authenticator.known(header)  # at once, while the keys are fetched beside
    await asyncio.to_thread(eventually, lambda: authenticator.known(header) is None)
    with pytest.raises(Unauthorized):
        await authenticator.caller(header)
    assert not await authenticator.still(caller, header)
    assert provider.asked == 2


async def test_as_long_as_no_key_was_fetched_the_issuer_is_asked_again_soon(
    provider: KeyServer, tmp_path: Path, stranger: RSAPrivateKey, clock: list[float]
) -> None:
    provider.away, provider.document = True, {"keys": [public(stranger, "one")]}
    authenticator = Authenticator(settings(provider, tmp_path))
    for _ in range(3):
        with pytest.raises(Unavailable):
            await authenticator.caller(token_of(stranger))
    assert provider.asked == 1
    provider.away = False
    clock[0] += 1
    assert await authenticator.caller(token_of(stranger))


async def test_a_known_key_does_not_wait_for_an_unknown_one(stranger: RSAPrivateKey, clock: list[float]) -> None:
    asked, answer = threading.Event(), threading.Event()
    answer.set()

    def fetch() -> dict[str, Any]:
        asked.set()
        answer.wait(10)
        return {"keys": [public(stranger, "one")]}

    keys = Keys(fetch)
    assert await keys.get("one")
    asked.clear()
    answer.clear()
    clock[0] += 31
    unknown = asyncio.create_task(keys.get("unknown"))
    await asyncio.to_thread(asked.wait, 5)
    assert await asyncio.wait_for(keys.get("one"), 1)
    assert not unknown.done()
    answer.set()
    assert await unknown is None
