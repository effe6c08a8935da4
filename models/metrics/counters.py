"""What each process counts by itself."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

# Seconds: from an answer that was at hand to what a client hardly waits for any more.
BUCKETS: Final = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    30,
    60,
)

HTTP_REQUESTS: Final = Counter(
    "episodes_http_requests_total", "Requests answered, probes and scrapes apart", ["method", "route", "status"]
)
HTTP_SECONDS: Final = Histogram(
    "episodes_http_request_duration_seconds", "Time to answer a request", ["method", "route"], buckets=BUCKETS
)
PROBE_REQUESTS: Final = Counter("episodes_probe_requests_total", "Probes and scrapes answered", ["route", "status"])
PROBE_SECONDS: Final = Histogram(
    "episodes_probe_request_duration_seconds", "Time to answer a probe or a scrape", ["route"], buckets=BUCKETS
)
DECODER_CAGE: Final = Gauge(
    "episodes_decoder_cage",
    "1 where Landlock (by its version) and seccomp hold the decoders of a worker, 0 where one is missing",
    ["landlock", "seccomp"],
    multiprocess_mode="min",
)
SEARCH_DRIFT: Final = Counter("episodes_search_drift_total", "Documents a check found wrong", ["kind"])
