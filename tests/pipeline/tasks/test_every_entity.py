"""What holds for each entity of the catalog that takes files, in the pipeline and in housekeeping."""

from collections.abc import Iterator

import httpx2
import pytest

from models.catalog import CATALOG
from tests import media
from tests.eventually import eventually
from tests.pipeline.tasks.house import EAGER, JOBS, LONG_AGO, MEDIA, OURS, audited, gone, key_of, objects, run
from tests.resources import INGESTED, RESOURCES, Resource, create
from tests.stack import Stack, running
from tests.work import ended, entity, ingested, post, storage, unique, upload

every = pytest.mark.parametrize("resource", INGESTED, ids=lambda resource: resource.name)


@pytest.fixture(scope="module")
def stack(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with buckets of its own, that waits for nothing before it tidies up."""
    there = {bucket["Name"] for bucket in storage(services).list_buckets()["Buckets"]}
    for bucket in {*OURS.values()} - there:
        storage(services).create_bucket(Bucket=bucket)
    with running(services, tmp_path_factory.mktemp("every"), **OURS, **EAGER) as started:
        yield started


@pytest.fixture
def chief(stack: Stack) -> Iterator[httpx2.Client]:
    """An admin of a storage with nothing in it."""
    with stack.client("admin", "chief") as client:
        for key in objects(stack):
            storage(stack.environ).delete_object(Bucket=MEDIA, Key=key)
        yield client


def made(client: httpx2.Client, resource: Resource, **fields: str) -> str:
    """A new row that names no object of other buckets; its key."""
    none = dict.fromkeys(CATALOG[resource.name].references.keys() & resource.new.keys())
    key: str = create(client, resource, **(none | fields))[resource.key]
    return key


@every
def test_its_second_copy_and_what_it_names_by_hand_are_no_orphans(
    stack: Stack, chief: httpx2.Client, resource: Resource
) -> None:
    data = unique(media.jpeg())
    ingested(chief, data)
    (column, *_) = CATALOG[resource.name].references
    copy, keeper = upload(chief, data), made(chief, resource)
    job = ended(chief, post(chief, copy, keeper, entity_type=resource.name, on_duplicate="keep"))
    assert (job["status"], entity(chief, resource, keeper)[column]) == ("succeeded", copy)
    kept = {copy}
    if column in CATALOG[resource.name].new.__struct_fields__:
        kept.add(upload(chief, unique(media.jpeg())))
        made(chief, resource, **{column: next(iter(kept - {copy}))})
    assert run(chief, "orphan-objects") == {"found": 0}
    assert {key_of(one) for one in kept} <= objects(stack)


@every
def test_its_pictures_are_made_again(stack: Stack, chief: httpx2.Client, resource: Resource) -> None:
    key = made(chief, resource)
    ended(chief, post(chief, upload(chief, unique(media.jpeg())), key, entity_type=resource.name))
    wanted = {"filter": {"entity_type": resource.name, "entity_id": key}}
    assert chief.post(f"{JOBS}/reprocess", json=wanted).json()["data"]["queued"] == 1
    done = {"kind": "reprocess", "entity_id": key, "status": "succeeded"}
    eventually(lambda: chief.get(JOBS, params=done).json()["data"])
    assert len(chief.get(f"{resource.path}/{key}/thumbnails").json()["data"]) == 3


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.name)
def test_it_is_purged_and_what_the_log_says_of_it_is_redacted(
    stack: Stack, chief: httpx2.Client, resource: Resource
) -> None:
    key, table = made(chief, resource), CATALOG[resource.name].table.name
    path = f"{resource.path}/{key}"
    assert chief.delete(path).is_success
    stack.sql(f"update {table} set deleted_at = {LONG_AGO} where {resource.key} = %s", key)
    assert run(chief, "trash")[table] == 1
    assert gone(chief, path)
    actor, action, before, after = audited(chief, entity_id=key)[-1]
    assert (actor, action, before[resource.title]) == ("housekeeping", "purge", "[redacted]")
    assert len(after["redacted"]) == 2  # made, deleted
