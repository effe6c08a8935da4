"""The embedded S3 server: nanio, behind a guard that refuses what nanio would get wrong without saying so.

nanio checks signatures and keeps plain files, but it takes a request it does not know for the nearest one it does:
tags or an access list would overwrite the object. The guard stands inside its signature check, answers 501 to such
requests, and does what nanio leaves out: conditions, ranges as S3 cuts them, checksums of what arrives, names of
downloads, CORS. One process and one thread decide, so what happens between two awaits is atomic.
"""

import os
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import uvicorn
from nanio.app import build_app
from nanio.auth.credentials import StaticCredentialResolver
from nanio.config import Settings
from nanio.errors import (
    BucketAlreadyOwnedByYou,
    InvalidRequest,
    NoSuchKey,
    NotImplemented_,
    PreconditionFailed,
    S3Error,
)
from nanio.storage.filesystem import FilesystemStorage
from nanio.storage.paths import metadata_path, object_path
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ops import storage_rules as rules
from ops.storage_body import Body

EXPOSED: Final = ("ETag", "Content-Length", "Content-Range", "Accept-Ranges", "Last-Modified")
INVALID_RANGE: Final = (
    "<Error><Code>InvalidRange</Code><Message>No byte of the object is in the range.</Message></Error>"
)
CLASHES: Final = (IsADirectoryError, NotADirectoryError, FileExistsError)


class Guard:
    """ASGI middleware between nanio's signature check and its handlers."""

    def __init__(self, app: ASGIApp, data: Path, storage: Any) -> None:
        self._app = app
        self._data = data
        self._storage = storage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let nanio answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._answer(scope, receive, send)
        except S3Error as error:
            answer = Response(error.to_xml(), error.http_status, media_type="application/xml")
            await answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        bucket, _, key = scope["path"].removeprefix("/").partition("/")
        query, headers, method = QueryParams(scope["query_string"]), Headers(scope=scope), scope["method"]
        level = "object" if key else "bucket" if bucket else "service"
        if what := rules.unknown(level, method, query, headers):
            raise NotImplemented_(f"This server does not do {what}.")
        if method in ("PUT", "POST"):
            receive = self._upload(bucket, key, scope, receive)
        elif level == "object" and method in ("GET", "HEAD") and "uploadId" not in query:
            if (answer := self._download(bucket, key, scope)) is not None:
                await answer(scope, receive, send)
                return
            send = _renamed(query, send)
        await self._forward(scope, receive, send)

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except ClientDisconnect:
            return  # nobody is left to answer; what was sent is thrown away
        except CLASHES:
            raise InvalidRequest("Here a key cannot be a folder of other keys as well.") from None

    def _upload(self, bucket: str, key: str, scope: Scope, receive: Receive) -> Receive:
        """The body to read instead: checked, and stored only if the conditions hold to the end."""
        headers = Headers(scope=scope)
        if not key:
            return Body(receive, headers, lambda: None)
        _drop_chunk_encoding(scope)

        def check() -> None:
            self._check_place(bucket, key)
            self._check_conditions(bucket, key, headers)

        check()  # now, to spare the client sending it all, and again before it counts
        return Body(receive, headers, check)

    def _check_place(self, bucket: str, key: str) -> None:
        if object_path(self._data, bucket, key).is_dir():
            raise InvalidRequest(f"The key {key} is a folder of other keys here.")
        description = metadata_path(self._data, bucket, key)
        description.with_suffix(f"{description.suffix}.tmp").unlink(missing_ok=True)  # of a killed run

    def _check_conditions(self, bucket: str, key: str, headers: Mapping[str, str]) -> None:
        absent, present = headers.get("if-none-match"), headers.get("if-match")
        if absent is not None and absent.strip() != "*":
            raise NotImplemented_("If-None-Match of an upload can only be *.")
        if absent is not None and self._etag(bucket, key) is not None:
            raise PreconditionFailed()
        if present is not None and not rules.matches(present, self._existing(bucket, key).etag):
            raise PreconditionFailed()

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

    def _etag(self, bucket: str, key: str) -> str | None:
        try:
            return str(self._existing(bucket, key).etag)
        except NoSuchKey:
            return None


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
        Farewell(app),
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
