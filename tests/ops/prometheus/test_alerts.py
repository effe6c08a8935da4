"""Alerts and dashboard speak of metrics that there are; ``promtool test rules`` says what they say (see the rules)."""

import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from models.build import PROJECT
from models.jobs.types import STAGES
from tests.eventually import eventually
from tests.stack import PLAIN, Stack

PROMETHEUS = PROJECT / "ops/prometheus"
NAME = re.compile(r"\bepisodes_[a-z_]+")


def metrics(url: str) -> set[str]:
    """The names of all samples that a target may have."""
    text = httpx2.get(url, timeout=15, **PLAIN).text
    names = set[str]()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)", text, re.MULTILINE):
        names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return names


def expressions(value: Any) -> list[str]:
    """All texts of a dashboard."""
    if isinstance(value, dict):
        return [text for one in value.values() for text in expressions(one)]
    if isinstance(value, list):
        return [text for one in value for text in expressions(one)]
    return [value] if isinstance(value, str) else []


def named(path: Path) -> set[str]:
    """The metrics that a file of rules or a dashboard names."""
    texts = expressions(json.loads(path.read_text())) if path.suffix == ".json" else [path.read_text()]
    return {name for text in texts for name in NAME.findall(text)}


@pytest.mark.parametrize(
    "path", [PROMETHEUS / "alerts.yml", PROMETHEUS / "alerts_test.yml", PROJECT / "ops/grafana/episodes.json"]
)
def test_every_metric_that_is_watched_is_told(server: Stack, path: Path) -> None:
    watched = named(path)
    assert len(watched) > 3
    assert watched <= metrics(f"{server.url}/metrics") | metrics(server.metrics_url)


def test_every_alert_names_a_page_that_there_is() -> None:
    pages = re.findall(r"runbook: (\S+)", (PROMETHEUS / "alerts.yml").read_text())
    assert pages
    assert all((PROJECT / page).is_file() for page in pages)


def paused(server: Stack) -> set[str]:
    """The names of what is told to be held back, and nothing else."""
    text = httpx2.get(server.metrics_url, timeout=15, **PLAIN).text
    told = dict(re.findall(r'^episodes_paused{name="(\w+)"} (\S+)', text, re.MULTILINE))
    assert set(told) == {"interactive", "batch", "backfill", *STAGES, "housekeeping"}
    return {name for name, value in told.items() if value == "1.0"}


def test_a_paused_stage_is_told(server: Stack) -> None:
    assert paused(server) == set()
    with server.client("admin") as admin:
        assert admin.post("/api/v1/ingest/pauses", json={"stage": "index", "reason": "to see"}).status_code == 200
        eventually(lambda: paused(server) == {"index"}, within=5)
        assert admin.delete("/api/v1/ingest/pauses/index").status_code == 204
    eventually(lambda: paused(server) == set(), within=5)
