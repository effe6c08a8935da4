"""The worlds that faults are dealt to, and the table of what became of them."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import httpx2
import pytest
from msgspec import Struct

from ops.stack.services import Services
from tests.chaos.ledger import Verdict
from tests.chaos.world import World
from tests.rabbitmq import SERVER, RabbitMQ
from tests.stack import Stack

LEASE_SECONDS = 2.0
QUICK = pytest.mark.chaos(quick=True)  # dealt in a few seconds: `make test` draws some of these by its seed
DRAWN = 5
LOOK = 0.2  # seconds that a look at the ledger may take
ON_RABBITMQ = os.environ.get("CHAOS_BROKER") == "rabbitmq"


class Dealt(Struct):
    """A fault, how often it was dealt, when all that was accepted had ended, and what the ledger says."""

    fault: str
    times: int
    seconds: float
    verdict: Verdict


TABLE: list[Dealt] = []
MakeBroker = Callable[[], dict[str, str]]


class Dealer:
    """Notes what became of a fault; the ledger has to hold."""

    def __call__(self, fault: str, world: World, since: float, *, times: int = 1, within: float = 60.0) -> Verdict:
        """Wait for all ends, look at the whole ledger, add a line to the table.

        ``since`` is when it was dealt; all has to have ended so many seconds after that.
        """
        world.settle(since + within - time.monotonic())
        seconds = time.monotonic() - since
        verdict = world.verdict()
        TABLE.append(Dealt(fault, times, seconds, verdict))
        assert verdict.holds, verdict
        assert seconds <= within + LOOK, f"{seconds:.1f} s, where {within:.0f} s are promised"
        return verdict


def is_quick(item: pytest.Item) -> bool:
    """Whether it is one of those that are drawn."""
    return any(mark.kwargs.get("quick") for mark in item.iter_markers("chaos"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The short form: the seed draws what is dealt beside what always is."""
    quick = sorted((item for item in items if is_quick(item)), key=lambda item: item.nodeid)
    for item in Random(int(os.environ["TEST_SEED"])).sample(quick, min(DRAWN, len(quick))):
        item.own_markers[:] = [mark for mark in item.own_markers if mark.name != "chaos"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table."""
    if not TABLE:
        return
    terminalreporter.section(f"faults dealt, on {'RabbitMQ' if ON_RABBITMQ else 'Redis'}")
    terminalreporter.line(
        f"{'fault':<78} {'dealt':>5} {'jobs':>5} {'seconds':>8} {'lost':>5} {'doubled':>7} {'stuck':>5} {'wrong':>5}"
    )
    for dealt in TABLE:
        said = dealt.verdict
        found = f"{len(said.lost):>5} {len(said.doubled):>7} {len(said.stuck):>5} {len(said.wrong):>5}"
        terminalreporter.line(f"{dealt.fault:<78} {dealt.times:>5} {said.jobs:>5} {dealt.seconds:>8.1f} {found}")


@pytest.fixture
def dealt() -> Dealer:
    """Notes what became of a fault."""
    return Dealer()


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """A server of its own."""
    if not SERVER.exists():
        pytest.skip("RabbitMQ is not installed (Debian: rabbitmq-server)")
    server = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"))
    server.start(within=120)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> MakeBroker:
    """Makes the setting of the broker that CHAOS_BROKER asks for; nobody else's messages are in it."""
    return lambda: {"BROKER_URL": request.getfixturevalue("rabbitmq").host()} if ON_RABBITMQ else {}


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Services that tests may break."""
    with Services(tmp_path_factory.mktemp("own"), {}) as services:
        yield services


@contextmanager
def world_of(services: dict[str, str], home: Path, **settings: str) -> Iterator[World]:
    """A started world without workers."""
    made = World(Stack(services, home, **settings))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def world(services: dict[str, str], broker: MakeBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for all tests that leave its services as they were."""
    home = tmp_path_factory.mktemp("world")
    with world_of(services, home, LEASE_SECONDS=str(LEASE_SECONDS), **broker()) as made:
        yield made


@pytest.fixture(scope="session")
def fragile(own: Services, broker: MakeBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for all tests that break its services."""
    home = tmp_path_factory.mktemp("fragile")
    with world_of(own.environment, home, LEASE_SECONDS=str(LEASE_SECONDS), **broker()) as made:
        yield made


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[httpx2.Client]:
    """Signed in as an editor."""
    with world.stack.client() as signed_in:
        yield signed_in


@pytest.fixture(autouse=True)
def calm(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test has set and nothing has sprung is no fault of the next one."""
    yield
    for name in {"world", "fragile"} & set(request.fixturenames):
        request.getfixturevalue(name).calm()
