"""The worker process: settings, log, broker, actors, metrics; ``python -m pipeline.worker``."""

import asyncio
import signal
import threading

import dramatiq
import structlog
import uvloop
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.middleware import Middleware

from models import program, schema
from models.settings import Settings
from pipeline.broker import make_broker
from pipeline.chain import CHAINS, Chain
from pipeline.context import Context, threads
from pipeline.exposition import serve_metrics
from pipeline.stage import Chains

logger = structlog.get_logger()
POLL_MILLISECONDS = 100  # an idle worker sees a hint this soon
SPARE = 2  # hints at hand beside those at work; the others wait where any worker may take them
GRACE_SECONDS = 2  # what stages have to end in when the process is told to stop; its supervisor waits longer


class Services(Middleware):
    """Opens the context on the event loop once it runs, and closes it before the loop ends."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context: Context | None = None

    def context(self) -> Context:
        """The open context."""
        assert self._context is not None, "the worker has not booted"  # noqa: S101
        return self._context

    def before_worker_boot(self, _: dramatiq.Broker, __: dramatiq.Worker) -> None:
        """Connect before the first hint is fetched."""
        asyncio.run_coroutine_threadsafe(self._open(), _loop()).result()

    async def _open(self) -> None:
        self._context = Context(self._settings)
        await self._context.open()

    def before_worker_shutdown(self, _: dramatiq.Broker, __: dramatiq.Worker) -> None:
        """Nothing new is begun from here on; what has not ended in time is given back."""
        _loop().call_soon_threadsafe(self.context().stop_after, GRACE_SECONDS)

    def after_worker_shutdown(self, _: dramatiq.Broker, __: dramatiq.Worker) -> None:
        """Disconnect, while the loop still runs."""
        asyncio.run_coroutine_threadsafe(self.context().close(), _loop()).result()


def _loop() -> asyncio.AbstractEventLoop:
    thread = get_event_loop_thread()
    assert thread is not None, "the loop runs as long as the worker"  # noqa: S101
    return thread.loop


def run(settings: Settings, chains: Chains = CHAINS) -> None:
    """Work until SIGTERM or SIGINT."""
    schema.require(settings.database_url)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # of the loop that dramatiq makes
    services = Services(settings)
    broker = make_broker(settings, services)
    Chain(broker, services.context, chains)
    worker = dramatiq.Worker(broker, worker_threads=threads(settings), worker_timeout=POLL_MILLISECONDS)
    worker.queue_prefetch = threads(settings) + SPARE
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    worker.start()
    with serve_metrics(settings, services.context().pool, _loop()):
        logger.info("worker started", threads=threads(settings))
        stopped.wait()
    logger.info("worker stops")
    worker.stop(timeout=(GRACE_SECONDS + 2) * 1000)
    broker.close()
    logger.info("worker stopped")


def main() -> int:
    """Run; 1 and one line where a setting or the schema is wrong."""
    return program.main("worker", run)


if __name__ == "__main__":
    raise SystemExit(main())
