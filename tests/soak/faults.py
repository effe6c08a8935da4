"""The faults of a soak, dealt by a seed while work goes on; each function returns when its fault is over."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Final

from tests.soak.ground import Ground
from tests.soak.of_broker import BROKER
from tests.soak.of_database import DATABASE
from tests.soak.of_programs import MORTAL, PROGRAMS
from tests.soak.of_storage import STORAGE

SHORTEST: Final = 0.5  # seconds between two faults
LONGEST: Final = 1.0  # and a second more for every so many files: few files meet many faults, many have time to go on
FILES: Final = 1000
Fault = Callable[[Ground], None]
EVERY: Final[tuple[Fault, ...]] = (*PROGRAMS, *BROKER, *DATABASE, *STORAGE)


class Faults:
    """Deals faults in a thread of its own until ``stop``, and counts them.

    The second worker is killed at any time; API and dispatcher only until ``spare``, so that what they need can be
    seen to be steady; the first worker never. Every fault is dealt once before one is dealt again.
    """

    def __init__(self, ground: Ground, count: int) -> None:
        self.dealt: Counter[str] = Counter()
        self.error: BaseException | None = None
        self._ground = ground
        self._pauses = SHORTEST, LONGEST + count / FILES
        self._spare = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._hand: list[Fault] = []

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def spare(self) -> None:
        """Kill neither the API nor the dispatcher from now on."""
        self._spare.set()

    def stop(self) -> None:
        """End after the fault that is under way."""
        self._ground.over.set()
        self._ended.wait()
        self._ground.world.calm()
        self.check()

    def check(self) -> None:
        """Raise what kept a fault from being dealt."""
        if self.error:
            raise self.error

    def _live(self) -> None:
        """The thread outlives its faults: the kernel ends what it has started again when it ends itself."""
        self._deal()
        self._ended.set()
        threading.Event().wait()

    def _deal(self) -> None:
        try:
            while not self._ground.over.wait(self._ground.rng.uniform(*self._pauses)):
                fault = self._next()
                fault(self._ground)
                self.dealt[fault.__name__.replace("_", " ")] += 1
        except BaseException as error:  # told by ``check``, in the thread that asks for it
            self.error = error

    def _next(self) -> Fault:
        if not self._hand:
            self._hand = [*EVERY, *(() if self._spare.is_set() else MORTAL)]
            self._ground.rng.shuffle(self._hand)
        fault = self._hand.pop()
        return self._next() if fault in MORTAL and self._spare.is_set() else fault
