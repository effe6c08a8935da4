"""The sample data, seeded into a running server."""

import subprocess
import sys
from collections import Counter
from itertools import pairwise
from typing import Any

from ops.seed import outfits, scripts, series, things
from ops.seed.links import links
from ops.seed.series import SERIES, TAG
from tests.eventually import eventually
from tests.processes import program
from tests.stack import Stack

SEED = [sys.executable, "-m", "ops.seed"]


def seeded(server: Stack) -> str:
    """What a whole seeding says."""
    return subprocess.run(SEED, env=server.environ, capture_output=True, text=True, timeout=240, check=True).stdout


def stored(server: Stack, resource: str, **params: str) -> list[dict[str, Any]]:
    with server.client("viewer") as client:
        answer = client.get(f"/api/v1/{resource}", params={"limit": 100, **params})
    found: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
    return found


def test_the_samples_are_two_shows_of_two_seasons() -> None:
    episodes = [row for one in SERIES for row in series.episodes(one, "id")]
    assert Counter(row["season_number"] for row in episodes) == {1: 6, 2: 6}
    assert len({row["title"] for row in episodes}) == 12
    assert all(row["script_text"] and row["description"] and row["category"] for row in episodes)


def test_every_sample_can_be_told_from_the_others() -> None:
    clips = [row["title"] for one in SERIES for row in series.clips(one, ["id"] * 6)]
    looks = [row["name"] for row in outfits.outfits()]
    assert (len(set(clips)), len(set(looks))) == (60, 24)


def test_a_season_is_filmed_before_it_is_published() -> None:
    for one in SERIES:
        rows = list(series.episodes(one, "id"))
        assert all(row["filming_date"] < row["edit_deadline"] < row["publish_date"] for row in rows)
        assert all(before["publish_date"] < after["publish_date"] for before, after in pairwise(rows))


def test_what_episodes_show_is_there_to_be_shown() -> None:
    named = {
        "outfits": {look.name for look in outfits.LOOKS},
        "guests": {row["name"] for row in things.GUESTS},
        "backgrounds": {row["name"] for row in things.BACKGROUNDS},
        "ui-elements": {row["name"] for row in things.UI_ELEMENTS},
        "components": {row["name"] for row in things.COMPONENTS},
    }
    for number, one in enumerate(SERIES):
        for place in range(len(one.episodes)):
            shown = [(link.kind, link.name) for link in links(number, place)]
            assert len(set(shown)) == len(shown)
            assert [name for kind, name in shown if name not in named[kind]] == []
            assert {kind for kind, _ in shown} | {"guests"} == set(named)


def test_of_the_versions_of_a_sample_script_one_is_active() -> None:
    episodes = [episode for one in SERIES for episode in one.episodes]
    assert set(scripts.DRAFTS) < {episode.title for episode in episodes}
    for episode in episodes:
        assert sum(row.get("is_active", False) for row in scripts.versions(episode)) == 1


def test_a_killed_seeding_goes_on_and_doubles_nothing(server: Stack) -> None:
    with program(SEED, server.environ) as first:
        eventually(lambda: len(stored(server, "clips", tag=TAG)) >= 10, within=60)
        first.kill()
    done = subprocess.run(SEED, env=server.environ, capture_output=True, text=True, timeout=240, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    clips, outfits = stored(server, "clips", tag=TAG), stored(server, "outfits", tag=TAG)
    assert (len(stored(server, "episodes", tag=TAG)), len(clips), len(outfits)) == (12, 60, 24)
    assert Counter(clip["mime_type"].partition("/")[0] for clip in clips) == {"image": 54, "video": 6}
    assert all(outfit["image_reference"] for outfit in outfits)
    shown = [
        *((row, "photo") for row in stored(server, "guests", tag=TAG)),
        *((row, "file") for row in stored(server, "backgrounds", tag=TAG) + stored(server, "ui-elements", tag=TAG)),
        *((row, "file") for row in stored(server, "components", tag=TAG)),
        *((row, "thumbnail") for row in stored(server, "episodes", tag=TAG)),
    ]
    assert Counter(what for row, what in shown if row[f"{what}_reference"]) == {"photo": 3, "file": 7, "thumbnail": 12}
    before = everything(server)
    assert "nothing to do" in seeded(server)
    assert everything(server) == before


KINDS = ("shows", "episodes", "clips", "outfits", "guests", "backgrounds", "ui-elements", "components")


def everything(server: Stack) -> dict[str, Any]:
    """All sample rows, what they are linked with, and their scripts."""
    with server.client("admin") as admin:

        def rows(path: str, **params: str) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = admin.get(f"/api/v1/{path}", params={"limit": 100, **params}).json()["data"]
            return found

        episodes = rows("episodes", tag=TAG)
        return {
            **{kind: rows(kind, tag=TAG, include_deleted="true") for kind in KINDS if kind != "shows"},
            **{
                f"{row['title']} {kind}": rows(f"episodes/{row['episode_id']}/{kind}")
                for row in episodes
                for kind in PARTS
            },
        }


PARTS = ("scripts", "outfits", "guests", "backgrounds", "ui-elements", "components")


def test_the_samples_tell_of_links_versions_and_mistakes(server: Stack) -> None:
    seeded(server)
    found = everything(server)
    versions = found["Ten Pieces, Thirty Mornings scripts"]
    assert [(row["version_number"], row["is_active"]) for row in versions] == [(3, True), (2, False), (1, False)]
    (scarf,) = [row for row in found["One Scarf, Nine Ways outfits"] if row["position"] == 1]
    assert (scarf["name"], scarf["worn_by"], scarf["usage_count"]) == ("Market Morning", "Nana Ilse", 2)
    deleted = {kind: row for kind in KINDS[1:] for row in found[kind] if row["deleted_at"]}
    assert set(deleted) == {"episodes", "clips", "outfits", "guests", "ui-elements"}
    assert all(row["deleted_reason"] for row in deleted.values())
    with server.client("admin") as admin:
        path = f"/api/v1/episodes/{deleted['episodes']['episode_id']}"
        assert admin.post(f"{path}/restore").json()["metadata"]["stillDeleted"] == {"clips": 1, "outfits": 1}
        assert "nothing to do" in seeded(server)
        assert admin.get(path).status_code == 200
        admin.delete(path, params={"reason": deleted["episodes"]["deleted_reason"]}).raise_for_status()
