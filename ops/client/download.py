"""A stored file onto the disk: streamed, gone on with where it broke off, and proved by its hash."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import httpx2
import msgspec

from .errors import FileFailed, Unreachable
from .http import Client, web_client

API: Final = "/api/v1"
CHUNK: Final = 1024 * 1024  # bytes
PAUSES: Final = (0.25, 0.5, 1, 2, 4, 8, 15)  # seconds between attempts that bring nothing, half a minute in all
EXPIRED: Final = 403
GONE: Final = (404, 410)
BEYOND_THE_END: Final = 416
UNFINISHED: Final = ".part"


class StoredFile(msgspec.Struct):
    """A file and where to get it for an hour; size and hash are null where the pipeline has not seen it."""

    url: str
    file_name: str
    mime_type: str
    file_size: int | None
    sha256: str | None


class Downloads:
    """Fetches files; ``got`` is told the bytes as they come."""

    def __init__(self, client: Client, got: Callable[[int], None]) -> None:
        self._client = client
        self._got = got
        self._http = web_client()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def find(self, resource: str, row_id: str, role: str | None = None) -> StoredFile:
        """What is known of a file, and a fresh URL.

        Raises:
            ApiError: with 404 where there is none.
        """
        return (await self._client.get(f"{API}/{resource}/{row_id}/file", StoredFile, role=role)).data

    async def fetch(self, resource: str, row_id: str, target: Path, role: str | None = None) -> Path:
        """Bring a file to ``target``, or under its own name into that folder: where it is now.

        What an earlier call left unfinished is gone on with. A file that is there already is not fetched again.

        Raises:
            FileFailed: another file is there, it cannot be written, or what came is not what is stored.
            ApiError, Unreachable
        """
        stored = await self.find(resource, row_id, role)
        place = await asyncio.to_thread(_place, target, stored, row_id)
        if await asyncio.to_thread(place.exists):
            return await asyncio.to_thread(_same, place, stored)
        part = place.with_name(place.name + UNFINISHED)
        try:
            await self._all(stored, part, lambda: self.find(resource, row_id, role))
            return await asyncio.to_thread(_finished, part, place, stored)
        except OSError as error:
            raise FileFailed("UNWRITABLE", f"{place} cannot be written: {error.strerror or error}.") from error

    async def _all(self, stored: StoredFile, part: Path, renew: Callable[[], Awaitable[StoredFile]]) -> None:
        """Fetch until all is there; each attempt that brings something begins the pauses anew."""
        pauses = iter(PAUSES)
        while True:
            before = _size(part)
            status = await self._rest(stored, part)
            if status in (httpx2.codes.OK, httpx2.codes.PARTIAL_CONTENT):
                return
            if status in GONE:
                raise FileFailed("SOURCE_MISSING", f"The storage has no {stored.file_name} any more.")
            pauses = iter(PAUSES) if _size(part) > before else pauses
            pause = next(pauses, None)
            if pause is None:
                raise Unreachable(f"The storage does not give {stored.file_name}: status {status}.")
            await asyncio.sleep(pause)
            if status == EXPIRED:
                stored = await renew()

    async def _rest(self, stored: StoredFile, part: Path) -> int:
        """One attempt to fetch what is missing; the status where it came to its end, else 0."""
        start = _size(part) if stored.sha256 else 0  # what nothing proves afterwards is not put together of two parts
        if stored.file_size is not None and start == stored.file_size:
            return httpx2.codes.OK
        headers = {"Range": f"bytes={start}-"} if start else {}
        try:
            async with self._http.stream("GET", stored.url, headers=headers) as answer:
                if answer.status_code == BEYOND_THE_END:
                    await asyncio.to_thread(part.unlink)  # it is of another file, and longer
                elif answer.is_success:
                    await self._write(answer, part)
                return answer.status_code
        except httpx2.TransportError:
            return 0

    async def _write(self, answer: httpx2.Response, part: Path) -> None:
        """Behind what is there, where the storage goes on with that; else from the start."""
        goes_on = answer.status_code == httpx2.codes.PARTIAL_CONTENT
        with part.open("ab" if goes_on else "wb") as stream:
            async for chunk in answer.aiter_raw(CHUNK):
                await asyncio.to_thread(stream.write, chunk)
                self._got(len(chunk))


def _place(target: Path, stored: StoredFile, row_id: str) -> Path:
    """Where the file goes; in a folder with the end of its row's id behind its name, where another has that name."""
    if not target.is_dir():
        return target
    place = target / _named(stored, row_id)
    taken = place.exists() and not (stored.sha256 and _hash(place) == stored.sha256)
    return place.with_stem(f"{place.stem}-{row_id[-8:]}") if taken else place


def _named(stored: StoredFile, row_id: str) -> str:
    """The file's own name, which leads out of no folder."""
    name = stored.file_name.replace("\\", "/").rpartition("/")[2].replace("\0", "")
    return name if name.strip(". ") else row_id


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _same(place: Path, stored: StoredFile) -> Path:
    if stored.sha256 and _hash(place) == stored.sha256:
        return place
    raise FileFailed("EXISTS", f"{place} is there already, and is another file.")


def _finished(part: Path, place: Path, stored: StoredFile) -> Path:
    if stored.sha256 and _hash(part) != stored.sha256:
        part.unlink()
        raise FileFailed("HASH_MISMATCH", f"What came as {place.name} is not what is stored; fetch it again.")
    return part.rename(place)


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
