"""A worker whose clock is an hour off, and an issuer of tokens that is away and comes back with another key."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from api.auth.jwks import REFRESH_SECONDS
from ops.stack import ports
from tests.api.auth.test_authorize import ISSUER, public, token_of
from tests.chaos.conftest import LOOK, Dealer
from tests.chaos.world import World
from tests.eventually import eventually
from tests.key_server import KeyServer, key_server
from tests.stack import PLAIN


@pytest.mark.parametrize("off", [3600, pytest.param(-3600, marks=pytest.mark.chaos)])
def test_a_worker_whose_clock_is_an_hour_off_works_as_well(
    world: World, client: httpx2.Client, dealt: Dealer, off: int
) -> None:
    world.lone().stop()
    # What answers tell of the time has no fractions: too rough for copies that are signed for less than a lease of 2 s.
    settings = {"CLOCK_OFF_SECONDS": str(off), "LEASE_SECONDS": "30"}
    wrong = world.worker("tests.chaos.wrong_clock_worker", WORKER_ID=f"off by {off} s", **settings)
    since = time.monotonic()
    for _ in range(5):
        world.send(client)
    dealt(f"a worker whose clock is off by {off} s", world, since)
    wrong.stop()
    results = "select result, error_message, count(*) from ingest_attempts where worker = %s group by 1, 2"
    assert world.stack.sql(results, f"off by {off} s") == [("succeeded", None, 20)]


@contextmanager
def api_of(world: World, provider: KeyServer) -> Iterator[Callable[[str], int]]:
    """An API that takes the provider's tokens; what it answers to one."""
    (port,) = ports.free(1)
    url = f"http://{ports.HOST}:{port}"
    api = world.stack.child("api", PORT=str(port), METRICS_PORT="0", JWKS_URL=provider.url, JWT_ISSUER=ISSUER)
    api.spawn()

    def ask(token: str) -> int:
        return httpx2.get(f"{url}/api/v1/clips", headers={"Authorization": token}, **PLAIN).status_code

    try:
        eventually(lambda: ports.answers(port), within=60)
        yield ask
    finally:
        api.stop()


@pytest.mark.chaos
def test_the_keys_are_away_and_come_back_rotated(world: World, dealt: Dealer) -> None:
    first, second = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    with key_server({"keys": [public(first, "one")]}) as provider:
        provider.away = True
        with api_of(world, provider) as ask:
            assert ask(token_of(first)) == 503  # never seen: ours to be sorry for, not the caller's
            provider.away = False
            eventually(lambda: ask(token_of(first)) == 200, within=5)
            since = time.monotonic()
            provider.away = True
            assert ask(token_of(first)) == 200
            assert ask(token_of(second, "two")) == 401
            provider.document = {"keys": [public(first, "one"), public(second, "two")]}
            provider.away = False
            eventually(lambda: ask(token_of(second, "two")) == 200, within=REFRESH_SECONDS + LOOK)
            assert ask(token_of(first)) == 200
            provider.document = {"keys": [public(second, "two")]}
            assert ask(token_of(second, "two")) == 200
    dealt("the keys endpoint down, and back with rotated keys", world, since)
