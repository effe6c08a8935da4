"""The trash is emptied: what was deleted long ago, with its pictures and file, and nothing that others need."""

import io
from uuid import uuid4

import httpx2
from PIL import Image

from tests.pipeline.tasks.house import (
    CAUTIOUS,
    JOBS,
    MEDIA,
    PATH,
    PICTURE,
    another_worker,
    audited,
    deleted,
    gone,
    key_of,
    objects,
    run,
)
from tests.resources import CLIP, EPISODE, OUTFIT, SHOW, create
from tests.stack import Stack
from tests.work import ended, entity, ingested, post, unique, upload


def test_what_was_deleted_long_ago_is_purged_with_its_pictures_and_file(stack: Stack, chief: httpx2.Client) -> None:
    clip, recent = (ingested(chief, unique(PICTURE))["entity_id"] for _ in range(2))
    deleted(stack, chief, f"{CLIP.path}/{clip}")
    deleted(stack, chief, f"{CLIP.path}/{recent}", long_ago=False)
    with another_worker(stack, **CAUTIOUS):
        assert run(chief, "trash") == {}
    assert run(chief, "trash") == {"clips": 1}
    assert gone(chief, f"{CLIP.path}/{clip}")
    assert chief.post(f"{CLIP.path}/{clip}/restore").status_code == httpx2.codes.NOT_FOUND
    actor, action, before, after = audited(chief, entity_id=clip)[-1]
    assert (actor, action, before["clip_id"], before["title"]) == ("housekeeping", "purge", clip, "[redacted]")
    assert len(after["redacted"]) == 3  # made, ingested, deleted
    assert chief.post(f"{CLIP.path}/{recent}/restore").status_code == httpx2.codes.OK
    assert stack.sql("select count(*), count(distinct entity_id) from thumbnails") == [(3, 1)]
    run(chief, "orphan-objects")
    assert run(chief, "orphan-objects")["removed"] == 7  # the file, three pictures of the content, three of the clip
    assert objects(stack) == {key_of(entity(chief, CLIP, recent)["file_reference"])}


def test_failed_jobs_go_with_their_entity_and_the_totals_stay(stack: Stack, chief: httpx2.Client) -> None:
    purged, living = (create(chief, CLIP)["clip_id"] for _ in range(2))
    for clip in (purged, living):
        assert ended(chief, post(chief, f"s3://{MEDIA}/clip/{uuid4()}-never.jpg", clip))["status"] == "failed"
    totals = stack.sql(
        "select name, label, error_code, sum(total) from ingest_totals group by 1, 2, 3 order by 1, 2, 3"
    )
    deleted(stack, chief, f"{CLIP.path}/{purged}")
    assert run(chief, "trash") == {"clips": 1, "failed_jobs": 1}
    task = chief.get(f"{PATH}/trash").json()["data"]["task_id"]
    assert audited(chief, entity_id=task)[-1] == ("housekeeping", "run", None, {"clips": 1, "failed_jobs": 1})
    failed = chief.get(JOBS, params={"status": "failed"}).json()["data"]
    assert [job["entity_id"] for job in failed] == [living]
    stack.sql("delete from ingest_totals where label = 'housekeeping'")
    after = stack.sql("select name, label, error_code, sum(total) from ingest_totals group by 1, 2, 3 order by 1, 2, 3")
    assert after == [row for row in totals if row[1] != "housekeeping"]


def test_what_was_brought_in_again_stays_when_the_trash_is_emptied(stack: Stack, chief: httpx2.Client) -> None:
    data = unique(PICTURE)
    first = ingested(chief, data)["entity_id"]
    deleted(stack, chief, f"{CLIP.path}/{first}")
    again = ingested(chief, data)
    assert (again["outcome"], again["duplicate_of"]["deleted"]) == ("duplicate", True)
    assert run(chief, "trash") == {"clips": 1}
    run(chief, "orphan-objects")
    run(chief, "orphan-objects")
    clip = entity(chief, CLIP, again["entity_id"])
    assert (clip["duplicate_of"], objects(stack)) == (None, {key_of(clip["file_reference"])})
    assert stack.sql("select entity_id::text, displaced_at from files") == [(clip["clip_id"], None)]
    picture = chief.get(f"{CLIP.path}/{clip['clip_id']}/thumbnails").json()["data"][0]["url"]
    assert httpx2.get(picture, trust_env=False).status_code == httpx2.codes.OK


def test_a_file_that_another_clip_shows_stays_and_is_that_ones_now(stack: Stack, chief: httpx2.Client) -> None:
    data = unique(PICTURE)
    first, second = (ingested(chief, data)["entity_id"] for _ in range(2))
    assert entity(chief, CLIP, second)["duplicate_of"] == first
    deleted(stack, chief, f"{CLIP.path}/{first}")
    assert run(chief, "trash") == {"clips": 1}
    run(chief, "orphan-objects")
    assert run(chief, "orphan-objects")["removed"] == 4  # the upload of the duplicate, and pictures of the first
    left = entity(chief, CLIP, second)
    assert (left["duplicate_of"], objects(stack)) == (None, {key_of(left["file_reference"])})
    third = ended(chief, post(chief, upload(chief, data)))
    assert (third["outcome"], third["duplicate_of"]["entity_id"]) == ("duplicate", second)
    assert third["duplicate_of"]["deleted"] is False
    picture = chief.get(f"{CLIP.path}/{second}/thumbnails").json()["data"][0]["url"]
    assert Image.open(io.BytesIO(httpx2.get(picture, trust_env=False).content)).size == (1280, 720)


def test_what_others_belong_to_stays_until_they_are_gone(stack: Stack, chief: httpx2.Client) -> None:
    show = create(chief, SHOW)["show_id"]
    busy, idle = (create(chief, EPISODE, show_id=show, episode_number=number)["episode_id"] for number in (1, 2))
    clip = create(chief, CLIP, episode_id=busy)["clip_id"]
    script = chief.post(f"{EPISODE.path}/{idle}/scripts", json={"content": "Lala waits."}).json()["data"]["script_id"]
    for path in (f"{EPISODE.path}/{busy}", f"{EPISODE.path}/{idle}", f"{SHOW.path}/{show}"):
        deleted(stack, chief, path)
    assert run(chief, "trash") == {"episodes": 1, "kept": 2}
    assert gone(chief, f"{EPISODE.path}/{idle}")
    assert not gone(chief, f"{EPISODE.path}/{busy}")
    assert audited(chief, entity_id=script)[-1][:2] == ("housekeeping", "purge")
    chief.post(f"{CLIP.path}/{clip}/unassign")
    assert run(chief, "trash") == {"episodes": 1, "shows": 1}
    assert gone(chief, f"{SHOW.path}/{show}")
    assert entity(chief, CLIP, clip)["episode_id"] is None


def test_links_go_with_either_side_and_the_other_side_counts_again(stack: Stack, chief: httpx2.Client) -> None:
    outfit, coat = (create(chief, OUTFIT)["outfit_id"] for _ in range(2))
    living, dead = (create(chief, EPISODE)["episode_id"] for _ in range(2))
    for episode, thing in ((living, outfit), (living, coat), (dead, coat)):
        assert chief.put(f"{EPISODE.path}/{episode}/outfits/{thing}", json={}).is_success
    deleted(stack, chief, f"{OUTFIT.path}/{outfit}")
    deleted(stack, chief, f"{EPISODE.path}/{dead}")
    assert run(chief, "trash") == {"outfits": 1, "episodes": 1}
    linked = chief.get(f"{EPISODE.path}/{living}/outfits").json()["data"]
    assert [row["outfit_id"] for row in linked] == [coat]
    assert entity(chief, OUTFIT, coat)["usage_count"] == 1
    assert stack.sql("select count(*) from episode_outfits") == [(1,)]
