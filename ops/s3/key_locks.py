"""Which keys are being written this very moment, so that of several conditional uploads one wins."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class Claim:
    """One upload's claim to a key; it is taken when the upload is about to become the object."""

    def __init__(self, taken: set[tuple[str, str]], lock: Lock, place: tuple[str, str]) -> None:
        self._taken = taken
        self._lock = lock
        self._place = place
        self._held = False

    def take(self) -> bool:
        """Take the key if no other upload has it; whether it is ours now."""
        with self._lock:
            if not self._held and self._place not in self._taken:
                self._taken.add(self._place)
                self._held = True
            return self._held

    def release(self) -> None:
        """Give the key back, if it was taken."""
        with self._lock:
            if self._held:
                self._taken.discard(self._place)
                self._held = False


class Claims:
    """The keys of one server."""

    def __init__(self) -> None:
        self._taken: set[tuple[str, str]] = set()
        self._lock = Lock()

    @contextmanager
    def of(self, bucket: str, key: str) -> Iterator[Claim]:
        """A claim that is released at the end of the upload, however that ends."""
        claim = Claim(self._taken, self._lock, (bucket, key))
        try:
            yield claim
        finally:
            claim.release()
