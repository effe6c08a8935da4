"""What Prometheus sees.

What counts jobs is read from the database at each scrape, gauges, counters and histograms alike, so that it is true
after any crash, and each process tells the same of it. What counts requests counts in each process; with
``PROMETHEUS_MULTIPROC_DIR`` set, a group's processes add up. What a process is and has at hand, it tells for itself.
"""

import os
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import REGISTRY, Collector

from models.metrics.counters import DECODER_CAGE as DECODER_CAGE
from models.metrics.counters import HTTP_REQUESTS as HTTP_REQUESTS
from models.metrics.counters import HTTP_SECONDS as HTTP_SECONDS
from models.metrics.counters import PROBE_REQUESTS as PROBE_REQUESTS
from models.metrics.counters import PROBE_SECONDS as PROBE_SECONDS
from models.metrics.counters import SEARCH_DRIFT as SEARCH_DRIFT
from models.metrics.families import LedgerFamilies
from models.metrics.itself import Own as Own
from models.metrics.itself import OwnFamilies
from models.metrics.itself import own as own
from models.metrics.ledger import JobStatistics as JobStatistics
from models.metrics.ledger import statistics as statistics

SCRAPES: Final = 4  # of a second that find out anew; a flood of them is told what the last one found
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def exposition(found: JobStatistics | None, own: Own) -> bytes:
    """Everything as Prometheus text; without what counts jobs where the database did not answer."""
    ledger = generate_latest(LedgerFamilies(found)) if found else b""
    return generate_latest(_counters()) + generate_latest(OwnFamilies(own)) + ledger


def _counters() -> Collector:
    """Of this process, or of its whole group; the processor time and memory are always this one's."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    group = CollectorRegistry()
    MultiProcessCollector(group)  # type: ignore[no-untyped-call]  # the package leaves it untyped
    ProcessCollector(registry=group)
    return group
