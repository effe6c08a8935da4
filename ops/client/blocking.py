"""Episodes for programs that are not asynchronous: the same, call by call."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from .episodes import AsyncEpisodes, Row
from .http import Credentials
from .jobs import Job

T = TypeVar("T")


class Episodes:
    """Does what ``AsyncEpisodes`` does, and raises what it raises; each call comes back when it is done."""

    def __init__(self, url: str, token: str | Credentials, *, patience: float = 30.0) -> None:
        self._runner = asyncio.Runner()
        self._asynchronous = AsyncEpisodes(url, token, patience=patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        try:
            self._run(self._asynchronous.close())
        finally:
            self._runner.close()

    def create(self, resource: str, fields: Row, *, key: str | None = None) -> Row:
        return self._run(self._asynchronous.create(resource, fields, key=key))

    def read(self, resource: str, row_id: str) -> Row:
        return self._run(self._asynchronous.read(resource, row_id))

    def list(self, resource: str, **filters: str | int | None) -> Iterator[Row]:
        return self._each(self._asynchronous.list(resource, **filters))

    def search(self, q: str, **filters: str | int | None) -> Iterator[Row]:
        return self._each(self._asynchronous.search(q, **filters))

    def change(self, resource: str, row: Row, fields: Row) -> Row:
        return self._run(self._asynchronous.change(resource, row, fields))

    def delete(self, resource: str, row_id: str, *, reason: str = "") -> None:
        self._run(self._asynchronous.delete(resource, row_id, reason=reason))

    def restore(self, resource: str, row_id: str) -> Row:
        return self._run(self._asynchronous.restore(resource, row_id))

    def link(self, episode_id: str, resource: str, row_id: str, **fields: str | int | None) -> Row:
        return self._run(self._asynchronous.link(episode_id, resource, row_id, **fields))

    def upload(self, path: str | Path, entity_type: str, *, mime_type: str | None = None) -> str:
        return self._run(self._asynchronous.upload(path, entity_type, mime_type=mime_type))

    def download(self, resource: str, row_id: str, target: str | Path = ".", *, role: str | None = None) -> Path:
        return self._run(self._asynchronous.download(resource, row_id, target, role=role))

    def ingest(self, path: str | Path, entity_type: str, entity_id: str, **choices: str | None) -> Job:
        return self._run(self._asynchronous.ingest(path, entity_type, entity_id, **choices))

    def wait(self, job: Job, *, within: float | None = None) -> Job:
        return self._run(self._asynchronous.wait(job, within=within))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def _each(self, rows: AsyncIterator[Row]) -> Iterator[Row]:
        end: Row = {}
        while (row := self._run(_next(rows, end))) is not end:
            yield row


async def _next(rows: AsyncIterator[Row], end: Row) -> Row:
    return await anext(rows, end)
