"""A way to a server that breaks off in the middle of an answer."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit


class Cutting:
    """Passes connections on to a server, and cuts each of the first ones after so many bytes of its answer."""

    def __init__(self, url: str, times: int, after: int) -> None:
        parts = urlsplit(url)
        self._to, self.left, self._after = (parts.hostname, parts.port), times, after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        cut, self.left = self.left > 0, self.left - 1
        with client, socket.create_connection(self._to) as server, suppress(OSError):
            threading.Thread(target=self._copy, args=(client, server), daemon=True).start()
            left = self._after if cut else 1 << 60
            while left > 0 and (data := server.recv(min(left, 65536))):
                client.sendall(data)
                left -= len(data)
            client.shutdown(socket.SHUT_RDWR)  # at once, though another thread waits for it

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)

    def close(self) -> None:
        self._listener.close()
