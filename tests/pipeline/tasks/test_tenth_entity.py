"""A tenth entity with a file, added as the guide says: its table is made here, its declaration is the worker's."""

from collections.abc import Iterator
from uuid import uuid4

import httpx2
import pytest

from migrations.upgrade import upgrade
from tests import media
from tests.eventually import eventually
from tests.pipeline.tasks.house import EAGER, LONG_AGO, key_of, objects, run
from tests.resources import CLIP, create
from tests.stack import Stack
from tests.work import ended, entity, post, storage, unique, upload

MEDIA, PICTURES = "ten-media", "ten-pictures"
OURS = {"S3_PRIMARY_BUCKET": MEDIA, "S3_THUMBNAIL_BUCKET": PICTURES}  # what others store here would be orphans
TABLE = """
    create table vehicles (
        vehicle_id uuid primary key default uuidv7(),
        name text not null,
        description text,
        photo_reference text,
        metadata jsonb not null default '{}',
        created_at timestamptz not null default now(),
        created_by text not null default 'x',
        updated_at timestamptz not null default now(),
        updated_by text not null default 'x',
        version integer not null default 1,
        deleted_at timestamptz,
        deleted_by text,
        deleted_reason text,
        restored_at timestamptz,
        restored_by text
    );
    select catalog_resource('vehicles', takes_files => true);
"""
JOB = """
    insert into ingest_jobs (kind, entity_type, entity_id, role, source_reference, on_duplicate, priority, stage,
                             request_id, created_by)
    values ('ingest', 'vehicle', %s, 'primary', %s, 'keep', 'interactive', 'ingest', 'r', 'x')
"""


@pytest.fixture(scope="module")
def stack(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of the present nine, whose worker and database know a tenth."""
    there = {bucket["Name"] for bucket in storage(services).list_buckets()["Buckets"]}
    for bucket in {*OURS.values()} - there:
        storage(services).create_bucket(Bucket=bucket)
    made = Stack(services, tmp_path_factory.mktemp("ten"), **OURS, **EAGER)
    made.sql(TABLE)
    upgrade(made.database_url, application_url=made.environ["DATABASE_URL"])  # and the programs' rights on it
    worker = made.child("tests.pipeline.tasks.worker_of_ten")
    try:
        made.api.start()
        made.dispatcher.spawn()
        worker.spawn()
        yield made
    finally:
        worker.stop()
        made.stop()


@pytest.fixture
def chief(stack: Stack) -> Iterator[httpx2.Client]:
    """An admin."""
    with stack.client("admin", "chief") as client:
        for bucket in (MEDIA, PICTURES):
            for key in objects(stack, bucket):
                storage(stack.environ).delete_object(Bucket=bucket, Key=key)
        yield client


def parked(stack: Stack, **says: str) -> str:
    """A vehicle; its key."""
    names = ", ".join(("name", *says))
    query = f"insert into vehicles ({names}) values (%s{', %s' * len(says)}) returning vehicle_id::text"
    key: str = stack.sql(query, "Pier", *says.values())[0][0]
    return key


def test_what_it_names_by_hand_or_in_passing_and_what_its_trash_names_is_no_orphan(
    stack: Stack, chief: httpx2.Client
) -> None:
    shown, trashed, mentioned, described, lost = (upload(chief, unique(media.jpeg())) for _ in range(5))
    parked(stack, photo_reference=shown)
    stack.sql("update vehicles set deleted_at = now() where vehicle_id = %s", parked(stack, photo_reference=trashed))
    parked(stack, metadata=f'{{"seen": "{mentioned}"}}')
    parked(stack, description=f"As in {described}.")
    assert run(chief, "orphan-objects") == {"found": 1}
    assert run(chief, "orphan-objects") == {"found": 0, "removed": 1}
    assert objects(stack, MEDIA) == {key_of(one) for one in (shown, trashed, mentioned, described)}
    assert lost


def test_it_takes_files_and_the_second_copy_it_keeps_is_no_orphan_and_is_read_again(
    stack: Stack, chief: httpx2.Client
) -> None:
    data = unique(media.jpeg())
    first = ended(chief, post(chief, upload(chief, data)))["entity_id"]
    copy, key = upload(chief, data), parked(stack)
    stack.sql(JOB, key, copy)
    shows = "select photo_reference from vehicles where vehicle_id = %s"
    eventually(lambda: stack.sql(shows, key) == [(copy,)])
    assert stack.sql("select count(*) from thumbnails where entity_type = 'vehicle' and entity_id = %s", key) == [(3,)]
    assert run(chief, "orphan-objects") == {"found": 0}
    assert objects(stack, MEDIA) == {key_of(copy), key_of(entity(chief, CLIP, first)["file_reference"])}
    stack.sql("update held_objects set verified_at = '-infinity' where file_reference = %s", copy)
    assert run(chief, "integrity")["checked"] >= 1
    read = "select entity_type, entity_id::text, verified_at > now() - interval '1 minute' from held_objects"
    assert stack.sql(f"{read} where file_reference = %s", copy) == [("vehicle", key, True)]


def test_who_begins_to_name_an_orphan_spares_it(stack: Stack, chief: httpx2.Client) -> None:
    named = upload(chief, unique(media.jpeg()))
    assert run(chief, "orphan-objects") == {"found": 1}
    parked(stack, photo_reference=named)
    assert stack.sql("select count(*) from orphan_objects") == [(0,)]
    assert run(chief, "orphan-objects") == {"found": 0}


def test_its_content_goes_to_who_else_shows_it_when_the_trash_is_emptied(stack: Stack, chief: httpx2.Client) -> None:
    reference, key = upload(chief, unique(media.jpeg())), parked(stack)
    clip = create(chief, CLIP)["clip_id"]
    ended(chief, post(chief, reference, clip))
    stack.sql("update vehicles set photo_reference = %s where vehicle_id = %s", reference, key)
    assert chief.delete(f"{CLIP.path}/{clip}", params={"reason": str(uuid4())}).is_success
    stack.sql(f"update clips set deleted_at = {LONG_AGO} where clip_id = %s", clip)
    assert run(chief, "trash")["clips"] == 1
    owner = "select entity_type, entity_id::text from files where file_reference = %s"
    assert stack.sql(owner, reference) == [("vehicle", key)]
    stack.sql(f"update vehicles set deleted_at = {LONG_AGO} where vehicle_id = %s", key)
    assert run(chief, "trash")["vehicles"] == 1
    assert stack.sql(owner, reference) == []
