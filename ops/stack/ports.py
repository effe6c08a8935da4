"""Ports on the loopback interface."""

import itertools
import os
import random
import re
import socket
from contextlib import ExitStack
from typing import Final

from models.settings import SettingsError

HOST: Final = "127.0.0.1"
# Below the ports that outgoing connections take, so that a restarted service finds its own free again.
DEFAULT: Final = "20000-31999"


def reached(host: str) -> str:
    """Where, as part of a URL, a server answers this machine that listens on a host."""
    if host in ("0.0.0.0", ""):  # noqa: S104  (we only read it)
        return HOST
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host


def is_free(port: int, host: str = HOST) -> bool:
    """Whether a server could listen on the port now."""
    with ExitStack() as stack:
        return _take(port, stack, host)


def free(count: int) -> list[int]:
    """As many different free ports of ``EPISODES_PORTS``.

    Raises:
        SettingsError: when that is no range.
    """
    among = _among(os.environ.get("EPISODES_PORTS", DEFAULT))
    candidates = random.sample(among, len(among))
    with ExitStack() as stack:
        return list(itertools.islice((port for port in candidates if _take(port, stack)), count))


def answers(port: int, host: str = HOST, within: float = 0.5) -> bool:
    """Whether something accepts connections there, asked for at most that many seconds."""
    try:
        socket.create_connection((host, port), timeout=within).close()
    except OSError:
        return False
    return True


def _among(text: str) -> range:
    if found := re.fullmatch(r"(\d{1,5})-(\d{1,5})", text):
        return range(int(found[1]), int(found[2]) + 1)
    raise SettingsError(f"EPISODES_PORTS: {text} is not the first and the last of some ports, as {DEFAULT} is")


def _take(port: int, stack: ExitStack, host: str = HOST) -> bool:
    """Hold a port until the stack is closed."""
    server = stack.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((host, port))
    except OSError:
        return False
    return True
