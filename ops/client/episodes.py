"""Episodes for programs that are asynchronous: rows, files and jobs over one connection pool."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

from .download import Downloads
from .errors import ApiError, Conflict
from .http import Client, Credentials, Token
from .jobs import Job
from .local_file import read
from .upload import Uploads

API: Final = "/api/v1"
CHANGED_MEANWHILE: Final = 412
PAUSES: Final = (0.1, 2.0)  # seconds between two looks at a job, growing
Row = dict[str, Any]


class AsyncEpisodes:
    """The API at ``url``, signed in by a token, a key, or credentials that renew themselves.

    A ``resource`` is the word in its path: ``shows``, ``clips``, ``ui-elements``. ``patience`` is how many seconds a
    server may be away before ``Unreachable`` is raised. Every POST has an Idempotency-Key, so a repeat doubles nothing.
    """

    def __init__(self, url: str, token: str | Credentials, *, patience: float = 30.0) -> None:
        credentials = Token(token) if isinstance(token, str) else token
        self.http = Client(url.rstrip("/"), credentials, patience=patience)
        self._uploads = Uploads(self.http, lambda _count: None)
        self._downloads = Downloads(self.http, lambda _count: None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._uploads.close()
        await self._downloads.close()
        await self.http.close()

    async def create(self, resource: str, fields: Row, *, key: str | None = None) -> Row:
        """A new row; with the same ``key`` the same row, for a day.

        Raises:
            ApiError
        """
        return (await self.http.post(f"{API}/{resource}", Row, fields, key=key)).data

    async def read(self, resource: str, row_id: str) -> Row:
        """One row.

        Raises:
            ApiError: with 404 where there is none.
        """
        return (await self.http.get(f"{API}/{resource}/{row_id}", Row)).data

    async def list(self, resource: str, **filters: str | int | None) -> AsyncIterator[Row]:
        """All rows that match, page by page as they are asked for."""
        async for page in self.http.pages(f"{API}/{resource}", list[Row], **filters):
            for row in page.data:
                yield row

    async def search(self, q: str, **filters: str | int | None) -> AsyncIterator[Row]:
        """What is found, the best first."""
        async for hit in self.list("search", q=q, **filters):
            yield hit

    async def change(self, resource: str, row: Row, fields: Row) -> Row:
        """Change a row that was read: nobody else's change since then is written over.

        Raises:
            Conflict: somebody did change it; it holds both versions.
            ApiError
        """
        path = f"{API}/{resource}/{_id(resource, row)}"
        try:
            return (await self.http.patch(path, Row, fields, version=row["version"])).data
        except ApiError as error:
            if error.status != CHANGED_MEANWHILE:
                raise
            raise Conflict(error, {**row, **fields}, (await self.http.get(path, Row)).data) from None

    async def delete(self, resource: str, row_id: str, *, reason: str = "") -> None:
        """Put a row in the trash.

        Raises:
            ApiError
        """
        await self.http.delete(f"{API}/{resource}/{row_id}", **({"reason": reason} if reason else {}))

    async def restore(self, resource: str, row_id: str) -> Row:
        """Take a row out of the trash.

        Raises:
            ApiError
        """
        return (await self.http.post(f"{API}/{resource}/{row_id}/restore", Row)).data

    async def link(self, episode_id: str, resource: str, row_id: str, **fields: str | int | None) -> Row:
        """Link a thing to an episode, or replace what the link says.

        Raises:
            ApiError
        """
        return (await self.http.put(f"{API}/episodes/{episode_id}/{resource}/{row_id}", Row, fields)).data

    async def upload(self, path: str | Path, entity_type: str, *, mime_type: str | None = None) -> str:
        """Send a file to the storage, a large one in parts: its reference. One that is stored already is not sent.

        Raises:
            FileFailed: it cannot be read, or the storage refuses it.
            ApiError, Unreachable
        """
        file = await asyncio.to_thread(read, Path(path), entity_type, mime_type)
        ticket = await self._uploads.ticket(file)
        if ticket.duplicate_of and ticket.duplicate_of.file_reference:
            return ticket.duplicate_of.file_reference
        return await self._uploads.send(file, ticket)

    async def download(self, resource: str, row_id: str, target: str | Path = ".", *, role: str | None = None) -> Path:
        """Bring the file of a row to a path, or under its own name into a folder, proved by its hash: where it is.

        An episode has several, by ``role``. What an earlier call left unfinished is gone on with.

        Raises:
            FileFailed: another file is there, or what came is not what is stored.
            ApiError, Unreachable
        """
        return await self._downloads.fetch(resource, row_id, Path(target), role)

    async def ingest(self, path: str | Path, entity_type: str, entity_id: str, **choices: str | None) -> Job:
        """Send a file and have the pipeline bring it in for an entity; ``wait`` waits for the end.

        ``choices`` are those of the API: ``role``, ``on_duplicate``, ``priority``; and ``mime_type``, where the name
        does not tell it.

        Raises:
            FileFailed, ApiError, Unreachable
        """
        mime_type = choices.pop("mime_type", None)
        reference = await self.upload(path, entity_type, mime_type=mime_type)
        order = {"entity_type": entity_type, "entity_id": entity_id, "source_reference": reference}
        return (await self.http.post(f"{API}/ingest", Job, order | choices, key=uuid4().hex)).data

    async def wait(self, job: Job, *, within: float | None = None) -> Job:
        """The job at its end: look at ``status``, ``outcome`` and ``error``.

        Raises:
            TimeoutError: it has not ended ``within`` these seconds; it goes on.
            ApiError, Unreachable
        """
        async with asyncio.timeout(within):
            pause = PAUSES[0]
            while not job.ended:
                await asyncio.sleep(pause)
                job = (await self.http.get(f"{API}/ingest/{job.job_id}", Job)).data
                pause = min(pause * 1.5, PAUSES[1])
        return job


def _id(resource: str, row: Row) -> str:
    return str(row[f"{resource.replace('-', '_').removesuffix('s')}_id"])
