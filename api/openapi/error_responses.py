"""What a route can refuse, and what it says then."""

from typing import Final, NamedTuple

from api.openapi.operations import Operation


class ErrorResponse(NamedTuple):
    """An error answer: the one code it has, an example of an entry, the headers it always has."""

    name: str
    code: str
    description: str
    entry: dict[str, str]
    headers: tuple[str, ...] = ()


def _refusal(
    name: str, code: str, description: str, message: str, field: str = "", headers: tuple[str, ...] = ()
) -> ErrorResponse:
    entry = {"code": code, "message": message} | ({"field": field} if field else {})
    return ErrorResponse(name, code, description, entry, headers)


ERROR_RESPONSES: Final[dict[int, ErrorResponse]] = {
    400: _refusal(
        "Invalid",
        "VALIDATION_ERROR",
        "A field or a parameter is wrong, missing or not known; one entry each",
        "this field is required",
        "name",
    ),
    401: _refusal(
        "Unauthorized",
        "UNAUTHORIZED",
        "There is no token, or it is not valid",
        "the token has expired",
        headers=("WWW-Authenticate",),
    ),
    403: _refusal("Forbidden", "FORBIDDEN", "The caller may not do this", "this needs the role admin; yours is viewer"),
    404: _refusal("NotFound", "NOT_FOUND", "There is no such thing, or it is deleted", "there is nothing here"),
    408: _refusal(
        "RequestTimeout",
        "REQUEST_TIMEOUT",
        "The body did not arrive in time",
        "the body of the request did not arrive in time",
    ),
    409: _refusal(
        "Conflict",
        "CONFLICT",
        "It clashes with what is there, or the Idempotency-Key was used for another request",
        "show 019a9c2e-7d41-7c55-9b1e-3f60a1b2c3d4 has the same name",
        "name",
    ),
    412: _refusal(
        "PreconditionFailed",
        "PRECONDITION_FAILED",
        "It is not at the version that If-Match names",
        "somebody changed this show: it is at version 3 now",
    ),
    413: _refusal(
        "TooLarge", "PAYLOAD_TOO_LARGE", "The body is larger than the route takes", "the body is larger than 1 MB"
    ),
    415: _refusal(
        "UnsupportedMediaType",
        "UNSUPPORTED_MEDIA_TYPE",
        "The body is not declared as JSON",
        "send JSON: 'Content-Type: application/json'",
        "Content-Type",
    ),
    429: _refusal(
        "RateLimited",
        "RATE_LIMIT_EXCEEDED",
        "The caller sends more requests, or has more streams open, than it may",
        "at most 1200 requests a minute; try again in 2 s",
        headers=("Retry-After",),
    ),
    500: _refusal(
        "ServerError", "SERVER_ERROR", "A bug of ours", "something went wrong on our side; it has been logged"
    ),
    503: _refusal(
        "Unavailable",
        "SERVICE_UNAVAILABLE",
        "A service we stand on does not answer; trying again helps",
        "the database does not answer; try again",
        headers=("Retry-After",),
    ),
}


def refusals(one: Operation) -> set[int]:
    """The statuses of what a route refuses for what it is; what else it refuses, its handler says."""
    found = {400, 500}
    if one.role:
        found |= {401, 403, 429, 503}
    if one.asked:
        found.add(404)
    if one.method in ("POST", "PUT", "PATCH"):
        found |= {408, 413, 415}
    if one.method == "POST":
        found.add(409)  # an Idempotency-Key
    if "expected" in one.handler.parsed_fn_signature.parameters:
        found.add(412)
    return found
