"""What a process tells of itself: what it is, its connections to the database, the disk, what it can reach."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from models import build
from models.db import schema
from models.db.connection import Pool
from models.settings import Settings


class Own(Struct, frozen=True):
    """A process's own numbers at one moment; ``ready`` says of each service whether it answers."""

    pool_size: int
    pool_in_use: int
    pool_waiting: int
    disk_free_bytes: int
    ready: Mapping[str, bool]


def own(settings: Settings, pool: Pool, ready: Mapping[str, bool] | None = None) -> Own:
    """Look at this process."""
    stats = pool.get_stats()
    size = stats["pool_size"]
    in_use = size - stats["pool_available"]
    return Own(size, in_use, stats["requests_waiting"], _free(settings.episodes_home), ready or {})


def _free(home: Path) -> int:
    """Of the disk on which the data directory is, or would be."""
    place = home.absolute()
    return shutil.disk_usage(next(one for one in (place, *place.parents) if one.exists())).free


_GAUGES: Final = {
    "episodes_database_pool_connections": ("Connections of this process to the database", "pool_size"),
    "episodes_database_pool_in_use": ("Of those, how many are in use", "pool_in_use"),
    "episodes_database_pool_waiting": ("Requests and stages that wait for a connection", "pool_waiting"),
    "episodes_disk_free_bytes": ("Free space where the data directory is", "disk_free_bytes"),
}


class OwnFamilies(Collector):
    """These numbers for Prometheus."""

    def __init__(self, found: Own) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        yield _build()
        for name, (text, field) in _GAUGES.items():
            yield GaugeMetricFamily(name, text, value=getattr(self._found, field))
        if self._found.ready:
            yield self._ready()

    def _ready(self) -> Metric:
        family = GaugeMetricFamily("episodes_ready", "Whether a service answers this process", labels=["service"])
        for service, up in self._found.ready.items():
            family.add_metric([service], up)
        return family


def _build() -> Metric:
    family = GaugeMetricFamily("episodes_build_info", "What runs", labels=["version", "commit", "schema"])
    family.add_metric([build.version(), build.commit() or "", schema.NEEDED], 1)
    return family
