"""``make soak``: thousands of files while faults are dealt; what was lost, doubled, stuck, and what it cost.

``python -m tests.soak --files 10000 --seed 0 --report ops/docs/soak.md``: a seed of 0 is a new one.
"""

import argparse
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

import psycopg

from ops.stack.services import Services
from tests.chaos.ledger import Sent
from tests.chaos.world import World
from tests.key_server import key_server
from tests.soak.faults import Faults
from tests.soak.files import File, files
from tests.soak.ground import Ground
from tests.soak.keys import KeyedStack, Keys
from tests.soak.report import Figures, Sample, growth, percentiles, sample, steady, written
from tests.soak.sender import Sender

BATCH: Final = 25
SENDERS: Final = 2
LEASE_SECONDS: Final = "3"
# What an operator starts again, where nothing is wrong with the file: the last one tells of wrong bytes, too.
OURS: Final = frozenset({"STORAGE_UNAVAILABLE", "TIMEOUT", "DECODER_KILLED", "INTERNAL", "HASH_MISMATCH"})
STANDSTILL: Final = 300.0  # seconds without an end after which it is called off
LOOK_SECONDS: Final = 1.0
ENDED: Final = "select count(*) from ingest_jobs where finished_at is not null and kind = 'ingest'"
# From the moment a lease was given back until its stage ended.
AGAIN: Final = """
    select extract(epoch from (select min(next.finished_at) from ingest_attempts as next
        where next.job_id = lost.job_id and next.stage = lost.stage and next.fence > lost.fence
          and next.result <> 'lost') - lost.finished_at)::float8
    from ingest_attempts as lost where lost.result = 'lost'
"""


def main() -> int:
    """Soak; 0 where nothing was lost, doubled, stuck or wrong."""
    asked = _arguments()
    seed = asked.seed or random.SystemRandom().randrange(1, 2**31)
    print(f"{asked.files:,} files, seed {seed} (again: make soak SOAK_SEED={seed})", flush=True)
    with tempfile.TemporaryDirectory(prefix="episodes-soak-") as folder:
        figures = soak(Path(folder), asked.files, seed)
    text = written(figures)
    print(text)
    if asked.report:
        asked.report.write_text(text + "\n")
    return int(
        not (figures.verdict.holds and figures.verdict.jobs == asked.files + figures.beside and steady(figures.growth))
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path)
    return parser.parse_args()


def soak(home: Path, count: int, seed: int) -> Figures:
    """Send, break, wait, start again what failed by our fault, and hold the ledger against all of it."""
    rng, began = Random(seed), time.monotonic()
    with _ground(home, Random(rng.randrange(2**31))) as ground:
        world, faults, sending = ground.world, Faults(ground, count), _Sending(ground.world, list(files(rng, count)))
        sending.start()
        faults.start()
        samples = list(_watch(world, faults, sending, count))
        faults.stop()
        beside = len(world.sent)
        world.sent += sending.sent
        retried = _start_again(world)
        return Figures(
            day=datetime.now(UTC).date(),
            seed=seed,
            files=count,
            beside=beside,
            minutes=(time.monotonic() - began) / 60,
            dealt=dict(faults.dealt),
            repeats=sending.repeats,
            retried=retried,
            recovery=percentiles([seconds for (seconds,) in world.stack.sql(AGAIN)]),
            growth=growth(samples),
            verdict=world.verdict(),
        )


@contextmanager
def _ground(home: Path, rng: Random) -> Iterator[Ground]:
    """Two workers behind proxies, an API, a dispatcher, and services and an issuer of their own."""
    with Services(home / "own", {}) as own, key_server({"keys": []}) as server:
        keys = Keys(server)
        stack = KeyedStack(own.environment, home, keys, LEASE_SECONDS=LEASE_SECONDS, LOG_LEVEL="WARNING")
        world = World(stack)
        try:
            world.start()
            for _ in range(2):
                world.worker("tests.soak.worker")
            yield Ground(world, own, keys, rng)
        finally:
            world.stop()


class _Sending:
    """Clients that share the files."""

    def __init__(self, world: World, waiting: list[File]) -> None:
        self.sent: list[Sent] = []
        self._batches = [waiting[start : start + BATCH] for start in range(0, len(waiting), BATCH)]
        self._senders = [Sender(world) for _ in range(SENDERS)]
        self.error: Exception | None = None

    @property
    def repeats(self) -> int:
        """Requests that had to be made again."""
        return sum(sender.repeats for sender in self._senders)

    def start(self) -> None:
        """Begin."""
        for sender in self._senders:
            threading.Thread(target=self._send, args=(sender,), daemon=True).start()

    def _send(self, sender: Sender) -> None:
        try:
            while self._batches:
                self.sent += sender.send(self._batches.pop(0))
        except Exception as error:  # told by ``check``, in the thread that asks for it
            self.error = error

    def check(self) -> None:
        """Raise what kept a client from sending all."""
        if self.error:
            raise self.error


def _watch(world: World, faults: Faults, sending: _Sending, count: int) -> Iterator[Sample]:
    """Until all have ended; from the half on, what the programs use that live to the end."""
    ended, moved = 0, time.monotonic()
    while ended < count + len(world.sent):  # those are of faults that bring a file of their own
        time.sleep(LOOK_SECONDS)  # a look at the whole ledger is work for it, too
        sending.check()
        faults.check()
        now = _ended(world)
        ended, moved = (now, time.monotonic()) if now > ended else (ended, moved)
        if time.monotonic() - moved > STANDSTILL:
            print(f"nothing has ended for {STANDSTILL:.0f} s; {count - ended} have not")
            return
        if ended >= count / 2:
            faults.spare()
            yield sample(world)


def _ended(world: World) -> int:
    try:
        ((ended,),) = world.stack.sql(ENDED)
    except psycopg.OperationalError:  # it is away: that is one of the faults
        return 0
    return int(ended)


def _start_again(world: World) -> int:
    """As an operator does, once all is well: jobs that failed by our fault; how many there were."""
    ends = {one.job_id: one.ends for one in world.sent}
    failed = world.stack.sql("select job_id::text, error_code from ingest_jobs where status = 'failed'")
    ours = [job_id for job_id, code in failed if code in OURS - ends[job_id]]
    with world.stack.client() as client:
        for job_id in ours:
            client.post(f"/api/v1/ingest/{job_id}/retry").raise_for_status()
    world.settle(STANDSTILL)
    return len(ours)


if __name__ == "__main__":
    raise SystemExit(main())
