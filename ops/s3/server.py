"""The embedded S3 server: nanio, behind a guard that refuses what nanio would get wrong without saying so.

nanio checks signatures and keeps plain files, but it takes a request it does not know for the nearest one it does:
tags or an access list would overwrite the object. The guard stands inside its signature check, answers 501 to such
requests, and does what nanio leaves out: conditions, ranges as S3 cuts them, checksums of what arrives, names of
downloads, CORS. One process serves a home.
"""

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import uvicorn
from nanio.app import build_app
from nanio.auth.credentials import StaticCredentialResolver
from nanio.config import Settings
from nanio.errors import (
    AccessDenied,
    BucketAlreadyOwnedByYou,
    InvalidRequest,
    NoSuchKey,
    NoSuchUpload,
    NotImplemented_,
    PreconditionFailed,
    S3Error,
)
from nanio.storage.filesystem import FilesystemStorage
from nanio.storage.multipart import MultipartManager
from nanio.storage.paths import metadata_path, object_path
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models import process_privacy
from ops.s3 import operations as rules
from ops.s3.body import Body
from ops.s3.key_locks import Claim, Claims

EXPOSED: Final = ("ETag", "Content-Length", "Content-Range", "Accept-Ranges", "Last-Modified")
INVALID_RANGE: Final = (
    "<Error><Code>InvalidRange</Code><Message>No byte of the object is in the range.</Message></Error>"
)
LONGEST_PART: Final = 240  # bytes between two slashes of a key: it is a file's name, and its description's is longer
LONG: Final = 8 * 1024 * 1024  # bytes of a body that is worth a thread
LONG_AT_ONCE: Final = 8
CLASHES: Final = (IsADirectoryError, NotADirectoryError, FileExistsError)


class Guard:
    """ASGI middleware between nanio's signature check and its handlers."""

    def __init__(self, app: ASGIApp, data: Path, storage: Any) -> None:
        self._app = app
        self._data = data
        self._storage = storage
        self._uploads = MultipartManager(data)
        self._claims = Claims()
        self._threads = ThreadPoolExecutor(LONG_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let nanio answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["path"] = scope["path"].replace("%25", "%")  # as it was before Percent
        try:
            await self._answer(scope, receive, send)
        except S3Error as error:
            answer = Response(error.to_xml(), error.http_status, media_type="application/xml")
            await answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        bucket, _, key = scope["path"].removeprefix("/").partition("/")
        query, headers, method = QueryParams(scope["query_string"]), Headers(scope=scope), scope["method"]
        if beside := rules.unsigned(scope["query_string"].decode("latin-1"), headers.items()):
            await _not_signed(beside)(scope, receive, send)
            return
        level = "object" if key else "bucket" if bucket else "service"
        if what := rules.unknown(level, method, query, headers):
            raise NotImplemented_(f"This server does not do {what}.")
        if not rules.UPLOAD_ID.fullmatch(query.get("uploadId", "none")):
            raise NoSuchUpload()  # nanio takes it for the name of a folder
        if any(len(part.encode()) > LONGEST_PART for part in key.split("/")):
            raise _too_long(method)
        if "uploadId" in query:
            self._check_upload(query["uploadId"], bucket, key)
        if level == "object" and method in ("PUT", "POST"):
            await self._upload(bucket, key, scope, receive, send)
        elif level == "object" and method in ("GET", "HEAD") and "uploadId" not in query:
            answer = self._download(bucket, key, scope)
            await (
                self._forward(scope, receive, _renamed(query, send)) if answer is None else answer(scope, receive, send)
            )
        else:
            await self._forward(scope, receive, send)

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except ClientDisconnect:
            return  # nobody is left to answer; what was sent is thrown away
        except CLASHES:
            raise InvalidRequest("Here a key cannot be a folder of other keys as well.") from None

    async def _upload(self, bucket: str, key: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the body pass, checked, and let it become an object only if the conditions hold to the end."""
        _drop_chunk_encoding(scope)
        headers = Headers(scope=scope)
        self._check(bucket, key, headers)  # now, to spare the client sending it all, and again before it counts
        with self._claims.of(bucket, key) as claim:
            body = partial(Body, headers=headers, before_commit=lambda: self._check(bucket, key, headers, claim))
            if _is_long(scope, headers):
                await self._apart(scope, receive, send, body)
            else:
                await self._forward(scope, body(receive), send)

    async def _apart(self, scope: Scope, receive: Receive, send: Send, body: Callable[[Receive], Receive]) -> None:
        """Forward from a thread with an event loop of its own: nanio waits for the disk without letting others on."""
        loop = asyncio.get_running_loop()
        work = self._forward(scope, body(_across(loop, receive)), _across(loop, send))
        await loop.run_in_executor(self._threads, asyncio.run, work)

    def _check(self, bucket: str, key: str, headers: Mapping[str, str], claim: Claim | None = None) -> None:
        if object_path(self._data, bucket, key).is_dir():
            raise InvalidRequest(f"The key {key} is a folder of other keys here.")
        absent, present = headers.get("if-none-match"), headers.get("if-match")
        if absent is not None and absent.strip() != "*":
            raise NotImplemented_("If-None-Match of an upload can only be *.")
        alone = claim is None or claim.take()
        if absent is not None and (not alone or self._is_there(bucket, key)):
            raise PreconditionFailed()
        if present is not None and not (alone and rules.matches(present, self._existing(bucket, key).etag)):
            raise PreconditionFailed()
        if claim is not None and alone:
            self._clear(metadata_path(self._data, bucket, key))

    def _check_upload(self, upload_id: str, bucket: str, key: str) -> None:
        """nanio looks for an upload by its id alone, and would join its parts under the key that it was begun for."""
        begun = self._uploads.load_init(upload_id)
        if (begun.bucket, begun.key) != (bucket, key):
            raise NoSuchUpload()

    def _clear(self, description: Path) -> None:
        """Remove the draft of a description that a killed run left; it would block the key."""
        description.with_suffix(f"{description.suffix}.tmp").unlink(missing_ok=True)

    def _download(self, bucket: str, key: str, scope: Scope) -> Response | None:
        """The whole answer, if the conditions or the range decide it; else cut the range as S3 does."""
        headers = MutableHeaders(scope=scope)
        if not any(name in headers for name in ("range", "if-match", "if-none-match")):
            return None
        found = self._existing(bucket, key)
        if "if-match" in headers and not rules.matches(headers["if-match"], found.etag):
            raise PreconditionFailed()
        if "if-none-match" in headers and rules.matches(headers["if-none-match"], found.etag):
            return Response(status_code=304, headers={"ETag": found.etag})
        return _cut(headers, found) if "range" in headers and scope["method"] == "GET" else None

    def _existing(self, bucket: str, key: str) -> Any:
        return self._storage.head_object(bucket, key)

    def _is_there(self, bucket: str, key: str) -> bool:
        try:
            self._existing(bucket, key)
        except NoSuchKey:
            return False
        return True


def _not_signed(names: Iterable[str]) -> Response:
    """What a request says beside its signature is nobody's wish: S3 refuses it in the same words."""
    said = AccessDenied("There were headers present in the request which were not signed").to_xml()
    named = f"<HeadersNotSigned>{escape(', '.join(names))}</HeadersNotSigned></Error>"
    return Response(said.replace(b"</Error>", named.encode()), AccessDenied.http_status, media_type="application/xml")


def _too_long(method: str) -> S3Error:
    if method in ("GET", "HEAD"):
        return NoSuchKey()
    return InvalidRequest(f"Here no part of a key between two slashes has more than {LONGEST_PART} bytes.")


def _is_long(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Whether a request keeps the disk busy for long: a large body, a copy, or the joining of parts."""
    joins = scope["method"] == "POST" and b"uploadId" in scope["query_string"]
    return joins or "x-amz-copy-source" in headers or int(headers.get("content-length", LONG)) >= LONG


def _across(loop: asyncio.AbstractEventLoop, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The same function for another thread's event loop."""

    async def on_the_first_loop(*arguments: Any) -> Any:
        return await call(*arguments)

    async def from_here(*arguments: Any) -> Any:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(on_the_first_loop(*arguments), loop))

    return from_here


class Percent:
    """ASGI middleware outside nanio's signature check, which decodes once more the path that the server has decoded.

    With each ``%`` encoded again it sees what the client signed; the guard takes that back.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request."""
        if scope["type"] == "http" and "%" in scope["path"]:
            scope = {**scope, "path": scope["path"].replace("%", "%25")}
        await self._app(scope, receive, send)


class Farewell:
    """ASGI middleware that ends the connection when a body was announced, and refused before it came.

    A client that asked first (``Expect: 100-continue``) does not send it then, and the server would take the next
    request on that connection for it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request and its answer."""
        if scope["type"] != "http" or "expect" not in Headers(scope=scope):
            await self._app(scope, receive, send)
            return
        invited = False

        async def invite() -> Message:
            nonlocal invited
            invited = True
            return await receive()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and not invited:
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        await self._app(scope, invite, answer)


def _cut(headers: MutableHeaders, found: Any) -> Response | None:
    try:
        piece = rules.cut(headers["range"], found.size)
    except rules.Unsatisfiable:
        return Response(INVALID_RANGE, 416, {"Content-Range": f"bytes */{found.size}"}, "application/xml")
    if piece is None or headers.get("if-range", found.etag) != found.etag:
        del headers["range"]
    else:
        headers["range"] = f"bytes={piece[0]}-{piece[1]}"
    return None


def _drop_chunk_encoding(scope: Scope) -> None:
    """``aws-chunked`` is how the body was sent, and must not be kept as what the object is."""
    headers = MutableHeaders(scope=scope)
    words = [one.strip() for one in headers.get("content-encoding", "").split(",")]
    if "aws-chunked" in words:
        del headers["content-encoding"]
        if rest := ", ".join(one for one in words if one != "aws-chunked"):
            headers["content-encoding"] = rest


def _renamed(query: Mapping[str, str], send: Send) -> Send:
    """Answer with the headers that the address asks for (``response-content-disposition`` and its kin)."""
    wishes = {header: query[name] for name, header in rules.OVERRIDES.items() if name in query}
    if not wishes:
        return send

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] in (200, 206):
            MutableHeaders(scope=message).update(wishes)
        await send(message)

    return answer


def create_app(data: Path, credentials: Mapping[str, str], *, region: str, origins: str) -> ASGIApp:
    """The server's application over a directory.

    ``credentials`` are secrets by access key; ``origins`` is a list with commas, as in ALLOWED_ORIGINS.
    """
    app = build_app(Settings(data_dir=data, region=region, credentials=StaticCredentialResolver(dict(credentials))))
    app.user_middleware.append(Middleware(Guard, data=data, storage=app.state.storage))
    return CORSMiddleware(
        Farewell(Percent(app)),
        allow_origins=[origin.strip() for origin in origins.split(",")],
        allow_methods=["GET", "HEAD", "PUT", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=EXPOSED,
        max_age=3600,
    )


def sweep(data: Path, before: float) -> None:
    """Remove what uploads left behind that a kill interrupted before that time; listings would show it as objects."""
    for folder, folders, files in os.walk(data):
        folders[:] = [name for name in folders if not name.startswith(".nanio")]
        for draft in (Path(folder, name) for name in files if name.startswith(".tmp.")):
            if draft.stat().st_mtime < before:
                draft.unlink(missing_ok=True)


def make_buckets(data: Path, names: Iterable[str]) -> None:
    """Create the buckets that are not there."""
    storage = FilesystemStorage(data)
    for name in names:
        with suppress(BucketAlreadyOwnedByYou):
            storage.create_bucket(name)


def main(environ: Mapping[str, str] = os.environ) -> None:
    """Serve until a signal comes, as the environment says."""
    process_privacy.conceal()
    data = Path(environ["OBJECT_STORAGE_HOME"])
    make_buckets(data, (environ["S3_PRIMARY_BUCKET"], environ["S3_THUMBNAIL_BUCKET"]))
    threading.Thread(target=sweep, args=(data, time.time()), daemon=True).start()
    app = create_app(
        data,
        {environ["AWS_ACCESS_KEY_ID"]: environ["AWS_SECRET_ACCESS_KEY"]},
        region=environ["AWS_REGION"],
        origins=environ.get("ALLOWED_ORIGINS", "*"),
    )
    serve(app, int(environ["OBJECT_STORAGE_PORT"]))


def serve(app: ASGIApp, port: int) -> None:
    """Listen on the loopback interface until a signal comes."""
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
