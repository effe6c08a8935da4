"""The embedded token issuer of development: one RSA key in the home that signs what Cognito would sign."""

import os
import time
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

from models.roles import Role

ISSUER: Final = "episodes-embedded"
CLIENT_ID: Final = "episodes-cli"
KEY_ID: Final = "embedded-1"


def key(home: Path) -> RSAPrivateKey:
    """The home's signing key, made on first use; two processes that make it at once agree on one."""
    path = home / "issuer" / "key.pem"
    if not path.exists():
        _create(path)
    loaded = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(loaded, RSAPrivateKey):
        raise TypeError(f"{path.name} is not an RSA key")
    return loaded


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"key.{uuid4().hex}")
    draft.touch(mode=0o600)
    draft.write_bytes(_pem(generate_private_key(public_exponent=65537, key_size=2048)))
    if os.geteuid() == 0:  # for those who run as the home's user
        owner = path.parent.stat()
        os.chown(draft, owner.st_uid, owner.st_gid)
    try:
        os.link(draft, path)  # atomic, and fails where another process was first
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _pem(private: RSAPrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def jwks(home: Path) -> dict[str, list[dict[str, Any]]]:
    """The public half as a JSON Web Key Set."""
    public = RSAAlgorithm.to_jwk(key(home).public_key(), as_dict=True)
    return {"keys": [public | {"kid": KEY_ID, "use": "sig", "alg": "RS256"}]}


def sign(home: Path, *, role: Role, subject: str = "developer", lifetime_seconds: int = 3600) -> str:
    """A token like Cognito's access tokens, valid for ``lifetime_seconds``."""
    now = int(time.time())
    claims = {
        "sub": subject,
        "username": subject,
        "iss": ISSUER,
        "client_id": CLIENT_ID,
        "token_use": "access",
        "cognito:groups": [role],
        "iat": now,
        "exp": now + lifetime_seconds,
        "jti": str(uuid4()),
    }
    return jwt.encode(claims, key(home), algorithm="RS256", headers={"kid": KEY_ID})
