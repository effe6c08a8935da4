"""Objects that nothing refers to are removed, and nothing else is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx2
import psycopg
import pytest

from models.media.s3_signing import MOMENT, SLACK
from tests.chaos.proxy import Hold, Link, Proxy
from tests.command_line import episodes
from tests.eventually import eventually
from tests.pipeline.tasks.house import (
    JOBS,
    MEDIA,
    PATH,
    PICTURE,
    PICTURES,
    REMOVAL,
    another_worker,
    key_of,
    objects,
    over,
    run,
)
from tests.resources import CLIP, COMPONENT, OUTFIT, create
from tests.stack import Stack
from tests.work import ended, entity, ingested, post, storage, unique, upload


def test_only_what_nothing_refers_to_is_removed_and_only_by_a_later_run(stack: Stack, chief: httpx2.Client) -> None:
    data = unique(PICTURE)
    shown = entity(chief, CLIP, ingested(chief, data)["entity_id"])["file_reference"]
    copy, kept, unused, late, by_hand, in_passing, refused = (
        upload(chief, data if name in ("copy", "kept") else unique(PICTURE), f"{name}.jpg")
        for name in ("copy", "kept", "unused", "late", "by_hand", "in_passing", "refused")
    )
    assert ended(chief, post(chief, copy))["outcome"] == "duplicate"
    assert ended(chief, post(chief, kept, on_duplicate="keep"))["outcome"] == "stored"
    assert ended(chief, post(chief, refused, sha256="0" * 64))["status"] == "failed"
    create(chief, OUTFIT, image_reference=by_hand)
    create(chief, COMPONENT, config={"layers": [{"file": in_passing}]})
    storage(stack.environ).put_object(Bucket=MEDIA, Key="import/theirs.jpg", Body=b"theirs")
    pictures = objects(stack, PICTURES)
    assert run(chief, "orphan-objects") == {"found": 4}
    listed = {row["key"]: row["ours"] for row in chief.get(f"{PATH}/orphan-objects/found").json()["data"]}
    assert listed == {**dict.fromkeys(map(key_of, (copy, unused, late)), True), "import/theirs.jpg": False}
    assert ended(chief, post(chief, late))["outcome"] == "stored"
    pictures |= objects(stack, PICTURES)
    with another_worker(stack, ORPHAN_GRACE_HOURS="1"):
        assert run(chief, "orphan-objects") == {"found": 0}
    assert run(chief, "orphan-objects") == {"found": 0, "removed": 2}
    stay = {*map(key_of, (shown, kept, late, by_hand, in_passing, refused)), "import/theirs.jpg"}
    assert objects(stack) == stay
    assert objects(stack, PICTURES) == pictures
    assert [row["key"] for row in chief.get(f"{PATH}/orphan-objects/found").json()["data"]] == ["import/theirs.jpg"]
    assert "import/theirs.jpg" in episodes(stack.environ, "housekeeping", "orphans").stdout


def orphan(stack: Stack, chief: httpx2.Client) -> str:
    """An object of ours that nothing refers to, and that is marked."""
    reference = upload(chief, unique(PICTURE))
    assert run(chief, "orphan-objects") == {"found": 1}
    return reference


def running_now(stack: Stack) -> bool:
    """Whether a run has come to a lock that somebody holds."""
    waiting = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    return bool(stack.sql(waiting))


@pytest.mark.parametrize("said", ["image_reference = %(at)s", "metadata = jsonb_build_object('seen at', %(at)s::text)"])
def test_an_orphan_that_a_row_begins_to_name_while_it_is_looked_up_stays(
    stack: Stack, chief: httpx2.Client, said: str
) -> None:
    outfit = create(chief, OUTFIT)["outfit_id"]
    reference = orphan(stack, chief)
    with psycopg.connect(stack.database_url) as writing:
        writing.execute(f"update outfits set {said} where outfit_id = %(key)s", {"at": reference, "key": outfit})
        chief.post(f"{PATH}/orphan-objects/run")
        eventually(lambda: running_now(stack))
        writing.commit()
    assert "removed" not in over(chief, "orphan-objects")["result"]
    assert run(chief, "orphan-objects") == {"found": 0}
    assert objects(stack) == {key_of(reference)}
    assert chief.get(f"{PATH}/orphan-objects/found").json()["data"] == []


@pytest.fixture
def delayed(stack: Stack) -> Iterator[Proxy]:
    """What is between the worker and the storage."""
    storage = Proxy(urlsplit(stack.environ["S3_ENDPOINT_URL"]).port or 0)
    storage.start()
    with another_worker(stack, S3_ENDPOINT_URL=f"http://127.0.0.1:{storage.port}"):
        yield storage
    storage.stop()


def test_nobody_begins_to_refer_to_what_is_being_removed(stack: Stack, chief: httpx2.Client, delayed: Proxy) -> None:
    outfit = create(chief, OUTFIT)["outfit_id"]
    clip = create(chief, CLIP)["clip_id"]
    reference, hold = orphan(stack, chief), Hold()
    removing = delayed.trap("up", REMOVAL, hold)
    chief.post(f"{PATH}/orphan-objects/run")
    removing.wait()
    body = {"entity_type": "clip", "entity_id": clip, "source_reference": reference}
    for refused in (
        chief.post(JOBS, json=body),
        chief.post(f"{JOBS}/batch", json={"jobs": [body]}),
        chief.patch(f"{OUTFIT.path}/{outfit}", json={"image_reference": reference}),
        chief.patch(f"{OUTFIT.path}/{outfit}", json={"description": f"as in {reference}."}),
    ):
        assert (refused.status_code, refused.headers["Retry-After"]) == (httpx2.codes.SERVICE_UNAVAILABLE, "2")
    hold.release()
    assert over(chief, "orphan-objects")["result"] == {"found": 0, "removed": 1}
    assert objects(stack) == set()
    assert ended(chief, post(chief, reference, clip))["error"]["code"] == "SOURCE_MISSING"


def test_a_removal_that_comes_late_removes_nothing(stack: Stack, chief: httpx2.Client, delayed: Proxy) -> None:
    data = unique(PICTURE)
    reference, hold = upload(chief, data), Hold()
    assert run(chief, "orphan-objects") == {"found": 1}
    removing = delayed.trap("up", REMOVAL, hold)
    chief.post(f"{PATH}/orphan-objects/run")
    removing.wait()
    clip = create(chief, CLIP)["clip_id"]
    body = {"entity_type": "clip", "entity_id": clip, "source_reference": reference}
    job = eventually(lambda: (answer := chief.post(JOBS, json=body)).is_success and answer.json()["data"])
    assert ended(chief, job)["status"] == "succeeded"
    hold.release()
    assert over(chief, "orphan-objects")["result"] == {"found": 0, "put_off": 1}
    assert storage(stack.environ).get_object(Bucket=MEDIA, Key=key_of(reference))["Body"].read() == data


def test_what_is_announced_lasts_longer_than_what_is_signed_whatever_the_clocks_say(
    stack: Stack, chief: httpx2.Client, delayed: Proxy
) -> None:
    reference, sent, hold = orphan(stack, chief), [], Hold()

    def see(link: Link, data: bytes) -> bytes | None:
        sent.append(data)
        return hold(link, data)

    removing = delayed.trap("up", REMOVAL, see)
    chief.post(f"{PATH}/orphan-objects/run")
    removing.wait()
    ((until,),) = stack.sql("select removing_until from orphan_objects where key = %s", key_of(reference))
    hold.release()
    signed = parse_qs(urlsplit(sent[0].split()[1].decode()).query)
    began = datetime.strptime(signed["X-Amz-Date"][0], MOMENT).replace(tzinfo=UTC)
    assert began + timedelta(seconds=int(signed["X-Amz-Expires"][0])) + SLACK < until
    assert over(chief, "orphan-objects")["result"] == {"found": 0, "removed": 1}


# Each look at this row takes its time.
SLOW = """
    insert into guests (name, created_by, updated_by) values ('slow', 'x', 'x');
    alter table guests enable row level security;
    create policy slowly on guests using (pg_sleep(2)::text = '');
"""
QUICK = "drop policy slowly on guests; alter table guests disable row level security; delete from guests"
ASLEEP = "select 1 from pg_stat_activity where wait_event = 'PgSleep'"


def test_however_long_the_look_through_all_texts_takes_nobody_waits_for_it_and_orphans_are_removed(
    stack: Stack, chief: httpx2.Client
) -> None:
    outfit = create(chief, OUTFIT)["outfit_id"]
    named, _ = (upload(chief, unique(PICTURE)) for _ in range(2))
    assert run(chief, "orphan-objects") == {"found": 2}
    stack.sql(SLOW)
    try:
        chief.post(f"{PATH}/orphan-objects/run")
        eventually(lambda: stack.sql(ASLEEP))
        assert chief.patch(f"{OUTFIT.path}/{outfit}", json={"image_reference": named}).is_success
        assert stack.sql(ASLEEP)
        assert over(chief, "orphan-objects")["result"] == {"found": 1, "removed": 1}
    finally:
        stack.sql(QUICK)
    assert objects(stack) == {key_of(named)}
