"""A stack whose worker reaches each service through a proxy, and what was sent to it."""

import os
import signal
import time
from typing import Any
from urllib.parse import urlsplit

import httpx2

from ops.stack.processes import Process
from tests import media, work
from tests.chaos import ledger
from tests.chaos.ledger import Sent, Verdict
from tests.chaos.proxy import Proxy
from tests.processes import children
from tests.resources import CLIP, create
from tests.stack import Stack

PICTURE = media.jpeg((320, 180))
URLS = ("DATABASE_URL", "BROKER_URL", "S3_ENDPOINT_URL")


class World:
    """A stack, a proxy before each of its services, and the jobs that were accepted.

    ``postgresql``, ``broker`` and ``storage`` are the proxies; ``proxied`` is the environment of a program behind them.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.sent: list[Sent] = []
        self.workers: list[Process] = []
        direct = {"BROKER_URL": stack.environ["REDIS_URL"], **stack.environ}
        made = [Proxy(urlsplit(direct[name]).port or 0) for name in URLS]
        self.postgresql, self.broker, self.storage = made
        self.proxied = {name: through(proxy, direct[name]) for name, proxy in zip(URLS, made, strict=True)}

    @property
    def proxies(self) -> tuple[Proxy, ...]:
        """All of them."""
        return self.postgresql, self.broker, self.storage

    def start(self) -> None:
        """Start the proxies, the API, and a dispatcher; workers are started by who breaks them."""
        for proxy in self.proxies:
            proxy.start()
        self.stack.dispatcher.spawn()
        self.stack.api.start()

    def stop(self) -> None:
        """Stop what was started."""
        for child in self.workers:
            child.stop()
        self.stack.stop()
        for proxy in self.proxies:
            proxy.stop()

    def calm(self) -> None:
        """Whatever was set or held passes again."""
        for proxy in self.proxies:
            proxy.clear()
            proxy.resume()
            proxy.delay = 0.0

    def lone(self) -> Process:
        """The one worker that runs; where several do, the others are stopped."""
        for child in self.workers[:-1]:
            child.stop()
        alive = [child for child in self.workers[-1:] if child.alive]
        return alive[0] if alive else self.worker()

    def worker(self, module: str = "pipeline.worker", **environ: str) -> Process:
        """One more worker, behind the proxies, started."""
        name = f"worker-{len(self.workers)}"
        made = self.program(module, **{"WORKER_ID": name, "METRICS_PORT": "0", **environ})
        made.spawn()
        self.workers.append(made)
        return made

    def program(self, module: str, **environ: str) -> Process:
        """One more process of a program, behind the proxies; not started."""
        return self.stack.child(module, **(self.proxied | environ))

    def send(
        self, client: httpx2.Client, data: bytes | None = None, *ends: str, reference: str | None = None, **more: Any
    ) -> Sent:
        """A job of these bytes, or of a new picture, for a new clip; ``reference`` where they are stored already."""
        data = data or work.unique(PICTURE)
        reference = reference or work.upload(client, data)
        job = work.post(client, reference, **more)
        sent = Sent(job["job_id"], job["entity_id"], reference, data, frozenset(ends or {"stored"}))
        self.sent.append(sent)
        return sent

    def send_batch(self, client: httpx2.Client, pictures: list[bytes], count: int) -> list[Sent]:
        """So many jobs in one request, each for a clip of its own; they show these pictures in turn."""
        references = [work.upload(client, data) for data in pictures]
        clips = [create(client, CLIP)["clip_id"] for _ in range(count)]
        jobs = [
            {"entity_type": "clip", "entity_id": clip, "source_reference": references[number % len(references)]}
            for number, clip in enumerate(clips)
        ]
        answer = client.post("/api/v1/ingest/batch", json={"jobs": jobs})
        made = [result["job"]["job_id"] for result in answer.json()["data"]["results"]]
        ends = frozenset({"stored", "duplicate"})
        sent = [
            Sent(job_id, clip, references[number % len(references)], pictures[number % len(pictures)], ends)
            for number, (job_id, clip) in enumerate(zip(made, clips, strict=True))
        ]
        self.sent += sent
        return sent

    def settle(self, within: float = 60.0) -> float:
        """Wait until everything that was sent has ended; how many seconds that took."""
        return ledger.await_ends(self.stack.database_url, self.sent, within)

    def verdict(self) -> Verdict:
        """The ledger now, held against all that was sent."""
        return ledger.check(self.stack.database_url, self.stack.environ, self.sent)


def kill(child: Process, number: signal.Signals = signal.SIGKILL) -> float:
    """Send a signal, kill -9 if nothing else is said, and see the process end; the moment of it."""
    assert child.pid is not None
    os.kill(child.pid, number)
    moment = time.monotonic()
    while child.alive:
        time.sleep(0.002)
    return moment


def decoders_of(worker: Process) -> list[int]:
    """The processes that decode files for a worker."""
    return children(worker.pid or 0)


def through(proxy: Proxy, url: str) -> str:
    """The URL of a service by way of a proxy."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{place[0]}{place[1]}127.0.0.1:{proxy.port}").geturl()
