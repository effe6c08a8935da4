"""What a worker process gives its stages: database, storage, decoders, a place for files."""

import asyncio
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import structlog

from models import metrics
from models.db import connection as db
from models.jobs.claims import Holder
from models.kernel import Walls
from models.media.s3 import Storage
from models.settings import Settings
from pipeline.engine.claim_batcher import Claimer
from pipeline.engine.exclusive import SharedExclusiveLock
from pipeline.media.sandbox import Sandbox

log = structlog.get_logger()


def decoders(settings: Settings) -> int:
    """How many files are decoded at once: one a core."""
    return settings.decoders or os.cpu_count() or 1


def threads(settings: Settings) -> int:
    """How many stages run at once: enough to fetch and store while every decoder is busy."""
    return settings.worker_threads or decoders(settings) * 2 + 2


def reserved(settings: Settings) -> int:
    """How many stages beside those may run for who has none or few at work, while others hold all threads."""
    return max(threads(settings) // 2, 1)


class Context:
    """The services of one worker process, opened inside the event loop that uses them."""

    def __init__(self, settings: Settings, on_broken: Callable[[], object] = lambda: None) -> None:
        name = settings.worker_id or f"{socket.gethostname()}:{os.getpid()}"
        self.settings: Final = settings
        self.broken: Final = on_broken  # called where this process cannot work
        self.holder: Final = Holder(name, settings.lease_seconds)
        self.pool: Final = db.pool(settings, size=threads(settings) + reserved(settings) + 2)
        self.storage: Final = Storage(settings, threads=(threads(settings) + reserved(settings)) * 2)
        self._root: Final = settings.episodes_home / "scratch"
        self._scratch: Final = self._root / f"{os.getpid()}-{secrets.token_hex(4)}"
        self.sandbox: Final = Sandbox(processes=decoders(settings), cage=settings.cage, scratch=self._scratch)
        self.lock: Final = SharedExclusiveLock()
        self.reserved: Final = reserved(settings)
        self.claimer: Final = Claimer(self.pool, self.holder)
        self._running: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Connect, and clear away what killed workers of this home left behind."""
        await asyncio.to_thread(self._make_scratch)
        await self.pool.open()
        await self.sandbox.warm()
        _tell(self.sandbox.walls)

    async def close(self) -> None:
        """Disconnect and leave nothing behind."""
        await self.sandbox.close()
        await self.pool.close()
        self.storage.close()
        await asyncio.to_thread(shutil.rmtree, self._scratch, ignore_errors=True)

    @property
    def full(self) -> bool:
        """Whether as many stages run as there are threads."""
        return len(self._running) >= threads(self.settings)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Marks the current task as a stage, so that it can be stopped."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._running.add(task)
        try:
            yield
        finally:
            self._running.discard(task)

    def stop_after(self, seconds: float) -> None:
        """Cancel what still runs then."""
        asyncio.get_running_loop().call_later(seconds, lambda: [task.cancel() for task in self._running])

    @asynccontextmanager
    async def folder(self) -> AsyncIterator[Path]:
        """A folder for one run of a job, gone when the run ends."""
        made = Path(tempfile.mkdtemp(dir=self._scratch))  # sooner than a thread is asked to
        try:
            yield made
        finally:
            if not _removed_empty(made):
                await asyncio.to_thread(shutil.rmtree, made, ignore_errors=True)

    def _make_scratch(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        for left in self._root.iterdir():
            if not _alive(left.name.partition("-")[0]):
                shutil.rmtree(left, ignore_errors=True)
        self._scratch.mkdir(mode=0o700)


def _tell(walls: Walls | None) -> None:
    """Say in the log and in the metrics what holds the decoders."""
    found = walls or Walls()
    metrics.DECODER_CAGE.labels(str(found.landlock), str(int(found.seccomp))).set(not found.missing)
    log.info("decoders are caged", landlock=found.landlock, seccomp=found.seccomp)
    if found.missing:
        log.warning("a flaw in a codec could reach what this worker may reach", missing=found.missing)


def _removed_empty(folder: Path) -> bool:
    """Remove a folder that is empty, which is soon done; False where it is not."""
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def _alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return int(process) != os.getpid()
