"""Which S3 requests the embedded server answers, and the rules of signatures, conditions and ranges. Pure functions."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote

OVERRIDES: Final = {
    "response-content-type": "content-type",
    "response-content-language": "content-language",
    "response-content-disposition": "content-disposition",
    "response-content-encoding": "content-encoding",
    "response-cache-control": "cache-control",
    "response-expires": "expires",
}
SIGNATURE: Final = {f"x-amz-{name}" for name in ("algorithm", "credential", "date", "expires", "signedheaders")} | {
    "x-amz-signature",
    "x-amz-security-token",
    "x-id",  # some clients name the operation once more
}
LISTING: Final = {
    "prefix",
    "delimiter",
    "max-keys",
    "continuation-token",
    "start-after",
    "encoding-type",
    "fetch-owner",
}
NOTHING: Final[set[str]] = set()

# (level, method) → the query parameters of each operation: (those that name it, those it may have).
OPERATIONS: Final[Mapping[tuple[str, str], tuple[tuple[set[str], set[str]], ...]]] = {
    ("service", "GET"): ((NOTHING, NOTHING),),
    ("bucket", "GET"): (({"list-type"}, LISTING), ({"location"}, NOTHING), ({"uploads"}, {"encoding-type"})),
    ("bucket", "HEAD"): ((NOTHING, NOTHING),),
    ("bucket", "PUT"): ((NOTHING, NOTHING),),
    ("bucket", "POST"): (({"delete"}, NOTHING),),
    ("bucket", "DELETE"): ((NOTHING, NOTHING),),
    ("object", "GET"): ((NOTHING, set(OVERRIDES)), ({"uploadId"}, NOTHING)),
    ("object", "HEAD"): ((NOTHING, set(OVERRIDES)),),
    ("object", "PUT"): ((NOTHING, NOTHING), ({"uploadId", "partNumber"}, NOTHING)),
    ("object", "POST"): (({"uploads"}, NOTHING), ({"uploadId"}, NOTHING)),
    ("object", "DELETE"): ((NOTHING, NOTHING), ({"uploadId"}, NOTHING)),
}
# Headers that ask for something nanio would leave out without a word.
UNKNOWN_HEADERS: Final = (
    "x-amz-server-side-encryption",
    "x-amz-copy-source-",
    "x-amz-tagging",
    "x-amz-object-lock-",
    "x-amz-bucket-object-lock-",
    "x-amz-grant-",
    "x-amz-website-redirect-location",
    "x-amz-write-offset-bytes",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-type",
    "if-unmodified-since",
)
UPLOAD_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)$")


OF_S3: Final = ("x-amz-", "content-md5")
PRESIGNED: Final = "X-Amz-Algorithm="
SIGNED_HEADERS: Final = re.compile(r"SignedHeaders=([^,\s]+)")


class Unsatisfiable(ValueError):
    """The range begins behind the end of the object."""


def unknown(level: str, method: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str | None:
    """What of a request this server does not do, in words; None if it does all of it."""
    names = {name for name in query if name.lower() not in SIGNATURE}
    if not any(has <= names <= has | may for has, may in OPERATIONS.get((level, method), ())):
        return f"{method} of a {level} with the parameters {sorted(names)}"
    if query.get("list-type", "2") != "2" or query.get("delimiter", "/") != "/":
        return "this way of listing"
    return _unknown_header(query, headers)


def _unknown_header(query: Mapping[str, str], headers: Mapping[str, str]) -> str | None:
    copies = "x-amz-copy-source" in headers
    if copies and ("uploadId" in query or headers.get("x-amz-metadata-directive", "COPY").upper() != "COPY"):
        return "this way of copying"
    payload = headers.get("x-amz-content-sha256", "")
    plain = not payload.startswith("STREAMING-")
    if not plain and (payload != "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" or "authorization" not in headers):
        return f"a body sent as {payload}"
    return next((name for name in headers if name.startswith(UNKNOWN_HEADERS)), None)


def unsigned(query: str, headers: Iterable[tuple[str, str]]) -> list[str]:
    """What a request says beside its signature: headers of S3's own, and whatever is said twice or without a value.

    The signature holds each name once, and of the parameters of a URL only those with a value.
    """
    pairs = list(headers)
    names = Counter(name for name, _ in pairs)
    signed = _signed(query, dict(pairs).get("authorization", ""))
    wrong = {name for name in names if name.startswith(OF_S3) and name not in signed}
    wrong |= {name for name, times in names.items() if times > 1 and (name in signed or name.startswith(OF_S3))}
    return sorted(wrong | (_loose(query) if PRESIGNED in query else set()))


def _signed(query: str, authorization: str) -> set[str]:
    """The names of the headers that the signature covers; that of a URL counts before that of a header."""
    if PRESIGNED not in query:
        found = SIGNED_HEADERS.search(authorization)
        return set(found[1].split(";")) if found else set()
    told = [value for name, _, value in _parameters(query) if name == "X-Amz-SignedHeaders"]
    return set(unquote(told[-1]).split(";")) if told else {"host"}


def _loose(query: str) -> set[str]:
    parameters = _parameters(query)
    times = Counter(unquote(name) for name, _, _ in parameters)
    return {unquote(name) for name, equals, _ in parameters if not equals} | {one for one in times if times[one] > 1}


def _parameters(query: str) -> list[tuple[str, str, str]]:
    return [one.partition("=") for one in query.split("&") if one]


def matches(condition: str, etag: str) -> bool:
    """Whether the value of If-Match or If-None-Match names an ETag."""
    return condition.strip() == "*" or etag.strip('"') in {one.strip().strip('"') for one in condition.split(",")}


def cut(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a Range header as S3 understands it, or None for the whole object.

    Raises:
        Unsatisfiable: when no byte of the object is meant.
    """
    found = RANGE.match(header.strip())
    first, last = found.groups() if found else ("", "")
    if not first and not last:
        return None
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if start >= size or (not first and int(last) == 0):
        raise Unsatisfiable(header)
    return (start, end) if start <= end else None
