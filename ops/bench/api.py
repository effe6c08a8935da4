"""Requests a second of the API against the stack it replaces: ``python -m ops.bench.api [SECONDS]``.

One process each, on a processor of its own; the same database, rows, token and questions; the database and the clients
share the other processors. Both are asked by turns. On a machine that others use too, the processor time a request
costs the server says more than the clock.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from models import dev_issuer
from ops.bench import express, rows
from ops.bench.load import CONNECTIONS, Order, Tally
from ops.bench.system import on, system
from ops.stack.processes import Process
from ops.stack.system import System

CLIPS: Final = 10_000
ROUNDS: Final = 5
WARM_SECONDS: Final = 2.0
GET: Final = [f"/api/v1/clips/{rows.key(number * 97 % CLIPS)}" for number in range(200)]
BODY: Final = msgspec.json.encode(
    {
        "title": "Red coat, take 3",
        "description": "On the roof, before the rain",
        "talent_source": "Lala",
        "quality": "good",
        "status": "approved",
        "tags": ["rain", "roof"],
        "metadata": {"camera": "A", "reel": 7},
    }
)


class Question(msgspec.Struct):
    """What is asked, as raw requests, and how many times as fast as the peer we mean to answer it."""

    name: str
    requests: list[bytes]
    wanted: float


class Score(msgspec.Struct):
    """What one server did in all its turns."""

    tallies: list[Tally] = []
    cpu: float = 0.0  # seconds of the server
    busiest: list[float] = []  # share of its processor it used, each turn

    @property
    def rate(self) -> float:
        """Requests a second in the median turn."""
        return median(tally.count / tally.seconds for tally in self.tallies)

    @property
    def cost(self) -> float:
        """Microseconds of the server's processor a request."""
        return self.cpu / sum(tally.count for tally in self.tallies) * 1e6

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share of the answers came, in the median turn."""
        return median(tally.milliseconds[int(len(tally.milliseconds) * share)] for tally in self.tallies)


def questions(token: str) -> list[Question]:
    """One row, a list of 50 with its total, and a new row."""
    head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    reads = [f"GET {path} HTTP/1.1\r\n{head}\r\n".encode() for path in GET]
    listing = f"GET /api/v1/clips?limit=50 HTTP/1.1\r\n{head}\r\n".encode()
    sent = f"{head}Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    create = f"POST /api/v1/clips HTTP/1.1\r\n{sent}".encode() + BODY
    return [Question("get one", reads, 2.0), Question("list of 50", [listing], 2.0), Question("create", [create], 1.5)]


def ask(order: Order, processors: set[int]) -> Tally:
    """Run the clients as a process of their own."""
    with on(processors):
        command = [sys.executable, "-m", "ops.bench.load"]
        done = subprocess.run(command, input=msgspec.json.encode(order), stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Tally)


def cpu_seconds(server: Process) -> float:
    """Processor time of a server and the processes it started, so far."""
    ticks = sum(sum(map(int, _stat(pid)[11:13])) for pid in _family(server.pid or 0))
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """The fields of a process from its state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()


def _family(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            yield from _family(int(child))


def turn(server: Process, score: Score, order: Order, processors: set[int]) -> None:
    """One turn of a server, added to its score."""
    before = cpu_seconds(server)
    tally = ask(order, processors)
    if tally.failures:
        raise SystemExit(f"{server.program.name}: {tally.failures} of {tally.count} requests failed")
    used = cpu_seconds(server) - before
    score.cpu += used
    score.busiest.append(used / tally.seconds)
    score.tallies.append(tally)


Servers = dict[str, tuple[Process, int]]


def measure(question: Question, servers: Servers, seconds: float, others: set[int]) -> dict[str, Score]:
    scores = {name: Score() for name in servers}
    for server, port in servers.values():
        turn(server, Score(), Order(port, question.requests, WARM_SECONDS), others)
    for _ in range(ROUNDS):
        for name, (server, port) in servers.items():
            turn(server, scores[name], Order(port, question.requests, seconds), others)
    return scores


def report(question: Question, scores: dict[str, Score]) -> None:
    """Print each server's score, and how many times as fast the first is as the second."""
    print(f"{question.name} (wanted: {question.wanted} times as fast, p99 no worse)")
    for name, score in scores.items():
        print(
            f"  {name:8} {score.rate:7.0f} requests/s  p50 {score.percentile(0.5):5.1f} ms  p99"
            f" {score.percentile(0.99):5.1f} ms  {score.cost:5.0f} us of its processor a request,"
            f" {median(score.busiest):4.0%} busy"
        )
    ours, theirs = scores.values()
    print(f"  {ours.rate / theirs.rate:.2f} times as fast, {theirs.cost / ours.cost:.2f} by processor time", flush=True)


@contextmanager
def servers(made: System, own: set[int]) -> Iterator[Servers]:
    """Ours and the peer, on one processor; there are no dispatcher and no workers, which run beside either."""
    made.dispatcher.stop()
    made.api.stop()
    peer, port = express.server(made)
    with on(own):
        made.api.start()
        peer.start()
    try:
        yield {"Episodes": (made.api, made.port), "Express": (peer, port)}
    finally:
        peer.stop()


def main() -> None:
    """Ask each question for as many seconds a turn as the first argument says, 4 by default."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    if not express.installed():
        raise SystemExit("the API is measured against Express, which needs Node and npm")
    processors = os.sched_getaffinity(0)
    own = {max(processors)}
    others = processors - own or own
    with (
        system(others, METRICS_PORT="0", LOG_LEVEL="INFO", DATABASE_POOL_MAX=str(CONNECTIONS)) as made,
        servers(made, own) as both,
    ):
        rows.load(made.environ["MIGRATION_DATABASE_URL"], CLIPS)
        token = dev_issuer.sign(made.home, role="editor", subject="bench")
        print(f"{CLIPS:,} clips, {CONNECTIONS} connections, {ROUNDS} turns of {seconds:.0f} s each")
        for question in questions(token):
            report(question, measure(question, both, seconds, others))


if __name__ == "__main__":
    main()
