"""How much memory a dispatcher and a worker need at rest, and a worker for a video of 2 GB.

``python -m ops.bench.memory``, as root: the programs conceal their memory from their own user.
"""

import os
import re
import struct
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from ops.bench.system import Sender, system
from ops.seed import drawing
from ops.stack.system import System

GIB = 1 << 30
BOUND_MIB = 300
RESTED_SECONDS = 15


def large_video(folder: Path) -> Path:
    """A short video made 2 GiB long by a box that players skip; its bytes are holes on the disk."""
    path = drawing.videos(folder, [0], 7)[0]
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


def resting_mib(pid: int) -> tuple[float, float]:
    """What a process has in the RAM: all of it, and with each page that it shares counted as its part (PSS)."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    rss, pss = (int(kib) / 1024 for kib in re.findall(r"^(?:Rss|Pss):\s+(\d+) kB", rollup, re.MULTILINE))
    return rss, pss


def print_resting(made: System) -> None:
    """What the dispatcher, the worker and its decoders have before the first job."""
    programs = {"dispatcher": made.dispatcher.pid, "worker": made.worker.pid, "a decoder": decoders(made)[0]}
    print("at rest, in MiB: all, and with shared pages in parts")
    for name, pid in programs.items():
        rss, pss = resting_mib(pid or 0)
        print(f"  {name:16} {rss:6.1f} {pss:6.1f}", flush=True)


def decoders(made: System) -> list[int]:
    """The worker's children."""
    tasks = Path(f"/proc/{made.worker.pid}/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


def main() -> None:
    """Print what is needed at rest, ingest the video, print the peaks of the worker and of each decoder."""
    with TemporaryDirectory() as folder, system(os.sched_getaffinity(0), METRICS_PORT="0") as made:
        sender = Sender(made)
        order = sender.order(large_video(Path(folder)))
        made.worker.spawn()
        time.sleep(RESTED_SECONDS)
        print_resting(made)
        sender.post([order])
        while sender.ask("select 1 from ingest_jobs where status in ('queued', 'running')"):
            time.sleep(0.1)
        ((outcome, seconds),) = sender.ask(
            "select outcome, extract(epoch from finished_at - started_at)::float8 from ingest_jobs"
        )
        print(f"a video of 2 GiB: {outcome} in {seconds:.1f} s (promised: a worker under {BOUND_MIB} MiB)")
        print(f"  worker process    {peak_mib(made.worker.pid or 0):6.0f} MiB at its peak")
        print(f"  largest decoder   {max(map(peak_mib, decoders(made)), default=0):6.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
