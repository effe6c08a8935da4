"""One file to the storage by presigned URLs, streamed from the disk; a large one in parts, each repeated alone."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import httpx2
import msgspec

from .errors import ApiError, ClientError, FileFailed, Unreachable
from .http import Client, web_client
from .jobs import Original
from .open_uploads import Kept, OpenUploads

CHUNK: Final = 1024 * 1024  # bytes read at once
WHOLE: Final = 64 * 1024 * 1024  # bytes of the largest file that is sent at once
PAUSES: Final = (0.25, 0.5, 1, 2, 4, 8, 15)  # seconds between attempts, half a minute in all
EXPIRED: Final = 403
UPLOAD: Final = "/api/v1/upload"
# Our own earlier attempt arrived after all, only its answer was lost: the key is nobody else's.
ARRIVED: Final = (200, 201, 204, 412)
AGAIN: Final = (0, 403, 408, 429)


class File(Protocol):
    """What can be sent: ``size`` in bytes, ``sha256`` in hex, ``mime_type`` as declared to the server."""

    @property
    def path(self) -> Path: ...
    @property
    def entity_type(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    @property
    def mime_type(self) -> str: ...


class Ticket(msgspec.Struct, rename="camel"):
    """Where to send a file, and what already holds the same bytes."""

    upload_url: str
    file_reference: str
    headers: dict[str, str]
    duplicate_of: Original | None = None


class PartTarget(msgspec.Struct, rename="camel"):
    """Where to send a part, counted from 1; nowhere where it has arrived."""

    part_number: int
    url: str | None = None


class PartsTicket(msgspec.Struct, rename="camel"):
    """Where to send a file in parts of ``part_size`` bytes, the last of which is what is left."""

    upload_id: str
    file_reference: str
    part_size: int
    parts: list[PartTarget]


class OpenUpload(msgspec.Struct, rename="camel"):
    """Which parts of an upload have arrived, and where to send the others."""

    part_size: int
    parts: list[PartTarget]


@dataclass(frozen=True, slots=True)
class Piece:
    """``size`` bytes of a file from ``start`` on."""

    file: File
    start: int
    size: int


class Uploads:
    """Asks for tickets and sends files; ``sent`` is told the bytes as they leave."""

    def __init__(self, client: Client, sent: Callable[[int], None]) -> None:
        self._client = client
        self._sent = sent
        self._http = web_client()
        self._open = OpenUploads(client.url)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def ticket(self, file: File) -> Ticket:
        """A presigned URL for a file, good for an hour."""
        return (await self._client.post(f"{UPLOAD}/generate-url", Ticket, _announced(file))).data

    async def send(self, file: File, ticket: Ticket) -> str:
        """Send a file and give its reference, which is not the ticket's where it went in parts or the URL had expired.

        Raises:
            FileFailed: the storage refuses this file, or it cannot be read.
            Unreachable: the storage does not take anything for half a minute.
        """
        if file.size > WHOLE:
            return await self._in_parts(file)
        return await self._repeated(Piece(file, 0, file.size), ticket, lambda: self.ticket(file))

    async def _in_parts(self, file: File) -> str:
        upload = await self._begun_before(file) or await self._begun(file)
        known = {"uploadId": upload.upload_id, "fileReference": upload.file_reference}
        try:
            for part in (part for part in upload.parts if part.url):
                await self._part(file, upload, part)
        except FileFailed:
            with suppress(ClientError):  # housekeeping gives it up a day later
                await self._client.delete(f"{UPLOAD}/multipart", **known)
            self._open.forget(file)
            raise
        await self._client.post(f"{UPLOAD}/multipart/complete", dict[str, Any], known)
        self._open.forget(file)
        return upload.file_reference

    async def _begun(self, file: File) -> PartsTicket:
        """A new upload, kept until it is complete."""
        upload = (await self._client.post(f"{UPLOAD}/multipart", PartsTicket, _announced(file))).data
        self._open.keep(file, Kept(upload.upload_id, upload.file_reference))
        return upload

    async def _begun_before(self, file: File) -> PartsTicket | None:
        """An upload of the same bytes that an earlier start left, with the parts that have arrived."""
        kept = self._open.find(file)
        if kept is None:
            return None
        try:
            found = await self._parts_of(kept)
        except ApiError:  # it is complete, was given up, or is another caller's
            self._open.forget(file)
            return None
        return PartsTicket(kept.upload_id, kept.file_reference, found.part_size, found.parts)

    async def _parts_of(self, upload: Kept | PartsTicket) -> OpenUpload:
        known = {"uploadId": upload.upload_id, "fileReference": upload.file_reference}
        return (await self._client.get(f"{UPLOAD}/multipart", OpenUpload, **known)).data

    async def _part(self, file: File, upload: PartsTicket, part: PartTarget) -> None:
        start = (part.part_number - 1) * upload.part_size
        piece = Piece(file, start, min(upload.part_size, file.size - start))
        ticket = Ticket(part.url or "", upload.file_reference, {})
        await self._repeated(piece, ticket, lambda: self._fresh(upload, part.part_number))

    async def _fresh(self, upload: PartsTicket, number: int) -> Ticket | None:
        """A new URL for a part; None where it has arrived after all."""
        found = await self._parts_of(upload)
        urls = {part.part_number: part.url for part in found.parts}
        url = urls.get(number)
        return Ticket(url, upload.file_reference, {}) if url else None

    async def _repeated(self, piece: Piece, ticket: Ticket, renew: Callable[[], Awaitable[Ticket | None]]) -> str:
        """Send a piece until it has arrived: the file's reference."""
        for pause in (*PAUSES, None):
            status, said = await self._put(piece, ticket)
            if status in ARRIVED:
                return ticket.file_reference
            if status not in AGAIN and status < httpx2.codes.INTERNAL_SERVER_ERROR:
                raise FileFailed("UPLOAD_REFUSED", f"The storage refused it with status {status}.")
            if pause is None:
                break
            await asyncio.sleep(pause)
            if status == EXPIRED:
                renewed = await renew()
                if renewed is None:
                    return ticket.file_reference
                ticket = renewed
        if status == EXPIRED:
            raise FileFailed("UPLOAD_REFUSED", "The storage refuses it, whatever URL it is sent to.")
        raise Unreachable(f"The storage does not take uploads: {said or f'status {status}'}")

    async def _put(self, piece: Piece, ticket: Ticket) -> tuple[int, str]:
        """The status, 0 where there was none; with it what went wrong."""
        headers = {"Content-Length": str(piece.size), **ticket.headers}
        try:
            answer = await self._http.put(ticket.upload_url, content=self._chunks(piece), headers=headers)
        except httpx2.TransportError as error:
            return 0, str(error) or type(error).__name__
        except OSError as error:
            raise FileFailed("UNREADABLE", f"Cannot be read: {error.strerror or error}.") from error
        return answer.status_code, ""

    async def _chunks(self, piece: Piece) -> AsyncIterator[bytes]:
        left = piece.size
        with piece.file.path.open("rb") as stream:
            stream.seek(piece.start)
            while left:
                chunk = await asyncio.to_thread(stream.read, min(CHUNK, left))
                if not chunk or os.fstat(stream.fileno()).st_size != piece.file.size:
                    raise FileFailed("FILE_CHANGED", "The file changed while it was sent.")
                left -= len(chunk)
                yield chunk
                self._sent(len(chunk))


def _announced(file: File) -> dict[str, Any]:
    return {
        "file_name": file.path.name.encode("utf-8", "replace").decode(),
        "file_type": file.mime_type,
        "entity_type": file.entity_type,
        "file_size": file.size,
        "sha256": file.sha256,
    }
