"""Stored objects are read again: what is corrupt or missing is found, told, and over when it is mended."""

import json
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
from nanio.storage.paths import object_path

from tests import media
from tests.command_line import episodes
from tests.eventually import eventually
from tests.pipeline.tasks.house import (
    JOBS,
    LONG_AGO,
    MEDIA,
    PATH,
    PICTURE,
    PICTURES,
    another_worker,
    key_of,
    over,
    run,
)
from tests.resources import CLIP, OUTFIT, create
from tests.stack import Stack
from tests.work import ended, entity, ingested, post, storage, unique, upload


@pytest.fixture
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the storage keeps its files."""
    return tmp_path_factory.getbasetemp() / "services0" / "objects"


def test_corrupt_and_missing_objects_are_found_on_the_disk_told_and_over_when_mended(
    stack: Stack, chief: httpx2.Client, disk: Path
) -> None:
    sound, rotten, lost, young = (ingested(chief, unique(PICTURE))["entity_id"] for _ in range(4))
    stack.sql(f"update files set stored_at = {LONG_AGO} where entity_id <> %s", young)
    places = {
        clip: object_path(disk, MEDIA, key_of(entity(chief, CLIP, clip)["file_reference"])) for clip in (rotten, lost)
    }
    whole = {clip: place.read_bytes() for clip, place in places.items()}
    flipped = bytearray(whole[rotten])
    flipped[len(flipped) // 2] ^= 1
    places[rotten].write_bytes(flipped)
    places[lost].unlink()
    assert run(chief, "integrity") == {
        "checked": 3 + 9,
        "corrupt": 1,
        "missing": 1,
    }  # with the pictures of those contents
    findings = chief.get("/api/v1/integrity/findings").json()["data"]
    assert {(row["kind"], row["entity_id"]) for row in findings} == {("corrupt", rotten), ("missing", lost)}
    summary = chief.get("/api/v1/integrity").json()["data"]
    assert (summary["files"], summary["overdue"], summary["corrupt"], summary["missing"]) == (4, 0, 1, 1)
    metrics = httpx2.get(f"{stack.url}/metrics", trust_env=False).text
    assert 'episodes_integrity_findings{kind="corrupt"} 1.0' in metrics
    told = episodes(stack.environ, "integrity")
    assert (told.returncode, told.stdout.splitlines()[-1]) == (1, "4 files: 1 corrupt, 1 missing, 0 not read in time")
    for clip, place in places.items():
        place.write_bytes(whole[clip])
    assert run(chief, "integrity") == {"checked": 2}
    assert chief.get("/api/v1/integrity/findings").json()["data"] == []
    assert len(chief.get("/api/v1/integrity/findings", params={"resolved": True}).json()["data"]) == 2
    told = episodes(stack.environ, "integrity", "--json")
    assert (told.returncode, json.loads(told.stdout)["findings"]) == (0, [])
    assert entity(chief, CLIP, sound)["file_hash"]


def test_a_file_that_breaks_off_and_one_that_grew_are_corrupt_and_hold_up_nothing(
    stack: Stack, chief: httpx2.Client, disk: Path
) -> None:
    keys = [
        key_of(entity(chief, CLIP, ingested(chief, unique(PICTURE))["entity_id"])["file_reference"]) for _ in range(3)
    ]
    short = object_path(disk, MEDIA, keys[0])
    short.write_bytes(short.read_bytes()[:-10])
    storage(stack.environ).put_object(
        Bucket=MEDIA, Key=keys[1], Body=object_path(disk, MEDIA, keys[1]).read_bytes() + b"x"
    )
    stack.sql(f"update files set stored_at = {LONG_AGO}")
    assert run(chief, "integrity") == {"checked": 3 + 9, "corrupt": 2}
    assert run(chief, "integrity") == {"checked": 2, "corrupt": 2}
    assert len(chief.get("/api/v1/integrity/findings").json()["data"]) == 2


def test_reading_is_throttled(stack: Stack, chief: httpx2.Client) -> None:
    for _ in range(4):
        ingested(chief, unique(PICTURE))
    stack.sql(f"update files set stored_at = {LONG_AGO}")
    sizes = "select sum(file_size + (select sum((p ->> 'file_size')::int) from jsonb_array_elements(thumbnails) as p))"
    ((size,),) = stack.sql(f"{sizes} from files")
    with another_worker(stack, INTEGRITY_BYTES_PER_SECOND=str(int(size) // 2)):
        assert run(chief, "integrity") == {"checked": 4 + 12}
        last = over(chief, "integrity")
    worked = "select extract(epoch from finished_at - started_at)::float8 from ingest_jobs where job_id = %s"
    assert stack.sql(worked, last["job_id"])[0][0] >= 1.9


# A job that two workers died of: it runs with nothing beside it.
SUSPECT = """
    with lost as (
        insert into ingest_attempts (job_id, fence, stage, attempt, worker, finished_at, result)
        values (%s, 1, 'ingest', 1, 'gone', now(), 'lost')
    )
    update ingest_jobs set fence = 2, attempts = 2 where job_id = %s
"""


def test_a_long_reading_gives_way_to_who_waits_to_be_alone(stack: Stack, chief: httpx2.Client) -> None:
    ingested(chief, unique(PICTURE))
    stack.sql(f"update files set stored_at = {LONG_AGO}")
    reading = "select 1 from ingest_jobs where kind = 'housekeeping' and status = 'running'"
    with another_worker(stack, INTEGRITY_BYTES_PER_SECOND="1"):  # half an hour an object
        first = chief.post(f"{PATH}/integrity/run").json()["data"]["job_id"]
        eventually(lambda: stack.sql(reading))
        chief.post(f"{JOBS}/pauses", json={"priority": "batch", "reason": "x"})
        job = post(chief, upload(chief, unique(PICTURE)), priority="batch")
        stack.sql(SUSPECT, job["job_id"], job["job_id"])
        chief.delete(f"{JOBS}/pauses/batch")
        assert ended(chief, job, within=30)["status"] == "succeeded"
        ended_well = "select status, result from ingest_jobs where job_id = %s"
        assert stack.sql(ended_well, first) == [("succeeded", {})]  # nothing was read yet; the next run does


def place_of(disk: Path, reference: str) -> Path:
    """Where the storage keeps an object."""
    bucket, _, key = reference.removeprefix("s3://").partition("/")
    found: Path = object_path(disk, bucket, key)
    return found


def pictures_of(chief: httpx2.Client, clip: str) -> list[str]:
    """Where an entity's pictures are, the largest first."""
    return [row["file_reference"] for row in chief.get(f"{CLIP.path}/{clip}/thumbnails").json()["data"]]


def test_corrupt_and_missing_objects_of_pictures_second_copies_and_what_was_named_by_hand_are_found(
    stack: Stack, chief: httpx2.Client, disk: Path
) -> None:
    data = unique(PICTURE)
    clip = ingested(chief, data)["entity_id"]
    sha256 = entity(chief, CLIP, clip)["file_hash"]
    copy = upload(chief, data)
    keeper = ended(chief, post(chief, copy, on_duplicate="keep"))["entity_id"]
    named, never = upload(chief, unique(PICTURE)), f"s3://{MEDIA}/clip/{uuid4()}-never.jpg"
    outfit, other = (create(chief, OUTFIT, image_reference=named)["outfit_id"] for _ in range(2))
    stack.sql("update outfits set image_reference = %s where outfit_id = %s", never, other)
    content = f"s3://{PICTURES}/content/{sha256[:2]}/{sha256}/small.jpg"
    primary, medium, _ = pictures_of(chief, keeper)
    stack.sql(f"update files set stored_at = {LONG_AGO}")
    stack.sql(f"update thumbnails set processed_at = {LONG_AGO}")
    stack.sql(f"update held_objects set verified_at = {LONG_AGO}")
    expected = {"checked": 4 + 6 + 3, "missing": 1}
    assert run(chief, "integrity") == expected  # the content and its pictures, those of two clips, three copies
    (finding,) = chief.get("/api/v1/integrity/findings").json()["data"]
    assert (finding["file_reference"], finding["entity_id"], finding["sha256"]) == (never, other, None)
    due = "update {} set verified_at = now() - interval '40 days'"
    for table in ("files", "thumbnails", "held_objects"):
        stack.sql(due.format(table))
    older = place_of(disk, pictures_of(chief, clip)[1]).read_bytes()
    wrong = {"corrupt": {copy: keeper, primary: keeper, content: clip, named: outfit}, "missing": {medium: keeper}}
    whole = {at: place_of(disk, at).read_bytes() for kind in wrong.values() for at in kind}
    for at in wrong["corrupt"]:
        place_of(disk, at).write_bytes(bytes(len(whole[at])))
    place_of(disk, medium).unlink()
    assert run(chief, "integrity") == {"checked": 1 + 4 + 6 + 2, "corrupt": 4, "missing": 2}
    found = chief.get("/api/v1/integrity/findings").json()["data"]
    told = {(one["kind"], one["file_reference"], one["entity_id"]) for one in found}
    seen = {(kind, at, of) for kind, of_kind in wrong.items() for at, of in of_kind.items()}
    assert told == {*seen, ("missing", never, other)}
    for at, before in whole.items():
        place_of(disk, at).write_bytes(before)
    chief.patch(f"{OUTFIT.path}/{other}", json={"image_reference": None})
    assert run(chief, "integrity") == {"checked": 5}
    assert chief.get("/api/v1/integrity/findings").json()["data"] == []
    assert older == place_of(disk, medium).read_bytes()


def test_pictures_of_another_content_in_the_places_of_an_entity_are_corrupt_and_a_remake_puts_them_right(
    stack: Stack, chief: httpx2.Client, disk: Path
) -> None:
    clip, other = (ingested(chief, unique(media.jpeg((320 + number, 200))))["entity_id"] for number in range(2))
    mine, theirs = pictures_of(chief, clip), pictures_of(chief, other)
    before = [place_of(disk, at).read_bytes() for at in mine]
    for at, foreign in zip(mine, theirs, strict=True):
        storage(stack.environ).put_object(Bucket=PICTURES, Key=key_of(at), Body=place_of(disk, foreign).read_bytes())
    # As of rows that were written before hashes of pictures were noted.
    stack.sql(f"update thumbnails set processed_at = {LONG_AGO}, picture_sha256 = null")
    assert run(chief, "integrity") == {"checked": 6, "corrupt": 3}
    found = chief.get("/api/v1/integrity/findings").json()["data"]
    assert {(one["entity_id"], one["file_reference"]) for one in found} == {(clip, at) for at in mine}
    chief.post(f"{JOBS}/reprocess", json={"filter": {"entity_id": clip}})
    eventually(lambda: chief.get(JOBS, params={"kind": "reprocess", "status": "succeeded"}).json()["data"])
    assert [place_of(disk, at).read_bytes() for at in mine] == before
    assert run(chief, "integrity") == {"checked": 3}
    assert chief.get("/api/v1/integrity/findings").json()["data"] == []
