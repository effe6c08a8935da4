"""What we lean on in nanio, botocore and urllib3."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3
from nanio.app import build_app
from nanio.auth.credentials import StaticCredentialResolver
from nanio.auth.middleware import SigV4Middleware
from nanio.config import Settings
from nanio.errors import NoSuchKey, NoSuchUpload
from nanio.storage.filesystem import FilesystemStorage
from nanio.storage.multipart import MultipartInit, MultipartManager
from nanio.storage.paths import atomic_write, metadata_path, object_path
from starlette.middleware import Middleware

from tests.internals.table import checks


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


@checks("embedded S3")
async def test_nanios_application_checks_signatures_outside_what_is_added_and_knows_its_storage(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, region="here", credentials=StaticCredentialResolver({"key": "secret"}))
    app, reached = build_app(settings), []

    class Guard:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, *call: Any) -> None:
            reached.append(call)
            await self.app(*call)

    app.user_middleware.append(Middleware(Guard))
    assert app.user_middleware[0].cls is SigV4Middleware
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/bucket/key", "query_string": b"", "headers": []}
    await app(scope, None, send)  # it reads no body
    assert (sent[0]["status"], reached) == (403, [])
    app.state.storage.create_bucket("bucket")
    stored = await app.state.storage.put_object("bucket", "key", pieces(b"ab", b"c"))
    found = app.state.storage.head_object("bucket", "key")
    assert (found.etag, found.size) == (stored.etag, 3)
    with pytest.raises(NoSuchKey):
        app.state.storage.head_object("bucket", "other")


@checks("embedded S3")
def test_an_upload_in_parts_is_known_by_its_id_with_the_key_it_was_begun_for(tmp_path: Path) -> None:
    FilesystemStorage(tmp_path).create_bucket("bucket")
    uploads = MultipartManager(tmp_path)
    upload_id = uploads.create(MultipartInit("bucket", "key"))
    found = MultipartManager(tmp_path).load_init(upload_id)
    assert (found.bucket, found.key) == ("bucket", "key")
    with pytest.raises(NoSuchUpload):
        uploads.load_init("0" * len(upload_id))


@checks("files of the embedded S3")
async def test_nanio_writes_beside_an_object_and_its_description_under_the_names_that_we_sweep(tmp_path: Path) -> None:
    storage = FilesystemStorage(tmp_path)
    drafts: list[str] = []
    storage.create_bucket("bucket")

    async def watched() -> AsyncIterator[bytes]:
        yield b"a"
        drafts.extend(path.name for path in (tmp_path / "bucket" / "folder").iterdir())

    await storage.put_object("bucket", "folder/key", watched())
    assert [name.startswith(".tmp.") for name in drafts] == [True]
    assert object_path(tmp_path, "bucket", "folder/key").read_bytes() == b"a"
    description = metadata_path(tmp_path, "bucket", "folder/key")
    assert description.relative_to(tmp_path / "bucket").parts[0].startswith(".nanio")
    assert description.is_file()
    with atomic_write(description):
        assert description.with_suffix(f"{description.suffix}.tmp").exists()


@checks("keys of a role")
def test_a_session_gives_its_keys_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "SESSION_TOKEN": "token"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    session = boto3.Session(region_name="eu-central-1")
    keys: Any = session.get_credentials()
    frozen = keys.get_frozen_credentials()
    assert (frozen.access_key, frozen.secret_key, frozen.token) == ("key", "secret", "token")
    client = session.client("s3", endpoint_url="http://127.0.0.1:1")
    assert client.meta.endpoint_url == "http://127.0.0.1:1"
    client.close()


@checks("retries")
def test_a_retry_made_of_another_has_what_it_does_not_name() -> None:
    before = urllib3.Retry(3, status_forcelist=(503,), allowed_methods=None, backoff_factor=0.2, redirect=False)
    after = before.new(read=0, other=0)
    assert (after.read, after.other, after.total) == (0, 0, 3)
    assert (after.status_forcelist, after.allowed_methods, after.backoff_factor) == ((503,), None, 0.2)
    assert after.is_retry("PUT", 503)
    with pytest.raises(urllib3.exceptions.MaxRetryError):
        after.increment("PUT", "/", error=urllib3.exceptions.ReadTimeoutError(None, "/", "late"))  # type: ignore[arg-type]
