"""The HTTP server: one process that watches, and one that answers."""

import os
import resource
import signal
import socket
from typing import Any, Final

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from api import stopping
from models import process, program
from models.program import NotStarted
from models.settings import Settings

# The server's own lines go where all others go, and look like them.
LOG: Final = {"formatters": {}, "handlers": {}, "loggers": {"_granian": {"handlers": [], "propagate": True}}}
PATIENCE_SECONDS: Final = 5  # what requests may take to end when we are told to stop
BACKLOG: Final = 4096  # connections that the kernel keeps until they are taken
CONNECTIONS: Final = 16_384  # open at once; beyond them nobody is served until one is closed
RESERVED: Final = 1024  # descriptors for all that is no connection of a client


class Server(MPServer):
    """Granian waits for open connections before it tells the application that it stops: streams are told first."""

    def signal_handler_interrupt(self, *args: Any, **named: Any) -> None:
        """Somebody wants us to stop."""
        for worker in self.wrks:
            if worker.is_alive():  # type: ignore[no-untyped-call]  # the package leaves it untyped
                os.kill(worker.inner.pid, stopping.SIGNAL)
        super().signal_handler_interrupt(*args, **named)  # type: ignore[no-untyped-call]  # as above


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    HTTP/1 only: there the time for headers also counts while nothing is sent, so that a connection which stays silent
    is closed, before its first request and between two.
    """
    with program.starting():
        _try_port(settings)
    os.register_at_fork(after_in_child=_ready_to_leave)
    Server(
        "api.serve:app",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        websockets=False,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=settings.idle_seconds * 1000),
        backlog=BACKLOG,
        backpressure=_connections(),
        log_level=LogLevels(settings.log_level.lower()),
        log_dictconfig=LOG,
        log_access=False,
        workers_kill_timeout=PATIENCE_SECONDS,
    ).serve()


def _ready_to_leave() -> None:
    """The process that answers ends at once while it starts: it inherits a handler that waits for children."""
    for number in (*process.STOPS, stopping.SIGNAL):
        signal.signal(number, lambda *_: process.leave(0))


def _try_port(settings: Settings) -> None:
    """Listen for a moment: the server itself would say in many lines that it cannot.

    Raises:
        NotStarted
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError as error:
        where, why = f"port {settings.port} of {settings.host}", os.strerror(error.errno or 0)
        raise NotStarted(f"PORT: {where} is not to be had ({why}); set PORT to a free one") from None


def _connections() -> int:
    """How many may be open: as many as there are descriptors for, once we have asked for all that we may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    spare = CONNECTIONS if most == resource.RLIM_INFINITY else max(most - RESERVED, most // 2)
    return min(CONNECTIONS, spare)
