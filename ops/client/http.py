"""HTTP: the envelope, and patience with a server that is away."""

import asyncio
import time
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Final, Generic, Protocol, Self, TypeVar
from uuid import uuid4

import httpx2
import msgspec

from .errors import ApiError, ClientError, Unreachable

T = TypeVar("T")
AWAY: Final = (502, 503, 504)  # a server that will be back soon
LONGEST_QUEUE: Final = 600.0  # seconds that one request follows Retry-After
TIMEOUT: Final = 30.0  # seconds that an answer may take
# A proxy of the environment must not stand between us and this machine's own services.
DIRECT: Final = {f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")}


class Page(msgspec.Struct, rename="camel"):
    """Where a list stands: ``total`` of all that match, ``next_cursor`` null on the last page."""

    total: int = 0
    next_cursor: str | None = None


class Metadata(msgspec.Struct):
    """What stands beside the data of an answer."""

    pagination: Page = msgspec.field(default_factory=Page)


class Envelope(msgspec.Struct):
    """A success as it travels; ``data`` is decoded when its type is known."""

    data: msgspec.Raw
    metadata: Metadata


class ErrorEntry(msgspec.Struct):
    """One thing that is wrong with a request."""

    code: str
    message: str
    field: str | None = None


class Errors(msgspec.Struct):
    """A refusal as it travels."""

    errors: list[ErrorEntry]


class ApiResponse(msgspec.Struct, Generic[T]):
    """``data`` in the type that was asked for; ``replayed`` if an Idempotency-Key gave the first answer again."""

    data: T
    page: Page
    replayed: bool


class Credentials(Protocol):
    """What signs a request in."""

    @property
    def renewable(self) -> bool:
        """Whether a refused token can be replaced by a new one."""
        ...

    def token(self, *, fresh: bool = False) -> str:
        """A token; a new one where it is ``fresh``."""
        ...


class Token:
    """A token, or a key for machines, that somebody gave us."""

    renewable = False

    def __init__(self, text: str) -> None:
        self._text = text

    def token(self, *, fresh: bool = False) -> str:  # noqa: ARG002  (there is no other)
        return self._text


def web_client(base_url: str = "", answering: float = TIMEOUT) -> httpx2.AsyncClient:
    """A client that reaches this machine's own services directly, and others as the environment says."""
    return httpx2.AsyncClient(base_url=base_url, timeout=httpx2.Timeout(answering, connect=5.0), mounts=DIRECT)


class Client:
    """Calls the API. Shared by all tasks of a program.

    ``patience`` is how many seconds a server may be away, ``answering`` how many it may take to answer.
    """

    def __init__(
        self, url: str, credentials: Credentials, *, patience: float = 3.0, answering: float = TIMEOUT
    ) -> None:
        self.url = url
        self._credentials = credentials
        self._patience = patience
        self._http = web_client(url, answering)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def get(self, path: str, kind: type[T], /, **params: str | int | None) -> ApiResponse[T]:
        """Read; a parameter that is None is left out.

        Raises:
            ApiError: the server refused.
            Unreachable: it stayed away for longer than our patience.
        """
        asked = {name: value for name, value in params.items() if value is not None}
        return _answer(await self._call("GET", path, params=asked), kind)

    async def post(self, path: str, kind: type[T], body: object = None, *, key: str | None = None) -> ApiResponse[T]:
        """Write once: ``key`` (a new one by default) makes the repeats of a lost answer harmless.

        Raises:
            ApiError: the server refused.
            Unreachable: it stayed away for longer than our patience.
        """
        headers = {"Idempotency-Key": key or uuid4().hex}
        if body is None:
            return _answer(await self._call("POST", path, headers=headers), kind)
        return _answer(await self._call("POST", path, **_json(body, headers)), kind)

    async def put(self, path: str, kind: type[T], body: object) -> ApiResponse[T]:
        """Write what may be written twice.

        Raises:
            ApiError: the server refused.
            Unreachable: it stayed away for longer than our patience.
        """
        return _answer(await self._call("PUT", path, **_json(body, {})), kind)

    async def patch(self, path: str, kind: type[T], body: object, *, version: int | None = None) -> ApiResponse[T]:
        """Change a row, where it is said only if it still has the ``version`` that was seen.

        Raises:
            ApiError: the server refused; with 412 where it is at another version by now.
            Unreachable: it stayed away for longer than our patience.
        """
        headers = {} if version is None else {"If-Match": f'"{version}"'}
        return _answer(await self._call("PATCH", path, **_json(body, headers)), kind)

    async def delete(self, path: str, **params: str) -> None:
        """Put a row in the trash.

        Raises:
            ApiError: the server refused.
            Unreachable: it stayed away for longer than our patience.
        """
        response = await self._call("DELETE", path, params=params)
        if response.is_error:
            raise _refusal(response)

    async def pages(
        self, path: str, kind: type[list[T]], /, **params: str | int | None
    ) -> AsyncIterator[ApiResponse[list[T]]]:
        cursor: str | None = None
        while True:
            answer = await self.get(path, kind, **params, cursor=cursor)
            yield answer
            cursor = answer.page.next_cursor
            if cursor is None:
                return

    async def _call(self, method: str, path: str, **request: Any) -> httpx2.Response:
        response = await self._patiently(method, path, self._credentials.token(), request)
        if response.status_code == httpx2.codes.UNAUTHORIZED and self._credentials.renewable:
            response = await self._patiently(method, path, self._credentials.token(fresh=True), request)
        return response

    async def _patiently(self, method: str, path: str, token: str, request: dict[str, Any]) -> httpx2.Response:
        waits = _Waits(self.url, self._patience)
        asked = {**request, "headers": {**request.get("headers", {}), "Authorization": f"Bearer {token}"}}
        while True:
            try:
                response = await self._http.request(method, path, **asked)
            except httpx2.TransportError as error:
                await waits.after_silence(error)
                continue
            if not await waits.again(response):
                return response


def _json(body: object, headers: dict[str, str]) -> dict[str, Any]:
    return {"headers": {**headers, "Content-Type": "application/json"}, "content": msgspec.json.encode(body)}


class _Waits:
    """The pauses of one request: growing ones while the server is away, and those it asks for itself."""

    def __init__(self, url: str, patience: float) -> None:
        self._url = url
        self._started = time.monotonic()
        self._away_until = self._started + patience
        self._pause = 0.1

    async def after_silence(self, error: Exception) -> None:
        if time.monotonic() + self._pause > self._away_until:
            why = str(error) or type(error).__name__
            raise Unreachable(f"The server at {self._url} does not answer: {why}") from error
        await self._grow()

    async def again(self, response: httpx2.Response) -> bool:
        if response.status_code == httpx2.codes.TOO_MANY_REQUESTS:
            return await self._obey(response.headers.get("Retry-After", ""))
        if response.status_code not in AWAY or time.monotonic() + self._pause > self._away_until:
            return False
        await self._grow()
        return True

    async def _obey(self, retry_after: str) -> bool:
        pause = max(0.1, float(retry_after)) if retry_after.isdecimal() else 1.0
        if time.monotonic() + pause > self._started + LONGEST_QUEUE:
            return False
        await asyncio.sleep(pause)
        return True

    async def _grow(self) -> None:
        await asyncio.sleep(self._pause)
        self._pause = min(self._pause * 2, 2.0)


def _answer(response: httpx2.Response, kind: type[T]) -> ApiResponse[T]:
    if response.is_error:
        raise _refusal(response)
    try:
        envelope = msgspec.json.decode(response.content, type=Envelope)
        data = msgspec.json.decode(envelope.data, type=kind)
    except msgspec.DecodeError as error:
        raise ClientError(f"{response.url} does not answer as this version expects: {error}") from error
    return ApiResponse(data, envelope.metadata.pagination, response.headers.get("Idempotency-Replayed") == "true")


def _refusal(response: httpx2.Response) -> ClientError:
    try:
        entries = msgspec.json.decode(response.content, type=Errors).errors
        first = entries[0]
    except (msgspec.DecodeError, IndexError):
        return ClientError(f"{response.url} answers {response.status_code}: is it this project's server?")
    return ApiError(response.status_code, first.code, "; ".join(_sentence(entry) for entry in entries), first.field)


def _sentence(entry: ErrorEntry) -> str:
    return f"{entry.field}: {entry.message}" if entry.field and entry.field not in entry.message else entry.message
