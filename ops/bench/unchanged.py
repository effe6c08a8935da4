"""Reads of a client that has the answer against those of one that has not: ``python -m ops.bench.unchanged``.

The same server, the same rows; by turns with and without ``If-None-Match``.
"""

import os
from typing import Final

import httpx2

from models import dev_issuer
from ops.bench import rows
from ops.bench.api import CLIPS, GET, ROUNDS, WARM_SECONDS, Score, turn
from ops.bench.load import CONNECTIONS, Order
from ops.bench.system import on, system
from ops.stack.system import System

SECONDS: Final = 3.0
TARGET: Final = 1.5
LISTS: Final = ["/api/v1/clips?limit=50"]


def requests(made: System, paths: list[str], *, conditional: bool) -> list[bytes]:
    """A read of each path; with the tag that its answer has now, where it is ``conditional``."""
    token = dev_issuer.sign(made.home, role="editor", subject="bench")
    head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    asked = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=made.url, headers=asked, trust_env=False) as client:
        tags = [client.get(path).headers["ETag"] for path in paths] if conditional else [""] * len(paths)
    return [
        f"GET {path} HTTP/1.1\r\n{head}{f'If-None-Match: {tag}' + chr(13) + chr(10) if tag else ''}\r\n".encode()
        for path, tag in zip(paths, tags, strict=True)
    ]


def measure(made: System, name: str, paths: list[str], others: set[int]) -> float:
    """How many times as many reads a second are answered with a 304."""
    orders = {
        kind: Order(made.port, requests(made, paths, conditional=kind == "304"), SECONDS) for kind in ("200", "304")
    }
    scores = {kind: Score(tallies=[], busiest=[]) for kind in orders}
    for order in orders.values():
        turn(made.api, Score(tallies=[], busiest=[]), Order(order.port, order.requests, WARM_SECONDS), others)
    for _ in range(ROUNDS):
        for kind, order in orders.items():
            turn(made.api, scores[kind], order, others)
    ratio = scores["304"].rate / scores["200"].rate
    told = ", ".join(f"{score.rate:,.0f} a second as {kind}" for kind, score in scores.items())
    print(f"{name}: {told}: {ratio:.2f} times as many (wanted: {TARGET})", flush=True)
    return ratio


def main() -> int:
    """1 where a read is not answered often enough."""
    processors = os.sched_getaffinity(0)
    own = {max(processors)}
    others = processors - own or own
    with system(others, METRICS_PORT="0", LOG_LEVEL="INFO", DATABASE_POOL_MAX=str(CONNECTIONS)) as made:
        made.dispatcher.stop()
        made.api.stop()
        with on(own):
            made.api.start()
        rows.load(made.environ["MIGRATION_DATABASE_URL"], CLIPS)
        ratios = [measure(made, "get one", GET, others), measure(made, "list of 50", LISTS, others)]
    return int(min(ratios) < TARGET)


if __name__ == "__main__":
    raise SystemExit(main())
