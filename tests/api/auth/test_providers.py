"""Tokens as identity providers beside Cognito make them: where groups stand, what they are called, how keys sign."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from api.auth.authorize import Authenticator
from api.auth.groups import Groups
from models.errors import Forbidden, Unauthorized
from models.settings import load
from tests.key_server import KeyServer, key_server

NAME = "https://id.example/"
NEEDED = {"DATABASE_URL": "postgresql://nowhere/none", "REDIS_URL": "redis://nowhere"}
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
WIDER = ec.generate_private_key(ec.SECP384R1())
ED = ed25519.Ed25519PrivateKey.generate()


def at(claim: str, roles: str = "") -> dict[str, str]:
    """The settings of where groups stand, and what they mean."""
    return {"JWT_ROLES_CLAIM": claim, "JWT_ROLE_MAP": roles}


@pytest.fixture
def provider() -> Iterator[KeyServer]:
    """A provider with a key of each kind that some sign with."""
    keys = [
        RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True) | {"kid": "rsa"},
        ECAlgorithm.to_jwk(EC.public_key(), as_dict=True) | {"kid": "ec"},
        ECAlgorithm.to_jwk(WIDER.public_key(), as_dict=True) | {"kid": "wider"},
        OKPAlgorithm.to_jwk(ED.public_key(), as_dict=True) | {"kid": "ed"},
        {"kty": "oct", "kid": "shared", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"},
    ]
    with key_server({"keys": keys}) as running:
        yield running


def authenticator(provider: KeyServer, home: Path, **more: str) -> Authenticator:
    """What verifies tokens of this provider, made for the application ``episodes``."""
    named = {"JWKS_URL": provider.url, "JWT_ISSUER": NAME, "JWT_AUDIENCE": "episodes", "EPISODES_HOME": str(home)}
    return Authenticator(load(NEEDED | named | more))


def token(key: Any = RSA, kid: str = "rsa", algorithm: str = "RS256", **claims: Any) -> str:
    """A header with a token; claims that are None are left out."""
    now = int(time.time())
    said = {"sub": "ana", "iss": NAME, "aud": "episodes", "cognito:groups": ["editor"], "iat": now, "exp": now + 600}
    said = {name: value for name, value in (said | claims).items() if value is not None}
    return f"Bearer {jwt.encode(said, key, algorithm=algorithm, headers={'kid': kid})}"


@pytest.mark.parametrize(("key", "kid", "algorithm"), [(RSA, "rsa", "RS256"), (EC, "ec", "ES256"), (ED, "ed", "EdDSA")])
async def test_keys_of_each_kind_sign(provider: KeyServer, tmp_path: Path, key: Any, kid: str, algorithm: str) -> None:
    caller = await authenticator(provider, tmp_path).caller(token(key, kid, algorithm))
    assert (caller.subject, caller.role) == ("ana", "editor")


@pytest.mark.parametrize(
    ("key", "kid", "algorithm"),
    [
        (RSA, "rsa", "RS512"),
        (RSA, "rsa", "PS256"),
        (RSA, "ec", "RS256"),
        (EC, "rsa", "ES256"),
        (ED, "ec", "EdDSA"),
        (WIDER, "wider", "ES384"),
        ("c2VjcmV0-secret-secret-secret-secret", "shared", "HS256"),
        (None, "rsa", "none"),
    ],
)
async def test_a_key_signs_by_its_own_algorithm_and_no_other(
    provider: KeyServer, tmp_path: Path, key: Any, kid: str, algorithm: str
) -> None:
    with pytest.raises(Unauthorized):
        await authenticator(provider, tmp_path).caller(token(key, kid, algorithm))


@pytest.mark.parametrize(
    ("more", "claims", "role"),
    [
        (at("realm_access.roles"), {"realm_access": {"roles": ["offline_access", "admin"]}}, "admin"),
        (
            {"JWT_ROLES_CLAIM": "resource_access.episodes.roles"},
            {"resource_access": {"episodes": {"roles": ["viewer"]}}},
            "viewer",
        ),
        (
            {"JWT_ROLES_CLAIM": "groups", "JWT_ROLE_MAP": "Studio crew=editor, heads=admin"},
            {"groups": ["Studio crew"]},
            "editor",
        ),
        (
            {"JWT_ROLES_CLAIM": "roles", "JWT_ROLE_MAP": "a=viewer,b=admin,c=editor"},
            {"roles": ["c", "a", "b"]},
            "admin",
        ),
        ({"JWT_ROLES_CLAIM": "https://studio.example/roles"}, {"https://studio.example/roles": ["editor"]}, "editor"),
        ({"JWT_ROLE_MAP": "a=b=editor"}, {"cognito:groups": ["a=b"]}, "editor"),
    ],
)
async def test_groups_are_where_the_settings_say_and_mean_what_they_say(
    provider: KeyServer, tmp_path: Path, more: dict[str, str], claims: dict[str, Any], role: str
) -> None:
    caller = await authenticator(provider, tmp_path, **more).caller(token(**{"cognito:groups": None} | claims))
    assert caller.role == role


@pytest.mark.parametrize(
    ("more", "claims"),
    [
        (at("realm_access.roles"), {}),
        (at("realm_access.roles"), {"realm_access": ["admin"]}),
        (at("realm_access.roles"), {"realm_access": {"roles": "admin"}}),
        (at("realm_access.roles"), {"realm_access": {"roles": [["admin"], {"admin": 1}, None]}}),
        (at("groups", "crew=editor"), {"groups": ["editor", "admin"]}),
        (at("groups", "crew=editor"), {"groups": ["Crew"]}),
    ],
)
async def test_who_is_in_no_group_that_counts_may_nothing(
    provider: KeyServer, tmp_path: Path, more: dict[str, str], claims: dict[str, Any]
) -> None:
    with pytest.raises(Forbidden):
        await authenticator(provider, tmp_path, **more).caller(token(**claims))


async def test_a_token_whose_audience_is_another_is_ours_where_it_was_issued_to_us(
    provider: KeyServer, tmp_path: Path
) -> None:
    verifier = authenticator(provider, tmp_path)
    assert await verifier.caller(token(aud="account", azp="episodes"))
    assert await verifier.caller(token(aud=None, azp="episodes"))
    for claims in ({"aud": "account", "azp": "other"}, {"aud": "account", "azp": ["episodes"]}, {"aud": "account"}):
        with pytest.raises(Unauthorized):
            await verifier.caller(token(**claims))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(found=ANYTHING, path=st.sampled_from(["groups", "a.b", "a.b.c", "."]))
@settings(deadline=None)
def test_whatever_stands_in_a_claim_is_a_role_or_a_refusal(found: Any, path: str) -> None:
    groups = Groups(load(NEEDED | {"JWT_ROLES_CLAIM": path}))
    claims = {"sub": "ana", "exp": 1, "groups": found, "a": found, ".": found}
    role = None
    with suppress(Forbidden):
        role = groups.caller(claims).role
    assert role in (None, "viewer", "editor", "admin")
