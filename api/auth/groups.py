"""Who a verified token speaks for: its subject, and the highest role of its groups."""

from collections.abc import Iterable
from typing import Any, Final

from api.auth.caller import Caller
from models.access.keys import SUBJECT
from models.errors import Forbidden, Unauthorized
from models.roles import RANK, Role
from models.settings import Settings

LONGEST_SUBJECT: Final = 255  # it is written into rows and logs


class Groups:
    """Reads the groups at ``JWT_ROLES_CLAIM``, each a role by its own name or by ``JWT_ROLE_MAP``."""

    def __init__(self, settings: Settings) -> None:
        self._claim = settings.jwt_roles_claim
        self._roles: dict[str, Role] = settings.roles or {role: role for role in RANK}

    def caller(self, claims: dict[str, Any]) -> Caller:
        """Who speaks.

        Raises:
            Forbidden: where none of the groups has a role.
            Unauthorized: where the subject is none.
        """
        roles = {self._roles[group] for group in _texts(_at(claims, self._claim)) if group in self._roles}
        if not roles:
            raise Forbidden(f"the token has none of the groups {', '.join(self._roles)}")
        if not _is_name(claims["sub"]):
            raise Unauthorized(
                f"the token's 'sub' is not a text of 1 to {LONGEST_SUBJECT} printable characters, not of a key"
            )
        return Caller(claims["sub"], max(roles, key=RANK.__getitem__), float(claims["exp"]))


def _at(claims: dict[str, Any], path: str) -> object:
    """The claim of that name, as a name may have dots (``https://studio.example/roles``); else where the path leads."""
    if path in claims:
        return claims[path]
    found: object = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _texts(groups: object) -> Iterable[str]:
    return [group for group in groups if isinstance(group, str)] if isinstance(groups, list) else []


def _is_name(subject: object) -> bool:
    """Whether a token may speak in this name; those of keys are for keys alone."""
    named = isinstance(subject, str) and 1 <= len(subject) <= LONGEST_SUBJECT and subject.isprintable()
    return named and not str(subject).startswith(SUBJECT)
