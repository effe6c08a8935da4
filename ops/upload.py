"""One file to the storage by presigned URL, streamed from the disk."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

import httpx2
import msgspec

from ops.client import Client, web_client
from ops.errors import Unreachable
from ops.outcome import Failed, Original
from ops.plan import Item

CHUNK: Final = 1024 * 1024  # bytes read at once
PAUSES: Final = (0.25, 0.5, 1, 2, 4, 8, 15)  # seconds between attempts, half a minute in all
EXPIRED: Final = 403
# Our own earlier attempt arrived after all, only its answer was lost: the key is nobody else's.
ARRIVED: Final = (200, 201, 204, 412)
AGAIN: Final = (0, 403, 408, 429)


class Ticket(msgspec.Struct, rename="camel"):
    """Where to send a file, and what already holds the same bytes."""

    upload_url: str
    file_reference: str
    headers: dict[str, str]
    duplicate_of: Original | None = None


class Uploads:
    """Asks for tickets and sends files; ``sent`` is told the bytes as they leave."""

    def __init__(self, client: Client, sent: Callable[[int], None]) -> None:
        self._client = client
        self._sent = sent
        self._http = web_client()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def ticket(self, item: Item) -> Ticket:
        """A presigned URL for a file, good for an hour."""
        body = {
            "file_name": item.file.path.name.encode("utf-8", "replace").decode(),
            "file_type": item.mime_type,
            "entity_type": item.file.target.entity_type,
            "file_size": item.size,
            "sha256": item.sha256,
        }
        return (await self._client.post("/api/v1/upload/generate-url", Ticket, body)).data

    async def send(self, item: Item, ticket: Ticket) -> str:
        """Send a file and give its reference; a broken attempt is repeated, an expired URL replaced.

        Raises:
            Failed: the storage refuses this file, or it cannot be read.
            Unreachable: the storage does not take anything for half a minute.
        """
        for pause in (*PAUSES, None):
            status, said = await self._put(item, ticket)
            if status in ARRIVED:
                return ticket.file_reference
            if status not in AGAIN and status < httpx2.codes.INTERNAL_SERVER_ERROR:
                raise Failed("UPLOAD_REFUSED", f"The storage refused it with status {status}.")
            if pause is not None:
                await asyncio.sleep(pause)
            if status == EXPIRED:
                ticket = await self.ticket(item)
        raise Unreachable(f"The storage does not take uploads: {said or f'status {status}'}")

    async def _put(self, item: Item, ticket: Ticket) -> tuple[int, str]:
        headers = {"Content-Length": str(item.size), **ticket.headers}
        try:
            answer = await self._http.put(ticket.upload_url, content=self._chunks(item), headers=headers)
        except httpx2.TransportError as error:
            return 0, str(error) or type(error).__name__
        except OSError as error:
            raise Failed("UNREADABLE", f"Cannot be read: {error.strerror or error}.") from error
        return answer.status_code, ""

    async def _chunks(self, item: Item) -> AsyncIterator[bytes]:
        left = item.size
        with item.file.path.open("rb") as stream:
            while chunk := await asyncio.to_thread(stream.read, CHUNK):
                left -= len(chunk)
                if left < 0:
                    break
                yield chunk
                self._sent(len(chunk))
        if left:
            raise Failed("FILE_CHANGED", "The file changed while it was sent.")
