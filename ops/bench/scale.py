"""What a hundred times as many clips cost: ``python -m ops.bench.scale [COUNT]``, a million where none is given.

Two databases on one server, each behind an API of its own, asked by turns by one client.
"""

import http.client
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import quote

import msgspec
import psycopg

from migrations import upgrade
from models import dev_issuer
from ops.bench import rows
from ops.bench.api import ask
from ops.bench.load import Order
from ops.stack import ports
from ops.stack.services import Services
from ops.stack.system import System

FEW: Final = 10_000
PAGES: Final = 1_000
ROUNDS: Final = 5
SECONDS: Final = 2.0
BOUND: Final = 2.0
PAGE_BOUND: Final = 1.3
LIST: Final = "/api/v1/clips?limit=50"


@contextmanager
def api(services: Services, folder: Path, count: int) -> Iterator[System]:
    """An API on a database of its own with so many clips."""
    url = f"{services.environment['DATABASE_URL']}_{count}"
    owner = services.environment["MIGRATION_DATABASE_URL"]
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(f"create database episodes_{count}".encode())
    upgrade(f"{owner}_{count}", application_url=url)
    started = time.perf_counter()
    rows.load(f"{owner}_{count}", count)
    print(f"  {count:,} clips and their search documents loaded in {time.perf_counter() - started:.0f} s", flush=True)
    made = System(services.environment, folder, DATABASE_URL=url, METRICS_PORT="0")
    made.api.start()
    for paths in questions(count).values():
        get(made, paths[0])  # the tables come into memory, as they are where they are in use
    try:
        yield made
    finally:
        made.api.stop()


def request(made: System, path: str) -> bytes:
    """A GET as it is sent."""
    token = dev_issuer.sign(made.home, role="viewer", subject="bench")
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


def latency(made: System, paths: list[str], share: float) -> float:
    """Milliseconds within which this share of the answers came, asked one after the other."""
    order = Order(made.port, [request(made, path) for path in paths], SECONDS, connections=1)
    tally = ask(order, os.sched_getaffinity(0))
    if tally.failures:
        raise SystemExit(f"{tally.failures} of {tally.count} requests failed: {paths[0]}")
    return tally.milliseconds[int(tally.count * share)] if tally.count else SECONDS * 1000


def questions(count: int) -> dict[str, list[str]]:
    """What is asked of a database with so many clips."""
    some = [number * 7919 % count for number in range(100)]
    titles = [f"{colour} {thing}" for colour in rows.COLOURS for thing in rows.THINGS]
    return {
        "get": [f"/api/v1/clips/{rows.key(number)}" for number in some],
        "list": [LIST],
        "list, one filter": [f"{LIST}&status={status}" for status in ("approved", "used")],
        "list, three filters": [f"{LIST}&status=approved&quality=good&tag={tag}" for tag in rows.TAGS],
        "list, text": [f"{LIST}&q={rows.own_word(number)}" for number in some],
        "search, one clip": [f"/api/v1/search?q={rows.own_word(number)}" for number in some],
        "search, words of many": [f"/api/v1/search?q={quote(title)}" for title in titles],
        "search, a beginning": [f"/api/v1/search?q={title[:-2]}" for title in map(quote, titles)],
        "search, mistyped": [f"/api/v1/search?q={quote(title[1:])}" for title in titles],
        "search, without spaces": [
            f"/api/v1/search?q={quote(text)}" for text in ("连衣裙", "ファッション", "夏", "촬영")
        ],
    }


def compare(few: System, many: System, count: int) -> None:
    """Print the p95 of each question at both, and how many times as long the larger one takes."""
    asked_few, asked_many = questions(FEW), questions(count)
    print(f"p95 in ms: {FEW:,} clips, {count:,} clips (wanted: at most {BOUND} times)")
    for name in asked_few:
        turns = [(latency(few, asked_few[name], 0.95), latency(many, asked_many[name], 0.95)) for _ in range(ROUNDS)]
        first, second = (median(column) for column in zip(*turns, strict=True))
        print(f"  {name:22} {first:7.2f} {second:7.2f}   {second / first:5.2f} times", flush=True)


def get(made: System, path: str) -> Any:
    """The answer to one request."""
    connection = http.client.HTTPConnection(ports.HOST, made.port, timeout=60)
    token = dev_issuer.sign(made.home, role="viewer", subject="bench")
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse().read()
    connection.close()
    return msgspec.json.decode(answer)


def cursor_of_page(made: System, number: int) -> str:
    """Walk there as a client does."""
    cursor = ""
    for _ in range(number - 1):
        answer = get(made, LIST + (f"&cursor={cursor}" if cursor else ""))
        cursor = answer["metadata"]["pagination"]["nextCursor"]
    return cursor


def pages(made: System) -> None:
    """Print what the first page of a list costs, and one far behind."""
    cursor = cursor_of_page(made, PAGES)
    far = f"{LIST}&cursor={cursor}"
    turns = [(latency(made, [LIST], 0.5), latency(made, [far], 0.5)) for _ in range(ROUNDS)]
    first, second = (median(column) for column in zip(*turns, strict=True))
    print(f"page 1 and page {PAGES:,} of a list: {first:.2f} and {second:.2f} ms (p50),", end=" ")
    print(f"{second / first:.2f} times (wanted: at most {PAGE_BOUND})", flush=True)


def main() -> None:
    """Compare 10,000 clips with as many as the first argument says."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with (
        TemporaryDirectory(prefix="episodes-bench-") as folder,
        Services(Path(folder) / "services", {}) as services,
        api(services, Path(folder) / "few", FEW) as few,
        api(services, Path(folder) / "many", count) as many,
    ):
        compare(few, many, count)
        pages(many)


if __name__ == "__main__":
    main()
