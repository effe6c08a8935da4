"""What tests stand on: real PostgreSQL, Redis and S3 processes, and a real API, worker and dispatcher."""

import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from models import dev_issuer
from ops.stack.services import Services
from tests.key_server import key_server
from tests.stack import Stack, hasten, running

# Whoever runs the tests in the background may have them ignore these, and what they start with them.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

os.environ["EPISODES_DOTENV"] = ""  # no developer's file reaches what tests start
SEED = int(os.environ.get("TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
SERVICES = {"services", "own"}  # fixtures: those that all share, and those of a module that stops them
os.environ["TEST_SEED"] = str(SEED)  # for the processes that share the tests


def ports_of(worker: str, workers: str) -> str:
    """The free ports that a process looks among: two that look at once must not find the same one.

    ``TEST_PORTS`` is the range of the whole run, for a second run beside it.
    """
    lowest, _, highest = os.environ.get("TEST_PORTS", "20000-31999").partition("-")
    each = (int(highest) - int(lowest) + 1) // int(workers)
    first = int(lowest) + each * int(worker.removeprefix("gw"))
    return f"{first}-{first + each - 1}"


os.environ["EPISODES_PORTS"] = ports_of(
    os.environ.get("PYTEST_XDIST_WORKER", "gw0"), os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
)


def pytest_configure(config: pytest.Config) -> None:
    """No port for anybody, also not in what tests start, where only tests run that need no service."""
    if config.option.markexpr == "quick":
        os.environ["EPISODES_PORTS"] = "a quick test starts no service (mark it `services`), and this"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick is what starts no service, as its fixtures tell, and no program; who starts one by itself has a mark."""
    for item in items:
        started = SERVICES.intersection(getattr(item, "fixturenames", ()))
        if not started and not any(mark.name in ("services", "programs", "chaos") for mark in item.iter_markers()):
            item.add_marker("quick")
    items.sort(key=lambda item: "quick" in item.keywords)  # short ones last: no process waits long for another's end


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """So that a failure on random data can be repeated."""
    terminalreporter.write_line(f"random seed: {SEED} (repeat with TEST_SEED={SEED})")


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of embedded services that live as long as the session, and do not wait for the disk."""
    with Services(tmp_path_factory.mktemp("services"), {}) as running_services:
        hasten(running_services.environment)
        yield running_services.environment


@pytest.fixture(scope="session")
def server(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for all tests that leave it as it was."""
    with running(services, tmp_path_factory.mktemp("server")) as stack:
        yield stack


@pytest.fixture
def new_stack(services: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Makes stacks that a test may break; not started yet."""
    made: list[Stack] = []

    def make(**settings: str) -> Stack:
        home = tmp_path / f"stack-{len(made)}"
        home.mkdir()
        made.append(Stack(services, home, **settings))
        return made[-1]

    yield make
    for stack in made:
        stack.stop()


@pytest.fixture
def exposed_stack(new_stack: Callable[..., Stack]) -> Iterator[Callable[..., Stack]]:
    """Makes stacks as others can reach them: tokens of their homes come from an issuer that is not embedded."""
    with key_server({"keys": []}) as provider:

        def make(**settings: str) -> Stack:
            issuer = {"JWT_ISSUER": dev_issuer.ISSUER, "JWT_AUDIENCE": dev_issuer.CLIENT_ID}
            told = {"APP_ENV": "staging", "ALLOWED_ORIGINS": "https://studio.example", "JWKS_URL": provider.url}
            made = new_stack(**issuer | told | settings)
            provider.document = dev_issuer.jwks(made.home)
            return made

        yield make


@pytest.fixture(scope="session")
def editor(server: Stack) -> Iterator[httpx2.Client]:
    """Signed in as an editor."""
    with server.client("editor") as client:
        yield client


@pytest.fixture(scope="session")
def viewer(server: Stack) -> Iterator[httpx2.Client]:
    """Signed in as a viewer."""
    with server.client("viewer") as client:
        yield client


@pytest.fixture(scope="session")
def admin(server: Stack) -> Iterator[httpx2.Client]:
    """Signed in as an admin."""
    with server.client("admin") as client:
        yield client


@pytest.fixture
def rng() -> random.Random:
    """Random data that the printed seed repeats."""
    return random.Random(SEED)
