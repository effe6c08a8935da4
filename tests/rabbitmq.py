"""A RabbitMQ server of its own for tests, where one is installed: Debian's package ``rabbitmq-server``."""

import os
import subprocess
from functools import partial
from pathlib import Path

from ops.stack import ports
from ops.stack.processes import Command, Process

# Debian's command changes to a user of its own; this is what it starts.
SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
CONTROL = SERVER.with_name("rabbitmqctl")


class RabbitMQ(Process):
    """One node with its data under ``home``; not started yet."""

    def __init__(self, home: Path) -> None:
        port, other, names = ports.free(3)
        self.data = home / "data"
        self.url = f"amqp://guest:guest@{ports.HOST}:{port}/"
        self._hosts: list[str] = []
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "RABBITMQ_NODENAME": f"test{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": ports.HOST,
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(other),
            "RABBITMQ_MNESIA_BASE": str(self.data),
            "RABBITMQ_LOG_BASE": str(home / "logs"),
            "RABBITMQ_PLUGINS_EXPAND_DIR": str(home / "plugins"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "ERL_EPMD_ADDRESS": ports.HOST,
            "ERL_EPMD_PORT": str(names),
        }
        self._environment = environment
        self._names = {"PATH": os.environ["PATH"], "ERL_EPMD_PORT": str(names)}
        super().__init__(
            Command(
                name="rabbitmq",
                command=(str(SERVER),),
                environment=environment,
                log=home / "rabbitmq.log",
                ready=partial(ports.answers, port),
                patience=60,
            )
        )

    def start(self, within: float = 60) -> None:
        """Start it, with its virtual hosts, whatever has become of its data."""
        super().start(within)
        for host in self._hosts:
            self._add(host)

    def host(self) -> str:
        """The URL of a virtual host that nobody else uses."""
        name = f"host-{len(self._hosts)}"
        self._hosts.append(name)
        self._add(name)
        return f"{self.url}{name}"

    def _add(self, host: str) -> None:
        self.control("add_vhost", host)
        self.control("set_permissions", "-p", host, "guest", ".*", ".*", ".*")

    def stop(self) -> None:
        """Stop it, and Erlang's name server, which it has started and leaves behind."""
        super().stop()
        subprocess.run(["epmd", "-kill"], env=self._names, check=False, capture_output=True)

    def control(self, *command: str) -> None:
        """One command of its operator's."""
        subprocess.run([CONTROL, *command], env=self._environment, check=True, capture_output=True)
