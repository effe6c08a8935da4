"""What we lean on in Granian, and the names of the loggers of other libraries."""

import logging
import socket
import sys
from typing import Any

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LOGGING_CONFIG
from granian.server.common import AbstractServer
from granian.server.mp import MPServer

from api.server.granian import LOG, Server
from models import log
from tests.internals.table import checks

PATIENCE_MILLISECONDS = 7000


def server() -> Any:
    settings = HTTP1Settings(header_read_timeout=PATIENCE_MILLISECONDS)
    return Server(
        "api.server.app_factory:app", address="127.0.0.1", port=0, interface=Interfaces.ASGI, http1_settings=settings
    )


@checks("socket")
def test_the_worker_of_a_server_is_given_the_socket_that_we_made() -> None:
    made = server()
    made._init_shared_socket()
    try:
        worker = made._spawn_worker(0, print, print)
        spec, holder = next(part for part in worker.inner._args if isinstance(part, tuple))[0]
        assert (spec, holder) == (None, made._shd)
        assert made._sso.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        if sys.platform == "linux":
            found = made._sso.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            assert found == PATIENCE_MILLISECONDS
    finally:
        made._drop_shared_socket()
    assert "_init_shared_socket" in AbstractServer.startup.__code__.co_names
    assert {"_shd", "_sfd", "_sso"} <= set(MPServer._init_shared_socket.__code__.co_names)


@checks("interrupt")
def test_a_signal_sets_what_the_server_waits_for_and_its_workers_have_a_process() -> None:
    made = server()
    assert not made.main_loop_interrupt.is_set()
    made.signal_handler_interrupt(15, None)
    assert made.main_loop_interrupt.is_set()
    assert "signal_handler_interrupt" in AbstractServer.startup.__code__.co_names
    made._sso = None
    worker = made._spawn_worker(0, print, print)
    assert (made.wrks, worker.is_alive(), worker.inner.pid) == ([], False, None)


@checks("loggers")
def test_the_loggers_that_we_make_quiet_are_those_of_the_libraries() -> None:
    import botocore.session  # noqa: F401
    import dramatiq  # noqa: F401
    import pika  # noqa: F401
    import psycopg_pool  # noqa: F401

    theirs: Any = LOGGING_CONFIG
    assert LOG.keys() <= theirs.keys()
    assert LOG["loggers"].keys() <= theirs["loggers"].keys()
    known = logging.getLogger().manager.loggerDict
    assert not [name for name in (*log.NOISY, log.NOISIEST) if not any(one.startswith(name) for one in known)]
