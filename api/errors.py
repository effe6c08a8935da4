"""Everything that can go wrong in a request, as the answer the API promises for it."""

import re
from typing import Any, Final

import msgspec
import psycopg
import structlog
from litestar import Request, Response
from litestar.exceptions import ClientException, HTTPException
from litestar.types import ExceptionHandlersMap, Message
from psycopg_pool import PoolTimeout

from api.http.envelope import ErrorBody, ErrorEntry, failure
from api.http.json_response import JsonResponse
from api.http.validation import CODE, WrongFields, entry
from api.middleware.admission import sent_name
from api.middleware.options import allow
from api.middleware.transaction import Replay
from models.errors import Conflict, Invalid, JobError, Problem, RateLimited, RequestTimeout, Unauthorized, Unavailable

log = structlog.get_logger()

AnyRequest = Request[Any, Any, Any]
_MISSING: Final = re.compile(r"Missing required \w+ parameter '([^']+)'")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HTTP: Final = {
    404: ("NOT_FOUND", "there is nothing here"),
    405: ("METHOD_NOT_ALLOWED", "this method is not offered here"),
    413: ("PAYLOAD_TOO_LARGE", "the body is larger than {} MB"),
    415: ("UNSUPPORTED_MEDIA_TYPE", "send JSON: 'Content-Type: application/json'"),
}


def problem_of(error: Exception) -> Problem | None:  # noqa: C901, PLR0911  (a table in the form of a match)
    """What a client is told of an error; None where it is a bug of ours."""
    match error:
        case Problem():
            return error
        case JobError():
            return Unavailable(error.message)
        case psycopg.errors.UniqueViolation():
            return Conflict("there is one like this already", field=_field(error))
        case psycopg.errors.ForeignKeyViolation():
            return Invalid(_missing_target(error), field=_field(error))
        case psycopg.errors.CheckViolation():
            return Invalid("this value is not allowed", field=_field(error))
        case psycopg.errors.SerializationFailure() | psycopg.errors.DeadlockDetected():
            return Unavailable("somebody changed the same thing at the same time; try again")
        case psycopg.errors.LockNotAvailable():
            return Unavailable("another request holds what this one needs; try again")
        case psycopg.errors.QueryCanceled() | psycopg.errors.IdleInTransactionSessionTimeout():
            return Unavailable("the database takes too long; try again")
        case psycopg.errors.ReadOnlySqlTransaction():
            return Unavailable("the database only reads at the moment; try again")
        case psycopg.errors.UndefinedTable():
            return Unavailable("the database does not have the schema that this version needs")
        case psycopg.OperationalError() | PoolTimeout():
            return Unavailable("the database does not answer; try again")
        case psycopg.DataError():
            return Invalid("a value cannot be stored")
    return None


def _field(error: psycopg.Error) -> str | None:
    """``episodes_show_id_fkey`` is about ``show_id``."""
    table, constraint = error.diag.table_name, error.diag.constraint_name
    if not table or not constraint:
        return None
    return constraint.removeprefix(f"{table}_").rpartition("_")[0] or None


def _missing_target(error: psycopg.Error) -> str:
    """``show_id`` is about a show, and PostgreSQL tells which."""
    noun = (_field(error) or "thing").removesuffix("_id").replace("_", " ")
    named = _UUID.search(error.diag.message_detail or "")
    return f"there is no {noun} {named[0]}" if named else f"there is no such {noun}"


def answer(error: Exception) -> Response[ErrorBody]:
    """The answer to an error; a bug of ours is logged whole and told without internals."""
    problem = problem_of(error)
    if problem is None:
        log.error("request failed", exc_info=error)
        return failure(500, [ErrorEntry("SERVER_ERROR", "something went wrong on our side; it has been logged")])
    return failure(problem.status, _entries(problem), _extra(problem))


def _entries(problem: Problem) -> list[ErrorEntry]:
    if isinstance(problem, WrongFields):
        return problem.entries
    return [ErrorEntry(problem.code, problem.message, problem.field)]


def _extra(problem: Problem) -> dict[str, str]:
    if isinstance(problem, Unauthorized):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(problem, RateLimited):
        return {"Retry-After": str(problem.wait_seconds)}
    if isinstance(problem, RequestTimeout):
        return {"Connection": "close"}  # what would come next is the rest of the body
    return {"Retry-After": "2"} if isinstance(problem, Unavailable) else {}


def messages(error: Exception) -> list[Message]:
    """The answer to an error as ASGI messages, for where Litestar is not around any more."""
    response = answer(error)
    headers = {"content-type": "application/json"} | response.headers
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return [
        {"type": "http.response.start", "status": response.status_code or 500, "headers": pairs},
        {"type": "http.response.body", "body": msgspec.json.encode(response.content), "more_body": False},
    ]


def on_error(_: AnyRequest, error: Exception) -> Response[ErrorBody]:
    """What we said ourselves, what the database refuses, and bugs."""
    return answer(error)


def on_replay(_: AnyRequest, error: Replay) -> Response[bytes]:
    """The first answer to a repeated key."""
    headers = error.answer.headers | {"Idempotency-Replayed": "true"}
    return JsonResponse(error.answer.body, status_code=error.answer.status, headers=headers)


def on_validation(request: AnyRequest, error: ClientException) -> Response[ErrorBody]:
    """A path, a query or a header that does not fit its type."""
    details: list[dict[str, Any]] = error.extra if isinstance(error.extra, list) else []
    found = [entry(str(item["message"]), sent_name(request, item["key"])) for item in details if "key" in item]
    return failure(400, found or [_missing(error.detail)])


def _missing(detail: str) -> ErrorEntry:
    """Litestar names a parameter that is left out in its sentence only."""
    named = _MISSING.match(detail)
    return ErrorEntry(CODE, "this parameter is required", named[1]) if named else ErrorEntry(CODE, detail)


def on_http(request: AnyRequest, error: HTTPException) -> Response[ErrorBody]:
    """What Litestar itself refuses."""
    if error.status_code >= 500:  # noqa: PLR2004
        return answer(error)
    if isinstance(error, ClientException) and error.status_code == 400:  # noqa: PLR2004
        return on_validation(request, error)
    code, message = _HTTP.get(error.status_code, (CODE, error.detail))
    status = error.status_code if error.status_code in _HTTP else 400
    if status == 413:  # noqa: PLR2004
        message = message.format((request.route_handler.resolve_request_max_body_size() or 0) // 2**20)
    return failure(status, [ErrorEntry(code, message)], _allow(request, error))


def _allow(request: AnyRequest, error: HTTPException) -> dict[str, str]:
    methods = (error.headers or {}).get("allow")
    return {"Allow": allow(methods, request.scope["path"])} if methods else {}


HANDLERS: Final[ExceptionHandlersMap] = {
    HTTPException: on_http,
    Replay: on_replay,
    Exception: on_error,
}
