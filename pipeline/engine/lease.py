"""The lease of a stage: renewed beside its work, which ends where the lease is lost."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Final, TypeVar

import structlog

from models.db import connection as db
from models.errors import Fault
from models.jobs import claims
from models.jobs.claims import Claimed
from pipeline.engine.context import Context

log = structlog.get_logger()
LIMIT_SECONDS: Final = 3600.0  # of one attempt of one stage
RENEWALS: Final = 3  # in the time of one lease
T = TypeVar("T")


class LostLease(Exception):
    """Somebody else owns the job now, or it was cancelled: what was done here does not count."""


async def leased(context: Context, claimed: Claimed, work: Awaitable[T]) -> T:
    """Do a stage's work while its lease is renewed.

    Raises:
        LostLease: it was lost; the work is cancelled.
        Fault: TIMEOUT, when the work took longer than it may.
        CancelledError: the process stops, whatever the work made of that.
    """
    try:
        return await _limited(context, claimed, work)
    finally:
        if _told_to_stop():
            raise asyncio.CancelledError


def _told_to_stop() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _limited(context: Context, claimed: Claimed, work: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(LIMIT_SECONDS) as block:
            renewal = _Renewal(context, claimed, block)
            try:
                return await work
            finally:
                await renewal.end()
    except TimeoutError as error:
        if renewal.lost:
            raise LostLease from None
        if block.expired():
            raise Fault("TIMEOUT", f"the stage took longer than {LIMIT_SECONDS:.0f} seconds") from error
        raise


class _Renewal:
    """Begins after a third of the lease: most stages end before, and then it was a timer and no more."""

    def __init__(self, context: Context, claimed: Claimed, block: asyncio.Timeout) -> None:
        self.lost = False
        self._context = context
        self._claimed = claimed
        self._block = block
        self._lease = context.holder.lease_seconds
        self._held_until = time.monotonic() + self._lease
        self._ended = False
        self._task: asyncio.Task[bool] | None = None
        self._timer = self._soon()

    async def end(self) -> None:
        """Renew no more."""
        self._ended = True
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _soon(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._lease / RENEWALS, self._begin)

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._renew())
        self._task.add_done_callback(self._go_on)

    async def _renew(self) -> bool:
        """False where the lease is lost, or could not be renewed for as long as it lasts."""
        try:
            async with db.borrow(self._context.pool) as connection:
                held = await claims.renew(connection, self._claimed, self._context.holder)
        except Exception as error:
            log.warning("lease not renewed", error=str(error))
            return time.monotonic() < self._held_until
        self._held_until = time.monotonic() + self._lease
        return held

    def _go_on(self, task: asyncio.Task[bool]) -> None:
        if task.cancelled() or self._ended:
            return
        if task.result():
            self._timer = self._soon()
        else:
            self._lose()

    def _lose(self) -> None:
        self.lost = True
        if not self._block.expired():
            self._block.reschedule(0)
