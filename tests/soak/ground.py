"""What the faults of a soak are dealt to."""

import threading
from random import Random

from ops.stack.services import Services
from tests.chaos.brokers import Redis
from tests.chaos.world import World
from tests.soak.keys import Keys


class Ground:
    """A world, its services, its broker and its issuer, chance, and whether it is over."""

    def __init__(self, world: World, own: Services, keys: Keys, rng: Random) -> None:
        self.world = world
        self.own = own
        self.keys = keys
        self.rng = rng
        self.url = world.stack.database_url
        self.broker = Redis(own, world.stack.environ["REDIS_URL"])
        self.over = threading.Event()

    def some(self, least: float, most: float) -> None:
        """Let a while go by, in seconds, or less where it is over."""
        self.over.wait(self.rng.uniform(least, most))
