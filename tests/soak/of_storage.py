"""Faults of S3 and of the network: errors, silence, what breaks off, and other bytes than were sent."""

import re
from uuid import uuid4

from tests import work
from tests.chaos.proxy import Act, Hold, Link, changing, cut, end
from tests.chaos.storage import ERROR, FETCH, PUT, SLOW, flip, put
from tests.chaos.world import PICTURE
from tests.soak.files import File
from tests.soak.ground import Ground
from tests.soak.sender import Sender, reference

# The end of a source, and not of the pictures that we make: those have nothing behind their end.
TAIL = re.compile(rb"(?s)\xff\xd9.{16}\Z")
WHILE = (1.0, 3.0)  # seconds


def storage_500(ground: Ground) -> None:
    _answers(ground, ERROR)


def storage_slow_down(ground: Ground) -> None:
    _answers(ground, SLOW)


def _answers(ground: Ground, act: Act) -> None:
    for request in (FETCH, PUT):
        ground.world.storage.trap("up", request, act, times=ground.rng.randint(1, 6))
    ground.some(*WHILE)
    ground.world.storage.clear()


def storage_silent_until_the_timeout(ground: Ground) -> None:
    """Requests that are never answered; who sent them gives up, after 30 s, and asks again."""
    ground.world.storage.trap("up", FETCH, Hold(), times=ground.rng.randint(1, 2))
    ground.some(*WHILE)
    ground.world.storage.clear()


def storage_reset_in_mid_body(ground: Ground) -> None:
    _bodies(ground, cut)


def storage_short_body(ground: Ground) -> None:
    _bodies(ground, end)


def storage_wrong_bytes(ground: Ground) -> None:
    _bodies(ground, changing(flip))


def _bodies(ground: Ground, act: Act) -> None:
    ground.world.storage.trap("down", TAIL, act, times=ground.rng.randint(1, 3))
    ground.some(*WHILE)
    ground.world.storage.clear()


def object_replaced_between_reads(ground: Ground) -> None:
    """A file of its own: its first read breaks off, and the second one would find another picture."""
    data, key = work.unique(PICTURE), f"clip/{uuid4()}-replaced.jpg"
    file = File(data, frozenset({"HASH_MISMATCH"}), {"sha256": work.sha256(data), "priority": "interactive"}, key)

    def replace(link: Link, _: bytes) -> None:
        put(ground.world, reference(ground.world, key), work.unique(PICTURE))
        link.reset()

    trap = ground.world.storage.trap("up", re.compile(key.encode()), replace)
    (sent,) = Sender(ground.world).send([file])
    sprung = trap.sprung.wait(30)
    ground.world.storage.clear()
    ground.world.sent.append(sent if sprung else sent._replace(ends=frozenset({"stored"})))


def storage_reset(ground: Ground) -> None:
    ground.world.storage.cut()


def storage_away(ground: Ground) -> None:
    ground.world.storage.stop()
    ground.some(1, 5)
    ground.world.storage.start()


def everything_slow(ground: Ground) -> None:
    for each in ground.world.proxies:
        each.delay = 0.02
    ground.some(1, 4)
    for each in ground.world.proxies:
        each.delay = 0.0


STORAGE = (
    storage_500,
    storage_slow_down,
    storage_silent_until_the_timeout,
    storage_reset_in_mid_body,
    storage_short_body,
    storage_wrong_bytes,
    object_replaced_between_reads,
    storage_reset,
    storage_away,
    everything_slow,
)
