"""Which versions of a row a caller is content with: what an If-Match says."""

from msgspec import Struct


class ExpectedVersions(Struct, frozen=True):
    """One of these versions; None for any, as long as there is one."""

    versions: tuple[int, ...] | None

    def fits(self, version: int | None) -> bool:
        """Whether this is one of them; None stands for a row that is not there."""
        return version is not None and (self.versions is None or version in self.versions)


def listed(expected: ExpectedVersions | None) -> list[int] | None:
    """The versions as a query takes them; null for any."""
    return None if expected is None or expected.versions is None else list(expected.versions)
