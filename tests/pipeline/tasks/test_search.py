"""The check of the search puts right what is wrong, and counts it."""

from collections import Counter

import httpx2

from tests.eventually import eventually
from tests.pipeline.tasks.house import run
from tests.resources import SHOW, create
from tests.stack import Stack


def drift(stack: Stack) -> Counter[str]:
    """What the worker has counted, by its kind."""
    text = httpx2.get(stack.metrics_url, trust_env=False).text
    counted = [line for line in text.splitlines() if line.startswith("episodes_search_drift_total{")]
    return Counter({line.split('"')[1]: int(float(line.rpartition(" ")[2])) for line in counted})


def test_search_is_put_right(stack: Stack, chief: httpx2.Client) -> None:
    shows = [create(chief, SHOW)["show_id"] for _ in range(3)]
    eventually(lambda: stack.sql("select count(*) from search_documents") == [(3,)])
    stack.sql("delete from search_documents where entity_id = %s", shows[0])
    stack.sql("update search_documents set vector = '' where entity_id = %s", shows[1])
    before = drift(stack)
    assert run(chief, "search-check") == {"missing": 1, "stale": 1}
    assert drift(stack) - before == {"missing": 1, "stale": 1}
    hits = chief.get("/api/v1/search", params={"q": SHOW.new["name"]}).json()["data"]
    assert {hit["entity_id"] for hit in hits} == set(shows)
    assert run(chief, "search-check") == {}
