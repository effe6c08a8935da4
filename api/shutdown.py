"""How a process that answers learns that the server stops: before the server waits for open streams to end.

Apart from what it ends, because the process that watches needs the signal and nothing else.
"""

import signal
import threading
from typing import Final

SIGNAL: Final = signal.SIGUSR1
TOLD: Final = threading.Event()


def listen() -> None:
    """From the signal on ``TOLD`` is set; for a process's main thread."""
    signal.signal(SIGNAL, lambda *_: TOLD.set())
