"""How much memory a worker needs for a video of 2 GB: ``python -m ops.bench.memory``."""

import os
import re
import struct
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from ops.bench.system import Sender, system
from ops.seed import drawing

GIB = 1 << 30
BOUND_MIB = 300


def large_video(folder: Path) -> Path:
    """A short video made 2 GiB long by a box that players skip; its bytes are holes on the disk."""
    (path,) = drawing.videos(folder, 1, 7)
    padding = 2 * GIB
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        file.write(struct.pack(">I4sQ", 1, b"free", padding))
        file.truncate(end + padding)
    return path


def peak_mib(pid: int) -> float:
    """The most memory a process has had in the RAM, its decoders not counted."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    """Ingest the video and print the peaks of the worker and of each decoder."""
    with TemporaryDirectory() as folder, system(os.sched_getaffinity(0), METRICS_PORT="0") as made:
        sender = Sender(made)
        order = sender.order(large_video(Path(folder)))
        made.worker.spawn()
        time.sleep(3)
        sender.post([order])
        while sender.ask("select 1 from ingest_jobs where status in ('queued', 'running')"):
            time.sleep(0.1)
        ((outcome, seconds),) = sender.ask(
            "select outcome, extract(epoch from finished_at - started_at)::float8 from ingest_jobs"
        )
        worker = made.worker.pid or 0
        decoders = [pid for task in Path(f"/proc/{worker}/task").glob("*/children") for pid in task.read_text().split()]
        print(f"a video of 2 GiB: {outcome} in {seconds:.1f} s (promised: a worker under {BOUND_MIB} MiB)")
        print(f"  worker process    {peak_mib(worker):6.0f} MiB at its peak")
        print(f"  largest decoder   {max((peak_mib(int(pid)) for pid in decoders), default=0):6.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
