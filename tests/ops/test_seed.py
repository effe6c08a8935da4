"""The sample data, seeded into a running server."""

import subprocess
import sys
from collections import Counter
from itertools import pairwise
from typing import Any

from ops import sample_rows
from ops.sample_rows import SERIES, TAG
from tests.eventually import eventually
from tests.stack import Stack

SEED = [sys.executable, "-m", "ops.seed"]


def stored(server: Stack, resource: str, **params: str) -> list[dict[str, Any]]:
    with server.client("viewer") as client:
        answer = client.get(f"/api/v1/{resource}", params={"limit": 100, **params})
    found: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
    return found


def test_the_samples_are_two_shows_of_two_seasons() -> None:
    episodes = [row for series in SERIES for row in sample_rows.episodes(series, "id")]
    assert Counter(row["season_number"] for row in episodes) == {1: 6, 2: 6}
    assert len({row["title"] for row in episodes}) == 12
    assert all(row["script_text"] and row["description"] and row["category"] for row in episodes)


def test_every_sample_can_be_told_from_the_others() -> None:
    clips = [row["title"] for series in SERIES for row in sample_rows.clips(series, ["id"] * 6)]
    outfits = [row["name"] for row in sample_rows.outfits()]
    assert (len(set(clips)), len(set(outfits))) == (60, 24)


def test_a_season_is_filmed_before_it_is_published() -> None:
    for series in SERIES:
        rows = list(sample_rows.episodes(series, "id"))
        assert all(row["filming_date"] < row["edit_deadline"] < row["publish_date"] for row in rows)
        assert all(one["publish_date"] < next_one["publish_date"] for one, next_one in pairwise(rows))


def test_a_killed_seeding_goes_on_and_doubles_nothing(server: Stack) -> None:
    with subprocess.Popen(SEED, env=server.environ) as first:
        eventually(lambda: len(stored(server, "clips", tag=TAG)) >= 10, within=60)
        first.kill()
    done = subprocess.run(SEED, env=server.environ, capture_output=True, text=True, timeout=240, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    clips, outfits = stored(server, "clips", tag=TAG), stored(server, "outfits", tag=TAG)
    assert (len(stored(server, "episodes", tag=TAG)), len(clips), len(outfits)) == (12, 60, 24)
    assert Counter(clip["mime_type"].partition("/")[0] for clip in clips) == {"image": 54, "video": 6}
    assert all(outfit["image_reference"] for outfit in outfits)
    again = subprocess.run(SEED, env=server.environ, capture_output=True, text=True, timeout=60, check=True)
    assert "nothing to do" in again.stdout
    assert {row["clip_id"] for row in stored(server, "clips", tag=TAG)} == {clip["clip_id"] for clip in clips}
