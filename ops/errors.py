"""What ends a command early: one line for the person at the terminal."""


class CommandError(Exception):
    """Why a command cannot go on, as the one line that is printed before it exits with 1."""


class Unreachable(CommandError):
    """Nobody answers, for longer than we are willing to wait."""


class ApiError(CommandError):
    """The server refused: ``code`` is one of the API's, ``field`` names what was wrong."""

    def __init__(self, status: int, code: str, message: str, field: str | None = None) -> None:
        super().__init__(f"{message} ({code})")
        self.status = status
        self.code = code
        self.message = message
        self.field = field
