"""Photos a second through the whole pipeline, against the bare thumbnail function on the same files and processors.

``python -m ops.bench.pipeline [COUNT]``. Twice: once the worker has a processor of its own and the services have the
others, as they have where they run on other machines; once everything shares all processors of this one.
"""

import os
import sys
import time
from pathlib import Path
from statistics import median

from ops.bench.system import Sender, on, system
from ops.bench.thumbnails import bare, photos

QUIET_SECONDS = 2.0  # for the processes of the pipeline to have started


def pipeline(paths: list[Path], worker: set[int], others: set[int]) -> float:
    """Photos a second from the first job's start to the last one's end, all queued beforehand."""
    with system(others, DECODERS=str(len(worker)), METRICS_PORT="0") as made:
        sender = Sender(made)
        orders = [sender.order(path) for path in paths]
        with on(worker):
            made.worker.spawn()
        time.sleep(QUIET_SECONDS)
        sender.post(orders)
        while sender.ask("select 1 from ingest_jobs where status in ('queued', 'running') limit 1"):
            time.sleep(0.1)
        ((seconds, failed),) = sender.ask(
            "select extract(epoch from max(finished_at) - min(started_at))::float8,"
            " count(*) filter (where status <> 'succeeded') from ingest_jobs"
        )
    if failed:
        raise SystemExit(f"{failed} jobs did not succeed")
    return len(paths) / float(seconds)


def compare(title: str, paths: list[Path], worker: set[int], others: set[int]) -> float:
    """Measure and print both, the bare function before and after; the ratio."""
    before = _bare(paths, worker)
    through = pipeline(paths, worker, others)
    alone = median((before, _bare(paths, worker)))
    print(f"{len(paths)} photos of 2-12 megapixels, {title}")
    print(f"  bare thumbnail function   {alone:6.1f} photos/s on {len(worker)} processors")
    print(f"  whole pipeline            {through:6.1f} photos/s")
    print(f"  ratio                     {through / alone:6.2f}", flush=True)
    return through / alone


def _bare(paths: list[Path], processors: set[int]) -> float:
    with on(processors):
        return bare(paths, len(processors))


def main() -> None:
    """Compare on as many photos as the first argument says, 200 by default."""
    paths = photos(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
    processors = os.sched_getaffinity(0)
    if len(processors) > 1:
        own = {max(processors)}
        compare("the worker on a processor of its own", paths, own, processors - own)
    compare("everything on the same processors", paths, processors, processors)


if __name__ == "__main__":
    main()
