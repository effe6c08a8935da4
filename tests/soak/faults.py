"""The faults of a soak, dealt by a seed while work goes on; each function returns when its fault is over."""

import os
import re
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Final

import psycopg
import redis

from ops.children import Child
from ops.services import Services
from tests.chaos import proxy
from tests.chaos.proxy import answering, cut
from tests.chaos.world import World, decoders_of, kill

PAUSES: Final = (1.0, 4.0)  # seconds between two faults
FETCH: Final = re.compile(rb"GET /episodes-media/")
ANY_PUT: Final = re.compile(rb"PUT /episodes-thumbnails/")
_BODY: Final = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please try again.</Message></Error>"
SLOW_DOWN: Final = answering(
    b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)
Fault = Callable[[], None]


class Faults:
    """Deals faults in a thread of its own until ``stop``, and counts them.

    The second worker is killed at any time; API and dispatcher only until ``spare``, so that what they need can be
    seen to be steady; the first worker never.
    """

    def __init__(self, world: World, own: Services, rng: Random) -> None:
        self.dealt: Counter[str] = Counter()
        self.error: BaseException | None = None
        self._world = world
        self._own = own
        self._rng = rng
        self._spare = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._deal)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def spare(self) -> None:
        """Kill neither the API nor the dispatcher from now on."""
        self._spare.set()

    def stop(self) -> None:
        """End after the fault that is under way."""
        self._stopped.set()
        self._thread.join()
        self._world.calm()
        if self.error:
            raise self.error

    def _deal(self) -> None:
        try:
            while not self._stopped.wait(self._rng.uniform(*PAUSES)):
                fault = self._rng.choice(self._faults())
                fault()
                self.dealt[fault.__name__.strip("_").replace("_", " ")] += 1
        except BaseException as error:  # told by ``stop``, in the thread that asks for it
            self.error = error

    def _faults(self) -> list[Fault]:
        every = [
            self._worker_killed,
            self._worker_told_to_stop_then_killed,
            self._worker_asleep_past_its_lease,
            self._decoder_killed,
            self._redis_flushed,
            self._redis_away_and_back_empty,
            self._redis_frozen,
            self._redis_full,
            self._postgresql_restarted_at_once,
            self._backends_ended,
            self._answers_to_commits_lost,
            self._database_out_of_reach,
            self._storage_slow_down,
            self._storage_reset,
            self._storage_away,
            self._everything_slow,
        ]
        return every if self._spare.is_set() else [*every, self._api_killed, self._dispatcher_killed]

    def _some(self, least: float, most: float) -> None:
        self._stopped.wait(self._rng.uniform(least, most))

    def _again(self, child: Child) -> None:
        self._some(0, 2)
        child.spawn()

    # Programs

    def _worker_killed(self) -> None:
        kill(self._world.workers[1])
        self._again(self._world.workers[1])

    def _worker_told_to_stop_then_killed(self) -> None:
        os.kill(self._world.workers[1].pid or 0, signal.SIGTERM)
        self._some(0.05, 1)
        if self._world.workers[1].alive:
            kill(self._world.workers[1])
        self._again(self._world.workers[1])

    def _worker_asleep_past_its_lease(self) -> None:
        pid = self._world.workers[1].pid or 0
        os.kill(pid, signal.SIGSTOP)
        self._some(3, 6)
        os.kill(pid, signal.SIGCONT)

    def _decoder_killed(self) -> None:
        for pid in decoders_of(self._world.workers[0])[:1]:
            os.kill(pid, signal.SIGKILL)

    def _api_killed(self) -> None:
        self._killed_with_its_children(self._world.stack.api)
        self._again(self._world.stack.api)

    def _dispatcher_killed(self) -> None:
        kill(self._world.stack.dispatcher)
        self._again(self._world.stack.dispatcher)

    def _killed_with_its_children(self, child: Child) -> None:
        for pid in decoders_of(child):
            os.kill(pid, signal.SIGKILL)
        if child.alive:
            kill(child)

    # The broker

    def _redis_flushed(self) -> None:
        with redis.Redis.from_url(self._own.environment["REDIS_URL"]) as client:
            client.flushall()

    def _redis_away_and_back_empty(self) -> None:
        assert self._own.redis is not None
        self._own.redis.stop()
        shutil.rmtree(self._own.home / "valkey" / "appendonlydir", ignore_errors=True)
        self._some(1, 6)
        self._own.redis.start()

    def _redis_frozen(self) -> None:
        assert self._own.redis is not None
        os.kill(self._own.redis.pid or 0, signal.SIGSTOP)
        self._some(2, 8)
        os.kill(self._own.redis.pid or 0, signal.SIGCONT)

    def _redis_full(self) -> None:
        with redis.Redis.from_url(self._own.environment["REDIS_URL"]) as client:
            client.config_set("maxmemory", "1")
            self._some(1, 5)
            client.config_set("maxmemory", "0")

    # The database

    def _postgresql_restarted_at_once(self) -> None:
        assert self._own.postgres is not None
        os.kill(self._own.postgres.pid or 0, signal.SIGQUIT)
        self._own.postgres.await_end()
        self._some(0, 3)
        self._own.postgres.start()

    def _backends_ended(self) -> None:
        with psycopg.connect(self._world.stack.database_url, autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )

    def _answers_to_commits_lost(self) -> None:
        self._world.postgresql.trap("down", proxy.COMMITTED, cut, times=self._rng.randint(1, 5))
        self._some(1, 3)
        self._world.postgresql.clear()

    def _database_out_of_reach(self) -> None:
        self._world.postgresql.stop()
        self._some(1, 5)
        self._world.postgresql.start()

    # The storage

    def _storage_slow_down(self) -> None:
        self._world.storage.trap("up", FETCH, SLOW_DOWN, times=self._rng.randint(1, 6))
        self._world.storage.trap("up", ANY_PUT, SLOW_DOWN, times=self._rng.randint(1, 6))
        self._some(1, 3)
        self._world.storage.clear()

    def _storage_reset(self) -> None:
        self._world.storage.cut()

    def _storage_away(self) -> None:
        self._world.storage.stop()
        self._some(1, 5)
        self._world.storage.start()

    # The network

    def _everything_slow(self) -> None:
        for each in self._world.proxies:
            each.delay = 0.02
        self._some(1, 4)
        for each in self._world.proxies:
            each.delay = 0.0
