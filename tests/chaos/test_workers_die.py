"""kill -9 at every point of a job: what held it goes on, and everything is there once."""

import re

import httpx2
import pytest

from tests import work
from tests.chaos import proxy
from tests.chaos.conftest import LEASE_SECONDS, ON_RABBITMQ, QUICK, Dealer
from tests.chaos.proxy import Direction, Hold
from tests.chaos.storage import ANY, COPY, FETCH, LARGE, STORE
from tests.chaos.world import PICTURE, World, kill

WITHIN = 30.0  # seconds after the end of a lease
# Point → which proxy holds what, after how many of the kind. The commit of ingest is what follows the hash.
POINTS: dict[str, tuple[str, Direction, re.Pattern[bytes], int]] = {
    "after the claim": ("storage", "up", FETCH, 0),
    "in mid-download": ("storage", "down", ANY, 2),
    "before a picture is stored": ("storage", "up", STORE, 1),
    "after the places of its pictures are claimed": ("postgresql", "down", proxy.COMMITTED, 2),
    "before a picture is put in place": ("storage", "up", COPY, 1),
    **{f"before the commit of {name}": ("postgresql", "up", end, skip) for name, (end, _, skip) in proxy.ENDS.items()},
    **{f"after the commit of {name}": ("postgresql", "down", end, skip) for name, (_, end, skip) in proxy.ENDS.items()},
    "before the acknowledgement": ("broker", "up", proxy.ACKNOWLEDGED if ON_RABBITMQ else proxy.ACK, 0),
}


@pytest.mark.parametrize("point", [pytest.param(point, marks=QUICK) for point in POINTS])
def test_a_worker_killed(world: World, client: httpx2.Client, dealt: Dealer, point: str) -> None:
    where, direction, pattern, skip = POINTS[point]
    through, hold = getattr(world, where), Hold()
    victim = world.lone()
    trap = through.trap(direction, pattern, hold, skip=skip)
    world.send(client, work.unique(PICTURE) + bytes(LARGE))
    trap.wait()
    moment = kill(victim)
    through.cut()  # before it passes on: what a dead program had sent must not arrive after all
    hold.release()
    world.calm()
    world.worker()
    dealt(f"kill -9 of a worker {point}", world, moment, within=LEASE_SECONDS + WITHIN)
