"""From POST to the start of the first stage, on an idle system: ``python -m ops.bench.latency``."""

import os
import time
from statistics import median

from ops.bench.system import Sender, system
from ops.bench.thumbnails import photos

JOBS = 30
BOUND_MILLISECONDS = 200


def main() -> None:
    """Post one job at a time and print how long each waited."""
    (path,) = photos(1)
    with system(os.sched_getaffinity(0), METRICS_PORT="0") as made:
        sender = Sender(made)
        made.worker.spawn()
        for _ in range(JOBS + 1):
            sender.post([sender.order(path)])
            while sender.ask("select 1 from ingest_jobs where status in ('queued', 'running') limit 1"):
                time.sleep(0.05)
        waits = sender.ask(
            "select extract(epoch from started_at - created_at)::float8 * 1000"
            " from ingest_jobs order by job_id offset 1"
        )
    found = sorted(wait for (wait,) in waits)
    print(f"from POST to the first stage, {JOBS} jobs one by one (promised: {BOUND_MILLISECONDS} ms)")
    print(f"  median {median(found):.0f} ms, longest {found[-1]:.0f} ms", flush=True)


if __name__ == "__main__":
    main()
