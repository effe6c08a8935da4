"""The worker process: settings, log, broker, actors, metrics; ``python -m pipeline.worker``."""

if __name__ == "__main__":  # told to stop while the rest is imported, it ends at once
    from models import termination

    raise SystemExit(termination.enter("pipeline.worker"))

import asyncio
from contextlib import AsyncExitStack, ExitStack
from queue import SimpleQueue

import dramatiq
import structlog
import uvloop
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.middleware import Middleware

from models import process, termination
from models.db import connection as db
from models.db import schema
from models.operations import heartbeat
from models.operations.processes import Beat
from models.settings import Settings
from pipeline.chains import CHAINS, declare_actors
from pipeline.engine.broker import make_broker
from pipeline.engine.context import Context, decoders, threads
from pipeline.engine.metrics_server import serve_metrics
from pipeline.engine.reserved_threads import Reserve
from pipeline.engine.runner import Chains
from pipeline.media.isolation import cage

logger = structlog.get_logger()
POLL_MILLISECONDS = 100  # an idle worker sees a message this soon
SPARE = 2  # messages at hand beside those at work; the others wait where any worker may take them
GRACE_SECONDS = 2  # what stages have to end in when the process is told to stop; its supervisor waits longer
END_SECONDS = 7.0  # whatever does not come to its end, the process does


class ContextMiddleware(Middleware):
    """Opens the context on the event loop once it runs, and closes it before the loop ends."""

    def __init__(self, settings: Settings, chains: Chains) -> None:
        self._settings = settings
        self._chains = chains
        self._context: Context | None = None
        self._reserve: Reserve | None = None
        self._watching: asyncio.Task[None] | None = None
        self._metrics = ExitStack()
        self._heart = AsyncExitStack()
        self._stops: SimpleQueue[int] = SimpleQueue()  # a signal may come while it is waited for

    def context(self) -> Context:
        assert self._context is not None, "the worker has not booted"  # noqa: S101
        return self._context

    def await_stop(self) -> int:
        """Wait until the process is told to stop, or cannot work; with which code it is to end."""
        code = self._stops.get()
        termination.leave_within(END_SECONDS)
        return code

    def before_worker_boot(self, _: dramatiq.Broker, __: dramatiq.Worker) -> None:
        """Start all that stages need before the first message is fetched; all that begins later ends in good order."""
        with process.starting():
            asyncio.run_coroutine_threadsafe(self._open(), _loop()).result()
        termination.on_stop(lambda: self._stops.put(0))

    async def _open(self) -> None:
        context = self._context = Context(self._settings, on_broken=lambda: self._stops.put(1))
        loop = asyncio.get_running_loop()
        self._metrics.enter_context(serve_metrics(self._settings, context.pool, loop, lambda: context.sandbox.walls))
        await db.reach(self._settings)
        await asyncio.to_thread(schema.require, self._settings.database_url)
        await context.open()
        await self._begin_to_beat(context)
        self._reserve = Reserve(context, self._chains)
        self._watching = asyncio.create_task(self._reserve.watch())

    async def _begin_to_beat(self, context: Context) -> None:
        size = {"threads": threads(self._settings), "decoders": decoders(self._settings)}
        itself = await asyncio.to_thread(heartbeat.introduce, "worker", context.holder.worker, **size)
        beating = heartbeat.beating(context.pool, itself, lambda: Beat(decoders_busy=context.sandbox.busy))
        await self._heart.enter_async_context(beating)

    def before_worker_shutdown(self, _: dramatiq.Broker, __: dramatiq.Worker) -> None:
        """Nothing new is begun from here on; what has not ended in time is given back."""
        self._metrics.close()
        _loop().call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self._watching:
            self._watching.cancel()
        self.context().stop_after(GRACE_SECONDS)

    def after_worker_shutdown(self, _: dramatiq.Broker, __: dramatiq.Worker) -> None:
        """Disconnect, while the loop still runs."""
        asyncio.run_coroutine_threadsafe(self._close(), _loop()).result()

    async def _close(self) -> None:
        if self._reserve:
            await self._reserve.end()
        await self._heart.aclose()
        await self.context().close()


def _loop() -> asyncio.AbstractEventLoop:
    thread = get_event_loop_thread()
    assert thread is not None, "the loop runs as long as the worker"  # noqa: S101
    return thread.loop


def run(settings: Settings, chains: Chains = CHAINS) -> None:
    """Work until SIGTERM or SIGINT; SettingsError where files cannot be decoded as the settings demand."""
    cage.demand(settings.cage)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # of the loop that dramatiq makes
    services = ContextMiddleware(settings, chains)
    broker = make_broker(settings, services)
    declare_actors(broker, services.context, chains)
    worker = dramatiq.Worker(broker, worker_threads=threads(settings), worker_timeout=POLL_MILLISECONDS)
    worker.queue_prefetch = threads(settings) + SPARE
    worker.start()
    logger.info("worker started", threads=threads(settings))
    code = services.await_stop()
    logger.info("worker stops")
    worker.stop(timeout=(GRACE_SECONDS + 2) * 1000)
    broker.close()
    logger.info("worker stopped")
    if code:
        termination.leave(code)  # for a supervisor to start another


def main() -> int:
    """Run; 1 and one line where it cannot."""
    return process.main("worker", run)
