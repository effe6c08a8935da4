"""What goes wrong for a client, each as one sentence that a person can read."""

from typing import Any

import msgspec


class Why(msgspec.Struct, frozen=True):
    """Why a file failed: a code of the API's, or one of ours, and a sentence for a production assistant."""

    code: str
    message: str


class ClientError(Exception):
    """Why something cannot go on."""


class Unreachable(ClientError):
    """Nobody answers, for longer than we are willing to wait."""


class ApiError(ClientError):
    """The server refused: ``code`` is one of the API's, ``field`` names what was wrong."""

    def __init__(self, status: int, code: str, message: str, field: str | None = None) -> None:
        super().__init__(f"{message} ({code})")
        self.status = status
        self.code = code
        self.message = message
        self.field = field


class Conflict(ApiError):
    """Somebody else changed the row meanwhile: ``mine`` is what was to be written, ``theirs`` the row as it is now."""

    def __init__(self, error: ApiError, mine: dict[str, Any], theirs: dict[str, Any]) -> None:
        super().__init__(error.status, error.code, error.message, error.field)
        self.mine = mine
        self.theirs = theirs


class FileFailed(ClientError):
    """This file cannot be ingested; others go on."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.why = Why(code, message)
