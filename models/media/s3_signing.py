"""Signature Version 4 for S3, in tens of microseconds: the ingest path signs four requests a file.

Source: the Signature Version 4 pages of the Amazon S3 API reference. Credentials come from boto3's chain, which
renews them; ``sign`` takes them frozen.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

from models.media.references import Reference

ALGORITHM: Final = "AWS4-HMAC-SHA256"
EMPTY: Final = hashlib.sha256(b"").hexdigest()
UNSIGNED: Final = "UNSIGNED-PAYLOAD"
MOMENT: Final = "%Y%m%dT%H%M%SZ"
TOLERABLE: Final = timedelta(minutes=5)
SLACK: Final = timedelta(seconds=2)  # the date of an answer has no fractions, and was written before it was read
_NONE: Final[Mapping[str, str]] = {}


class Credentials(NamedTuple):
    """An access key, its secret, and the token of a session where there is one."""

    access_key: str
    secret_key: str
    token: str | None = None


class Clock:
    """The server's, as far as its answers tell: it refuses what is signed 15 minutes off, or too long ago.

    A slow answer makes it late, never early: what is signed for some time does not live longer than that.
    """

    def __init__(self) -> None:
        self.compared = False
        self._behind = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._behind

    def moment(self) -> str:
        """Now, as signatures have it."""
        return self.now().strftime(MOMENT)

    def correct(self, signed: str, date: str | None) -> bool:
        """Take the time that an answer is dated with; whether what was signed at a moment is minutes off it."""
        try:
            theirs = parsedate_to_datetime(date or "")
        except ValueError:
            return False
        behind = theirs - datetime.now(UTC)
        if not -SLACK < behind - self._behind <= timedelta(0):  # what an answer tells has passed by then, never comes
            self._behind = behind
        self.compared = True
        return abs(theirs - datetime.strptime(signed, MOMENT).replace(tzinfo=UTC)) > TOLERABLE


class Signer(NamedTuple):
    """Signs requests to one endpoint, addressed by path (``endpoint/bucket/key``)."""

    endpoint: str
    region: str
    clock: Clock = Clock()

    def headers(
        self, method: str, target: Reference, headers: Mapping[str, str], payload: str, credentials: Credentials
    ) -> dict[str, str]:
        """``headers`` with what authorizes the request; ``payload`` is the SHA-256 of its body, hex."""
        moment = self.clock.moment()
        signed = {**headers, "host": self._host, "x-amz-content-sha256": payload, "x-amz-date": moment}
        if credentials.token:
            signed["x-amz-security-token"] = credentials.token
        signature = self._signature(_canonical(method, target, "", signed, payload), moment, credentials)
        scope = f"{credentials.access_key}/{self._scope(moment)}"
        authorization = f"Credential={scope}, SignedHeaders={_names(signed)}, Signature={signature}"
        return signed | {"Authorization": f"{ALGORITHM} {authorization}"}

    def url(
        self,
        method: str,
        target: Reference,
        headers: Mapping[str, str],
        seconds: int,
        credentials: Credentials,
        *,
        parameters: Mapping[str, str] = _NONE,
        moment: str | None = None,
    ) -> str:
        """A URL that may make this request for so many seconds, with exactly these headers and query parameters.

        They are counted from ``moment``, or from now.
        """
        moment = moment or self.clock.moment()
        signed = {"host": self._host, **headers}
        query = {
            **parameters,
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": f"{credentials.access_key}/{self._scope(moment)}",
            "X-Amz-Date": moment,
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": _names(signed),
        }
        if credentials.token:
            query["X-Amz-Security-Token"] = credentials.token
        text = "&".join(f"{name}={quote(value, safe='')}" for name, value in sorted(query.items()))
        signature = self._signature(_canonical(method, target, text, signed, UNSIGNED), moment, credentials)
        return f"{self.endpoint}{path(target)}?{text}&X-Amz-Signature={signature}"

    @property
    def _host(self) -> str:
        return urlsplit(self.endpoint).netloc

    def _scope(self, moment: str) -> str:
        return f"{moment[:8]}/{self.region}/s3/aws4_request"

    def _signature(self, canonical: str, moment: str, credentials: Credentials) -> str:
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = "\n".join((ALGORITHM, moment, self._scope(moment), digest))
        key = _key(credentials.secret_key, moment[:8], self.region)
        return hmac.digest(key, text.encode(), "sha256").hex()


def path(target: Reference) -> str:
    """The path of an object below the endpoint."""
    return f"/{target.bucket}/{quote(target.key, safe='/~')}"


def _canonical(method: str, target: Reference, query: str, headers: Mapping[str, str], payload: str) -> str:
    lines = "".join(f"{name}:{value.strip()}\n" for name, value in _sorted(headers))
    return "\n".join((method, path(target), query, lines, _names(headers), payload))


def _sorted(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted((name.lower(), value) for name, value in headers.items())


def _names(headers: Mapping[str, str]) -> str:
    return ";".join(name for name, _ in _sorted(headers))


@lru_cache(maxsize=8)
def _key(secret: str, day: str, region: str) -> bytes:
    key = hmac.digest(f"AWS4{secret}".encode(), day.encode(), "sha256")
    for part in (region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
