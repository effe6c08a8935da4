"""How a process of ours begins to work, and how it ends: at once while it starts, in good order from then on.

Imports next to nothing: what it promises holds from the first moment on.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Final, Never

STOPS: Final = (signal.SIGTERM, signal.SIGINT)


def enter(module: str) -> int:
    """Import a module by its own name and run its ``main``; told to stop meanwhile, the process ends at once."""
    on_stop(lambda: leave(0))
    code: int = import_module(module).main()
    return code


def on_stop(act: Callable[[], object]) -> None:
    """From now on this is done where the process is told to stop; for the main thread."""
    for number in STOPS:
        signal.signal(number, lambda *_: act())


def leave(code: int) -> Never:
    """End now, whatever runs beside: threads that wait for a service, decoders, which die with their parent."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def leave_within(seconds: float) -> None:
    """End after so long, if some part of us has not come to its end by then: a supervisor's patience has one, too."""
    timer = threading.Timer(seconds, leave, [0])
    timer.daemon = True
    timer.start()
