"""``episodes ingest``: what happens to each file, from the disk to the end of its job.

Planned by ``plan``; then for each distinct file, four uploads at a time: ask the server, upload, create the entity,
post the job (``batch``) and wait for its end (``wait``); shown by ``output``. The server knows what was done before,
so a run that was interrupted continues when it is started again, in the batch that it began.
"""

import asyncio
import hashlib
import re
import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final, cast

import httpx2
import msgspec

from models.catalog import CATALOG
from models.jobs.types import OnDuplicate, Priority
from ops.client.errors import ApiError, FileFailed, Why
from ops.client.http import AWAY, Client
from ops.client.jobs import Job, Original
from ops.client.upload import Ticket, Uploads
from ops.errors import CommandError
from ops.ingest.batch import Batch, RunBatch
from ops.ingest.episode_numbers import Numbering
from ops.ingest.plan import Item, LocalFile, named, read
from ops.ingest.result import Outcome, Result
from ops.ingest.wait import Watch, jobs, unfinished

AT_ONCE: Final = 4  # uploads
LONGEST_TITLE: Final = 255  # characters
NOT_THE_FILES_FAULT: Final = (401, 403, *AWAY)
# Where an entity is created, what its title is called there, and its id.
RESOURCES: Final = {
    name: (one.table.name.replace("_", "-"), one.table.title, one.table.key)
    for name, one in CATALOG.items()
    if one.files
}


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What to do with a file that is already stored, how urgent the work is, and what the batch is called."""

    on_duplicate: OnDuplicate = "link"
    priority: Priority = "batch"
    batch: str = "files"


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Whom to tell: ``sent`` of bytes that left, ``done`` of each file's end, ``opened`` of the batch."""

    sent: Callable[[int], None]
    done: Callable[[LocalFile, Result], None]
    opened: Callable[[Batch], None] = lambda _batch: None


async def ingest(client: Client, files: Sequence[LocalFile], wish: Choices, listener: Listener) -> list[Result]:
    """Bring files in and wait until the pipeline is done with them; one result per file, in their order.

    Raises:
        CommandError: the server or the storage stayed away, or refuses the caller. Starting again continues.
    """
    run = _Run(client, wish, listener)
    try:
        await run.all(files)
    finally:
        await run.close()
    return [run.results[file] for file in files]


class _Run:
    def __init__(self, client: Client, wish: Choices, listener: Listener) -> None:
        self.results: dict[LocalFile, Result] = {}
        self._client = client
        self._wish = wish
        self._listener = listener
        self._uploads = Uploads(client, listener.sent)
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._batch = RunBatch(client, wish.batch, listener.opened)
        self._watch = Watch(client)
        self._under_way: list[Job] = []
        self._created: dict[LocalFile, str] = {}
        self._numberings: dict[str, Numbering] = {}

    async def close(self) -> None:
        await self._uploads.close()

    async def all(self, files: Sequence[LocalFile]) -> None:
        await self._batch.open()
        for entity_type in {file.target.entity_type for file in files}:
            self._under_way += [job async for job in unfinished(self._client, entity_type)]
        try:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(self._watch.run())
                await self._files(files)
                watch.cancel()
        except* CommandError as errors:
            raise _first(errors) from None
        await self._batch.close()

    async def _files(self, files: Sequence[LocalFile]) -> None:
        firsts: dict[str, asyncio.Task[Result]] = {}
        async with asyncio.TaskGroup() as group:
            async for file, item in read(files):
                if isinstance(item, FileFailed):
                    self._done(file, _failed(file, item.why))
                elif first := firsts.get(item.sha256):
                    group.create_task(self._copy(item, first))
                else:
                    firsts[item.sha256] = group.create_task(self._told(item))

    async def _copy(self, item: Item, first: asyncio.Task[Result]) -> None:
        """A file with the bytes of an earlier one is not uploaded; it has a job only for an entity of its own."""
        ended = await first
        if self._wants_own_job(item.file):
            await self._told(item)
        else:
            self._done(item.file, _like_first(item.file, ended, self._wish.on_duplicate))

    def _wants_own_job(self, file: LocalFile) -> bool:
        return file.target.entity_id is not None or self._wish.on_duplicate == "keep"

    async def _told(self, item: Item) -> Result:
        result = self._with_what_is_empty(item.file, await self._result(item))
        self._done(item.file, result)
        return result

    def _with_what_is_empty(self, file: LocalFile, result: Result) -> Result:
        """What was created for a file that came to nothing shows nothing: its maker has to know."""
        created = self._created.get(file)
        if created is None or result.outcome not in ("failed", "cancelled"):
            return result
        return msgspec.structs.replace(result, entity_id=created, empty=True)

    async def _result(self, item: Item) -> Result:
        try:
            return await self._bring(item)
        except FileFailed as failed:
            return _failed(item.file, failed.why)
        except ApiError as error:
            if error.status in NOT_THE_FILES_FAULT:
                raise
            return _failed(item.file, Why(error.code, error.message))

    async def _bring(self, item: Item) -> Result:
        job, uploading = await self._on_its_way(item), 0.0
        if job is None:
            async with self._slots:
                started = time.monotonic()
                ticket = await self._uploads.ticket(item)
                if ticket.duplicate_of and self._nothing_to_do(item.file, ticket.duplicate_of):
                    return _duplicate(item.file, ticket.duplicate_of, self._wish.on_duplicate)
                reference = _stored(ticket) or await self._uploads.send(item, ticket)
                uploading = time.monotonic() - started
            job = await self._post(item, reference)
        return _ended(item.file, await self._watch.end_of(job), uploading)

    async def _on_its_way(self, item: Item) -> Job | None:
        """A job that an interrupted run, or somebody else, has begun for these bytes and something that still lives."""
        if item.file.target.entity_id is None and self._wish.on_duplicate == "keep":
            return None
        wanted = item.file.target.entity_id
        for job in self._under_way:
            mine = job.sha256 == item.sha256 and wanted in (None, job.entity_id)
            if mine and await self._lives(item, job.entity_id):
                return job
        return None

    def _nothing_to_do(self, file: LocalFile, original: Original) -> bool:
        """What only the trash holds is brought in for the living again, unless that is not wanted."""
        if file.target.entity_id is not None:
            return original.entity_id == file.target.entity_id and not original.deleted
        return self._wish.on_duplicate == "reject" or (self._wish.on_duplicate == "link" and not original.deleted)

    async def _post(self, item: Item, reference: str) -> Job:
        entity_id = item.file.target.entity_id
        if entity_id is None:
            entity_id, begun = await self._create(item)
            if begun:
                return begun
            self._created[item.file] = entity_id
        return await self._batch.submit(self._order(item, entity_id, reference))

    async def _create(self, item: Item) -> tuple[str, Job | None]:
        """Create the entity of a file; one that an earlier run created may have its job already.

        One that was deleted since, or shows another file by now, is left as it is.
        """
        key = _key(item)
        while True:
            entity_id, again = await self._made(item, key)
            if not again:
                return entity_id, None
            begun = await self._begun(entity_id)
            if (begun is None or begun.sha256 in (None, item.sha256)) and await self._lives(item, entity_id):
                return entity_id, begun
            key = _next_key(key, entity_id)

    async def _made(self, item: Item, key: str) -> tuple[str, bool]:
        show_id = item.file.target.show_id
        if show_id:
            numbering = self._numberings.setdefault(show_id, Numbering(self._client, show_id))
            return await numbering.episode(title_of(item.file.name), key)
        resource, title, identifier = RESOURCES[item.file.target.entity_type]
        new = {title: title_of(item.file.name)}
        answer = await self._client.post(f"/api/v1/{resource}", dict[str, Any], new, key=key)
        return str(answer.data[identifier]), answer.replayed

    async def _begun(self, entity_id: str) -> Job | None:
        async for job in jobs(self._client, entity_id=entity_id):
            if job.status not in ("failed", "cancelled"):
                return job
        return None

    async def _lives(self, item: Item, entity_id: str) -> bool:
        resource, _, _ = RESOURCES[item.file.target.entity_type]
        try:
            await self._client.get(f"/api/v1/{resource}/{entity_id}", dict[str, Any])
        except ApiError as error:
            if error.status == httpx2.codes.NOT_FOUND:
                return False
            raise
        return True

    def _order(self, item: Item, entity_id: str, reference: str) -> dict[str, Any]:
        role = item.file.target.role
        return {
            "entity_type": item.file.target.entity_type,
            "entity_id": entity_id,
            **({"role": role} if role else {}),
            "source_reference": reference,
            "file_name": named(item.file.path.name),
            "sha256": item.sha256,
            "on_duplicate": self._wish.on_duplicate,
            "priority": self._wish.priority,
        }

    def _done(self, file: LocalFile, result: Result) -> None:
        self.results[file] = result
        self._listener.done(file, result)


def title_of(name: str) -> str:
    """A file name made readable: ``summer_look-03.jpg`` is "Summer look 03"."""
    stem = unicodedata.normalize("NFC", PurePosixPath(name).stem)
    words = re.sub(r"[ _.-]+", " ", stem).strip() or "Untitled"
    return (words[0].upper() + words[1:])[:LONGEST_TITLE]


def _key(item: Item) -> str:
    """The same for the same file in the same folder, so that a second run does not create a second entity."""
    told = "\n".join((item.file.target.entity_type, item.sha256, item.file.name))
    return f"ingest-{hashlib.sha256(told.encode()).hexdigest()}"


def _next_key(key: str, entity_id: str) -> str:
    """The same for each run after the entity of the first key is gone."""
    return f"ingest-{hashlib.sha256(f'{key} {entity_id}'.encode()).hexdigest()}"


def _stored(ticket: Ticket) -> str | None:
    return ticket.duplicate_of.file_reference if ticket.duplicate_of else None


def _failed(file: LocalFile, why: Why) -> Result:
    target = file.target
    return Result(
        file=file.shown, outcome="failed", entity_type=target.entity_type, entity_id=target.entity_id, error=why
    )


def _duplicate(file: LocalFile, original: Original, on_duplicate: OnDuplicate) -> Result:
    where = f"{original.entity_type} {original.entity_id}{' in the trash' if original.deleted else ''}"
    if on_duplicate == "reject":
        way = " Restore that, or take --on-duplicate link." if original.deleted else ""
        return _failed(file, Why("DUPLICATE", f"The same file is already stored for {where}.{way}"))
    return Result(
        file=file.shown,
        outcome="duplicate",
        entity_type=original.entity_type,
        entity_id=original.entity_id,
        duplicate_of=original,
    )


def _like_first(file: LocalFile, first: Result, on_duplicate: OnDuplicate) -> Result:
    if first.error or first.entity_id is None:
        return msgspec.structs.replace(first, file=file.shown, seconds=0.0)
    return _duplicate(file, Original(first.entity_type, first.entity_id), on_duplicate)


def _ended(file: LocalFile, job: Job, uploading: float) -> Result:
    outcome = job.outcome or "stored" if job.status == "succeeded" else job.status
    return Result(
        file=file.shown,
        outcome=cast("Outcome", outcome),
        entity_type=job.entity_type,
        entity_id=job.entity_id,
        job_id=job.job_id,
        batch_id=job.batch_id,
        seconds=round(uploading + job.seconds, 3),
        error=job.error if job.status != "succeeded" else None,
        duplicate_of=job.duplicate_of,
    )


def _first(errors: BaseExceptionGroup[CommandError]) -> CommandError:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
