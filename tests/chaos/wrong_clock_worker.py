"""A worker whose wall clock is wrong by ``CLOCK_OFF_SECONDS``; nobody else's is.

The clock is bent in Python: ``time.time``, and the time of day that signatures are made with, which is all that our
code reads. What libraries in C read stays right: under Debian's libfaketime CPython 3.11 cannot sleep.
"""

import os
import time
from datetime import datetime, timedelta, tzinfo

OFF = timedelta(seconds=float(os.environ.get("CLOCK_OFF_SECONDS", "0")))
RIGHT = time.time


class Wrong(datetime):
    """A time of day that is off."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "Wrong":
        """Not now."""
        return super().now(tz) + OFF


def bend() -> None:
    """Before anything of the worker's is imported."""
    vars(time)["time"] = lambda: RIGHT() + OFF.total_seconds()
    from models.media import s3_signing

    vars(s3_signing)["datetime"] = Wrong


if __name__ == "__main__":
    bend()
    from pipeline import worker

    raise SystemExit(worker.main())
