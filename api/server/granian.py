"""The HTTP server: one process that watches, and one that answers."""

import os
import resource
import signal
import socket
import sys
from typing import Any, Final

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.net import SocketSpec  # type: ignore[attr-defined]  # the package forgets to export it
from granian.server.mp import MPServer

from api import shutdown
from models import process, termination
from models.process import NotStarted
from models.settings import Settings

# The server's own lines go where all others go, and look like them.
LOG: Final = {"formatters": {}, "handlers": {}, "loggers": {"_granian": {"handlers": [], "propagate": True}}}
PATIENCE_SECONDS: Final = 5  # what requests may take to end when we are told to stop
BACKLOG: Final = 4096  # connections that the kernel keeps until they are taken
CONNECTIONS: Final = 16_384  # open at once; beyond them nobody is served until one is closed
RESERVED: Final = 1024  # descriptors for all that is no connection of a client
TOLD_BY: Final = (*termination.STOPS, shutdown.SIGNAL)


class Server(MPServer):
    """Granian waits for open connections before it tells the application that it stops: streams are told first."""

    def signal_handler_interrupt(self, *args: Any, **named: Any) -> None:
        """Somebody wants us to stop."""
        for worker in self.wrks:
            if worker.is_alive():  # type: ignore[no-untyped-call]  # the package leaves it untyped
                os.kill(worker.inner.pid, shutdown.SIGNAL)
        super().signal_handler_interrupt(*args, **named)  # type: ignore[no-untyped-call]  # as above

    def _init_shared_socket(self) -> None:
        """Where the kernel can, listen here: connections inherit how long a client may leave what it is sent unread."""
        if sys.platform != "linux" or self.http1_settings is None:
            super()._init_shared_socket()  # type: ignore[no-untyped-call]  # as above
            return
        holder: Any = SocketSpec(self.bind_addr, self.bind_port, self.backlog).build()
        self._shd, self._sfd = holder, holder.get_fd()
        self._sso = socket.socket(fileno=self._sfd)
        self._sso.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self.http1_settings.header_read_timeout)
        self._sso.listen(self.backlog)
        self._sso.set_inheritable(True)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    HTTP/1 only: there the time for headers also counts while nothing is sent, so that a connection which stays silent
    is closed, before its first request and between two.
    """
    with process.starting():
        _try_port(settings)
    os.register_at_fork(before=_hold_signals, after_in_parent=_take_signals, after_in_child=_ready_to_leave)
    Server(
        "api.server.app_factory:app",
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


def _hold_signals() -> None:
    """What comes in the midst of a fork would be lost to the child."""
    signal.pthread_sigmask(signal.SIG_BLOCK, TOLD_BY)


def _take_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, TOLD_BY)


def _ready_to_leave() -> None:
    """The process that answers ends at once while it starts; what it inherits are the handlers of its parent."""
    for number in TOLD_BY:
        signal.signal(number, lambda *_: termination.leave(0))
    _take_signals()


def _try_port(settings: Settings) -> None:
    """Listen for a moment: the server itself would say in many lines that it cannot.

    Raises:
        NotStarted
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError as error:
        where, why = f"port {settings.port} of {settings.host}", error.strerror or error
        raise NotStarted(f"PORT: {where} is not to be had ({why}); set PORT to a free one") from None


def _connections() -> int:
    """How many may be open: as many as there are descriptors for, once we have asked for all that we may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    spare = CONNECTIONS if most == resource.RLIM_INFINITY else max(most - RESERVED, most // 2)
    return min(CONNECTIONS, spare)
