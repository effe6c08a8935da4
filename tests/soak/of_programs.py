"""Faults of our own programs: killed, told to stop, asleep, with a wrong clock, without the issuer's keys."""

import os
import signal
from contextlib import suppress

import httpx2

from ops.stack.processes import Process
from tests.chaos.world import decoders_of, kill
from tests.eventually import eventually
from tests.resources import CLIP
from tests.soak.ground import Ground
from tests.stack import PLAIN

HOUR = 3600


def worker_killed(ground: Ground) -> None:
    kill(ground.world.workers[1])
    _again(ground, ground.world.workers[1])


def worker_told_to_stop_then_killed(ground: Ground) -> None:
    worker = ground.world.workers[1]
    os.kill(worker.pid or 0, signal.SIGTERM)
    ground.some(0.05, 1)
    if worker.alive:
        kill(worker)
    _again(ground, worker)


def worker_paused_past_its_lease_and_woken(ground: Ground) -> None:
    pid = ground.world.workers[1].pid or 0
    os.kill(pid, signal.SIGSTOP)
    ground.some(3.5, 6)
    os.kill(pid, signal.SIGCONT)


def worker_with_a_bent_clock(ground: Ground) -> None:
    """One that is an hour early or late works beside the others for a while."""
    off = ground.rng.choice([-HOUR, HOUR])
    bent = ground.world.program("tests.soak.worker", WORKER_ID="bent", METRICS_PORT="0", CLOCK_OFF_SECONDS=str(off))
    bent.spawn()
    ground.some(6, 10)
    kill(bent)


def decoder_killed(ground: Ground) -> None:
    for pid in decoders_of(ground.world.workers[0])[:1]:
        os.kill(pid, signal.SIGKILL)


def api_killed(ground: Ground) -> None:
    kill(ground.world.stack.api)
    _again(ground, ground.world.stack.api)


def dispatcher_killed(ground: Ground) -> None:
    kill(ground.world.stack.dispatcher)
    _again(ground, ground.world.stack.dispatcher)


def keys_away_and_rotated(ground: Ground) -> None:
    """Nobody can ask for keys for a while; then there is another, and once that is known the first is told no more."""
    ground.keys.server.away = True
    ground.some(1, 3)
    ground.keys.announce()
    ground.keys.server.away = False
    with httpx2.Client(base_url=ground.world.stack.url, timeout=30, **PLAIN) as client:
        eventually(lambda: _takes(client, ground.keys.header(following=True)), within=60)
    ground.keys.rotate()


def _takes(client: httpx2.Client, header: str) -> bool:
    with suppress(httpx2.TransportError):  # it may just be starting again
        return client.get(CLIP.path, params={"limit": 1}, headers={"Authorization": header}).status_code == 200
    return False


def _again(ground: Ground, child: Process) -> None:
    ground.some(0, 2)
    child.spawn()


PROGRAMS = (
    worker_killed,
    worker_told_to_stop_then_killed,
    worker_paused_past_its_lease_and_woken,
    worker_with_a_bent_clock,
    decoder_killed,
    keys_away_and_rotated,
)
MORTAL = (api_killed, dispatcher_killed)
