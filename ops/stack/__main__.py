"""Everything on one machine: ``make run`` (``python -m ops.stack``).

Starts the services, migrates, starts the programs, fills an empty home with samples, and then watches: what dies is
started again, and Ctrl-C, SIGTERM or a closed terminal stop all of it in good order.
"""

import http.client
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Never

import msgspec
from rich.console import Console

from models import process_privacy
from models.settings import Settings, SettingsError, complete, load
from ops.stack import home as homes
from ops.stack import launch, logs, ports, users
from ops.stack.processes import Command, Process, StartFailed, User
from ops.stack.services import Services
from ops.stack.welcome import welcome

PLACEHOLDERS: Final = {"DATABASE_URL": "postgresql://:generated@embedded", "REDIS_URL": "redis://:generated@embedded"}
OWNERS_URL: Final = "MIGRATION_DATABASE_URL"  # only the migrations see it
LARGEST_PORT: Final = 65535
API_PATIENCE: Final = 60.0  # seconds until a started API has to be ready
TRIM_EVERY: Final = 30.0  # seconds between two looks at the size of the logs


@dataclass(frozen=True)
class Program:
    """A part of Episodes: a Python module, what its environment has beside everybody's, how long it may take to end."""

    module: str
    environment: Mapping[str, str] = field(default_factory=dict)
    patience: float = 4.0  # seconds

    @property
    def name(self) -> str:
        """Its name in messages and among the logs."""
        return self.module.rpartition(".")[2]


@dataclass(frozen=True)
class Plan:
    """What a stack consists of; ``programs`` are in the order of stopping, and the first one is the API."""

    migrations: Program = Program("migrations")
    programs: tuple[Program, ...] = (
        Program("api", patience=7.0),  # requests may end
        Program("pipeline.dispatcher", {"METRICS_PORT": "0"}),  # the worker tells what both have counted
        Program("pipeline.worker", patience=8.0),  # its stages may end, or are given back
    )
    seed: Program = Program("ops.seed")


class Stop(BaseException):
    """Somebody wants us to stop."""


class Stack:
    """The services and programs of one home."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], console: Console) -> None:
        self.settings = settings
        self.home = settings.episodes_home
        self.services = Services(self.home, environ)
        self._environ = environ
        self._console = console
        self._environment: dict[str, str] = {}
        self._user: User | None = None
        self._programs: list[Process] = []
        self._tasks: list[Process] = []

    def start(self, plan: Plan) -> None:
        """Start everything; on return the API is ready, and ``server.json`` in the home says where.

        Raises:
            StartFailed: naming the part that did not start, with the end of its log.
        """
        found = self.services.start()
        self._user = users.of_python(self.home, ports=(self.settings.port, self.settings.metrics))
        self._environment = {**self._environ, **found, **self._own_environment(), OWNERS_URL: ""}
        self._console.print("PostgreSQL, Valkey and S3 are up.")
        if line := users.told(self._user):
            self._console.print(line)
        shutil.rmtree(self.home / "metrics", ignore_errors=True)  # the counts of an earlier run
        self._tasks.append(self._child(_as_owner(plan.migrations, found[OWNERS_URL]), log=True, user=self._user))
        self._tasks[-1].complete()
        self._console.print("The database is migrated.")
        self._programs = [self._child(program, log=True, user=self._user) for program in plan.programs]
        for child in self._programs:
            child.spawn()
        self._await_programs()
        homes.write(self.home / "server.json", self._server(found))

    def seed(self, program: Program) -> None:
        """Fill the home with samples, at the terminal, while everything is watched."""
        child = self._child(program, log=False, user=None)  # as who sits there, as the command line does
        self._tasks.append(child)
        child.spawn()
        while child.alive:
            self._look()
        if child.exit_code == 0:
            homes.write(self.home / "seed.json", {"done": True})
        else:
            self._console.print("[yellow]The samples are not complete; the next start goes on with them.[/]")

    def watch(self) -> Never:
        """Start again what dies, for ever."""
        trimmed = time.monotonic()
        while True:
            self._look()
            if time.monotonic() - trimmed > TRIM_EVERY:
                trimmed = time.monotonic()
                for log in (self.home / "logs").glob("*.log"):
                    logs.trim(log)

    def stop(self) -> None:
        """Stop the programs one after the other, then the services."""
        (self.home / "server.json").unlink(missing_ok=True)
        for child in (*self._tasks, *self._programs):
            child.stop()
        self.services.stop()

    def _look(self) -> None:
        for child in (*self.services.children, *self._programs):
            if child.keep():
                self._console.print(f"[yellow]{child.program.name} had ended and was started again.[/]")
        time.sleep(0.1)

    def _await_programs(self) -> None:
        deadline = time.monotonic() + API_PATIENCE
        while (answer := _ready(self.settings)) != "":
            if time.monotonic() > deadline:
                raise StartFailed(f"the API did not become ready: {answer}")
            for child in self._programs:
                child.check()
            time.sleep(0.01)

    def _child(self, program: Program, *, log: bool, user: User | None) -> Process:
        file = self.home / "logs" / f"{program.name}.log" if log else None
        if file:
            logs.turn(file)
        return Process(
            Command(
                name=program.name,
                command=(sys.executable, "-m", program.module),
                environment={
                    **self._environment,
                    **self._place_of(user),
                    "PROMETHEUS_MULTIPROC_DIR": str(self._counts(program)),
                    **program.environment,
                },
                log=file,
                user=user,
                patience=program.patience,
            )
        )

    def _own_environment(self) -> dict[str, str]:
        ours = {"PORT": self.settings.port, "METRICS_PORT": self.settings.metrics, "APP_ENV": self.settings.app_env}
        text = {name: str(value) for name, value in ours.items()}
        return text | {"PYTHONUNBUFFERED": "1"}

    def _counts(self, program: Program) -> Path:
        """Where a program and those of its group add up what they count."""
        folder = self.home / "metrics" / program.module.partition(".")[0]
        folder.mkdir(parents=True, exist_ok=True)
        users.hand_over(folder, like=self.home / "scratch")
        return folder

    def _broker(self) -> dict[str, str]:
        """Another broker than Redis, which whoever joins has to use as well."""
        return {name: url for name, url in self._environ.items() if name == "BROKER_URL" and url}

    def _place_of(self, user: User | None) -> dict[str, str]:
        """Libraries look for files of their own in HOME, and take a closed one for an error."""
        return {"HOME": str(self.home)} if user and not user.passage else {}

    def _server(self, environment: dict[str, str]) -> dict[str, Any]:
        host = ports.reached(self.settings.host)
        return {
            "url": f"http://{host}:{self.settings.port}",
            "metrics_url": f"http://{host}:{self.settings.metrics}/metrics",
            "pid": os.getpid(),
            "environment": environment | self._broker(),
        }


def _as_owner(migrations: Program, url: str) -> Program:
    """The migrations with the URL that no other program is given."""
    return replace(migrations, environment={**migrations.environment, OWNERS_URL: url})


def _ready(settings: Settings) -> str:
    """What is missing until the API is ready, in its own words; nothing if it is."""
    connection = http.client.HTTPConnection(ports.reached(settings.host).strip("[]"), settings.port, timeout=10)
    try:
        connection.request("GET", "/health/ready")
        response = connection.getresponse()
        return "" if response.status == http.client.OK else response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return str(error)
    finally:
        connection.close()


def settings_of(environ: Mapping[str, str]) -> Settings:
    """The settings before the services are there: URLs may be missing, and port 0 is any free one.

    Raises:
        SettingsError: naming the setting that is wrong.
    """
    found = load({**PLACEHOLDERS, **{name: value for name, value in environ.items() if value}})
    port = found.port or ports.free(1)[0]
    found = msgspec.structs.replace(found, port=port, episodes_home=found.episodes_home.resolve())
    if found.metrics > LARGEST_PORT:
        raise SettingsError(f"METRICS_PORT: {found.metrics} (PORT + 1000) is no port; set METRICS_PORT")
    if found.metrics == port:
        raise SettingsError(f"METRICS_PORT: it is {port}, as PORT is; set it to another one")
    return found


def check_ports(settings: Settings) -> None:
    """Raise StartFailed if a port is taken; a run that was killed just now is given the time to leave it."""
    deadline = time.monotonic() + (5 if (settings.episodes_home / "server.json").exists() else 0)
    for name, port in (("PORT", settings.port), ("METRICS_PORT", settings.metrics)):
        while port and not ports.is_free(port, settings.host):
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"{name}: port {port} is taken by another program; stop it, or set {name} to a free one"
                )
            time.sleep(0.02)


def run(environ: Mapping[str, str], plan: Plan | None = None) -> int:
    """Run the stack until a signal comes; the exit code of the process."""
    console = Console(highlight=False, soft_wrap=True)
    try:
        environ = complete(environ)
        settings = settings_of(environ)
        with homes.locked(settings.episodes_home):
            check_ports(settings)
            _run(Stack(settings, environ, console), environ, plan or Plan(), console)
    except (StartFailed, SettingsError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    except Stop:
        return 0


def _run(stack: Stack, environ: Mapping[str, str], plan: Plan, console: Console) -> Never:
    note_first_start(stack.home, environ)
    with _stopping(stack, console):
        stack.start(plan)
        if environ.get("SEED") != "0" and homes.read(stack.home / "seed.json") == {"done": False}:
            stack.seed(plan.seed)
        console.print(welcome(stack.settings))
        stack.watch()


def note_first_start(home: Path, environ: Mapping[str, str]) -> None:
    """Note in an empty home that samples are wanted, so that a killed start still knows."""
    empty = {entry.name for entry in home.iterdir()} <= {"lock"}
    if empty and environ.get("SEED") != "0":
        homes.write(home / "seed.json", {"done": False})


@contextmanager
def _stopping(stack: Stack, console: Console) -> Iterator[None]:
    """Stop the stack at the end, however it comes; signals that come then change nothing."""
    try:
        yield
    finally:
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(one, signal.SIG_IGN)
        with suppress(OSError, SystemExit):  # the terminal may be gone
            console.print("\nStopping …")
        stack.stop()


def _stop(*_: object) -> Never:
    raise Stop


def main(plan: Plan | None = None) -> int:
    """Run the stack that the environment and ``.env`` describe."""
    process_privacy.conceal()
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, _stop)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup wants us to go on
        signal.signal(signal.SIGHUP, _stop)
    if "MAKELEVEL" in os.environ and sys.platform == "linux":
        launch.die_with(os.getppid(), signal.SIGTERM)
    return run(os.environ, plan)


if __name__ == "__main__":
    sys.exit(main())
