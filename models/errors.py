"""Everything that can go wrong, as one tree.

``Problem`` is what a client of the API is told. ``JobError`` is what ends or delays a job: a ``Rejected`` is the
input's fault and final at once; a ``Fault`` is ours and tried again.
"""

from typing import Literal

ErrorCode = Literal[
    "SOURCE_MISSING",
    "EMPTY_FILE",
    "FILE_TOO_LARGE",
    "UNSUPPORTED_MEDIA_TYPE",
    "CORRUPT_FILE",
    "HASH_MISMATCH",
    "DUPLICATE",
    "DECODER_KILLED",
    "TIMEOUT",
    "STORAGE_UNAVAILABLE",
    "INTERNAL",
]


class Problem(Exception):
    """An answer other than success, with the status and code the API promises for it."""

    status = 500
    code = "SERVER_ERROR"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class Invalid(Problem):
    """The request says something that cannot be; ``field`` names what."""

    status, code = 400, "VALIDATION_ERROR"


class Unauthorized(Problem):
    """Nobody we know is calling."""

    status, code = 401, "UNAUTHORIZED"


class Forbidden(Problem):
    """The caller is known, and may not do this."""

    status, code = 403, "FORBIDDEN"


class NotFound(Problem):
    """There is no such thing, or it is in the trash."""

    status, code = 404, "NOT_FOUND"


class RequestTimeout(Problem):
    """The body of the request takes too long to arrive."""

    status, code = 408, "REQUEST_TIMEOUT"


class Conflict(Problem):
    """The request clashes with what is there."""

    status, code = 409, "CONFLICT"


class PreconditionFailed(Problem):
    """Somebody changed the row since the caller read it."""

    status, code = 412, "PRECONDITION_FAILED"


class TooLarge(Problem):
    """The body or the declared file is over its limit."""

    status, code = 413, "PAYLOAD_TOO_LARGE"


class UnsupportedMediaType(Problem):
    """The body is not JSON."""

    status, code = 415, "UNSUPPORTED_MEDIA_TYPE"


class RateLimited(Problem):
    """The caller asks for more than its share; ``wait_seconds`` from now the next request is welcome."""

    status, code = 429, "RATE_LIMIT_EXCEEDED"

    def __init__(self, message: str, wait_seconds: int) -> None:
        super().__init__(f"{message}; try again in {wait_seconds} s")
        self.wait_seconds = wait_seconds


class Unavailable(Problem):
    """A service we stand on does not answer; trying again helps."""

    status, code = 503, "SERVICE_UNAVAILABLE"


class JobError(Exception):
    """A stage did not do its work; ``code`` is one of the API's, the message is for a production assistant.

    ``poison`` says that the content used up or killed its decoder: whoever sends it again is told so at once.
    ``content`` is the SHA-256 and the size of what was found wanting before the job knew them.
    """

    content: tuple[str, int] | None = None

    def __init__(self, code: ErrorCode, message: str, *, poison: bool = False) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message
        self.poison = poison


class Rejected(JobError):
    """The input's fault: told at once, never tried again by itself."""


class Fault(JobError):
    """Our fault: tried again with growing pauses."""


class Broken(Fault):
    """This process cannot work now, on whatever job: another may try, and the attempt does not count."""
