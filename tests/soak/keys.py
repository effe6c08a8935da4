"""An issuer of tokens whose keys can be out of reach, and are rotated."""

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from models.roles import Role
from tests.api.auth.test_authorize import ISSUER, public, token_of
from tests.key_server import KeyServer
from tests.stack import Stack


class Keys:
    """One key that tokens are signed with; ``server`` tells it, and the one that follows."""

    def __init__(self, server: KeyServer) -> None:
        self.server = server
        self._number = 0
        self._key = self._next = generate_private_key(public_exponent=65537, key_size=2048)
        self._tell(self._key)

    @property
    def settings(self) -> dict[str, str]:
        """What an API needs to take these tokens."""
        return {"JWKS_URL": self.server.url, "JWT_ISSUER": ISSUER}

    def header(self, role: Role = "editor", *, following: bool = False) -> str:
        """An Authorization header, by the key of now or by the one that follows."""
        key, number = (self._next, self._number + 1) if following else (self._key, self._number)
        return token_of(key, f"key-{number}", sub="tester", **{"cognito:groups": [role]}, exp=2**40)

    def announce(self) -> None:
        """There is a key that follows; both are told."""
        self._next = generate_private_key(public_exponent=65537, key_size=2048)
        self._tell(self._key, self._next)

    def rotate(self) -> None:
        """The key that follows is the one of now, the one before is told no more."""
        self._key, self._number = self._next, self._number + 1
        self._tell(self._key)

    def _tell(self, *keys: RSAPrivateKey) -> None:
        told: list[dict[str, Any]] = [public(key, f"key-{self._number + place}") for place, key in enumerate(keys)]
        self.server.document = {"keys": told}


class KeyedStack(Stack):
    """A stack whose tokens are those of an issuer with such keys."""

    def __init__(self, services: dict[str, str], home: Path, keys: Keys, **settings: str) -> None:
        super().__init__(services, home, **keys.settings, **settings)
        self._keys = keys

    def token(self, role: Role, subject: str = "tester") -> str:
        """By the key of now, which may not be the one of a moment later."""
        return self._keys.header(role).removeprefix("Bearer ")
