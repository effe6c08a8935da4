"""How fast the dispatcher writes and compares search documents: ``python -m ops.bench.reindex [COUNT]``, else 100,000.

As ``episodes reindex`` has it done, with the API running beside.
"""

import os
import sys
import time
from typing import Any, Final

import httpx2
import psycopg

from models import dev_issuer
from ops.bench import rows
from ops.bench.system import system
from ops.stack.system import System

COUNT: Final = 100_000
BOUND: Final = 3_000
PATH: Final = "/api/v1/search/reindex"


def reindex(made: System) -> tuple[dict[str, Any], float]:
    """Ask for it and wait; what it did, and its seconds."""
    token = dev_issuer.sign(made.home, role="admin", subject="bench")
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=made.url, headers=headers, timeout=60, trust_env=False) as client:
        started = time.perf_counter()
        walk = client.post(PATH).raise_for_status().json()["data"]
        while walk["finished_at"] is None:
            time.sleep(0.1)
            walk = client.get(PATH).raise_for_status().json()["data"]
        return walk, time.perf_counter() - started


def report(name: str, made: System) -> None:
    """One reindex, and its rate."""
    walk, seconds = reindex(made)
    wrong = walk["missing"] + walk["stale"]
    print(f"  {name:30} {walk['done'] / seconds:6.0f} documents/s, {wrong:,} written in {seconds:.0f} s", flush=True)


def main() -> None:
    """Reindex where there is nothing, where nothing has changed, and where all has."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    with system(os.sched_getaffinity(0), METRICS_PORT="0") as made:
        url = made.environ["MIGRATION_DATABASE_URL"]
        rows.load(url, count)
        print(f"reindexing {count:,} documents (wanted: {BOUND:,} documents/s)")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("truncate search_documents, search_words, search_languages")
            report("none of them there", made)
            report("all as they should be", made)
            connection.execute("update clips set title = 'New ' || title")
            report("all with a new title", made)


if __name__ == "__main__":
    main()
