"""Somebody who was let in."""

from msgspec import Struct

from models.roles import RANK, Role


class Caller(Struct, frozen=True):
    """Who calls: with a token, or with a key that may be for one network only."""

    subject: str
    role: Role
    expires_at: float
    network: str | None = None

    def may(self, role: Role) -> bool:
        """Whether the caller has this role or a higher one."""
        return RANK[self.role] >= RANK[role]
