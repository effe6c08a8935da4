"""Procrastinate with a task that does nothing: ``python -m ops.bench.procrastinate_peer JOBS CONCURRENCY``.

Prints the jobs a second that one worker does of those that wait in the database of ``DATABASE_URL``.
"""

import asyncio
import os
import sys
import time

from procrastinate import App, PsycopgConnector
from procrastinate.types import JSONValue

app = App(connector=PsycopgConnector(conninfo=os.environ["DATABASE_URL"]))


@app.task(name="nothing")
async def nothing(number: int) -> None:
    """Do nothing."""


async def main(jobs: int, concurrency: int) -> float:
    """Jobs a second."""
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        numbers: list[dict[str, JSONValue]] = [{"number": number} for number in range(jobs)]
        await nothing.batch_defer_async(*numbers)
        started = time.perf_counter()
        await app.run_worker_async(concurrency=concurrency, wait=False, install_signal_handlers=False)
        return jobs / (time.perf_counter() - started)


if __name__ == "__main__":
    print(asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]))))
