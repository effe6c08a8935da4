"""API, worker and dispatcher as three processes in one environment, each to be started and killed alone.

What ``make run`` supervises, taken apart: for benchmarks and tests.
"""

import http.client
import os
import sys
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from models.build import PROJECT
from ops.stack import ports
from ops.stack.processes import Command, Process


class System:
    """The three programs over services that run already; nothing is started yet.

    ``settings`` are variables of their environment, over ``services``, over this process's own.
    """

    def __init__(self, services: Mapping[str, str], home: Path, **settings: str) -> None:
        self.port, self.metrics_port = ports.free(2)
        self.home = home
        self.url = f"http://{ports.HOST}:{self.port}"
        self.metrics_url = f"http://{ports.HOST}:{self.metrics_port}/metrics"
        self.environ: dict[str, str] = {
            **os.environ,
            **services,
            "EPISODES_HOME": str(home),
            "PYTHONPATH": str(PROJECT),
            "EPISODES_URL": self.url,
            "PORT": str(self.port),
            "METRICS_PORT": str(self.metrics_port),
            "APP_ENV": "development",
            "EPISODES_DOTENV": "",
            **settings,
        }
        self.api = self.child("api")
        self.worker = self.child("pipeline.worker")
        self.dispatcher = self.child("pipeline.dispatcher", METRICS_PORT="0")

    def start(self) -> None:
        """Start all three and wait until the API is ready."""
        for child in (self.api, self.worker, self.dispatcher):
            child.spawn()
        self.api.await_ready()

    def stop(self) -> None:
        for child in (self.dispatcher, self.worker, self.api):
            child.ask_to_stop()
        for child in (self.dispatcher, self.worker, self.api):
            child.await_end()

    def log(self, name: str) -> str:
        """What a program has written so far."""
        return (self.home / "logs" / f"{name}.log").read_text()

    def child(self, module: str, **environ: str) -> Process:
        """One more process of a program; not started."""
        name = module.rpartition(".")[2]
        program = Command(
            name=name,
            command=(sys.executable, "-m", module),
            environment={**self.environ, "MIGRATION_DATABASE_URL": "", **environ},
            log=self.home / "logs" / f"{name}.log",
            ready=self._ready if name == "api" else lambda: True,
            patience=15,
        )
        return Process(program)

    def _ready(self) -> bool:
        connection = http.client.HTTPConnection(ports.HOST, self.port, timeout=10)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
