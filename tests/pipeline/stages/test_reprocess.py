"""All thumbnails again: of what is shown now, behind everything else, and never twice at once."""

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from PIL import Image

from tests import media
from tests.command_line import episodes
from tests.eventually import eventually
from tests.resources import CLIP, OUTFIT, create
from tests.stack import Stack, running
from tests.work import ended, entity, ingested, post, storage, unique, upload

PATH = "/api/v1/ingest"
BUCKET = "episodes-thumbnails"
GREEN, RED = (20, 160, 60), (180, 30, 30)
FAILED = """
    update ingest_jobs set status = 'failed', error_code = 'TIMEOUT', error_message = 'x', finished_at = now()
    where job_id = %s
"""


@pytest.fixture(scope="module")
def shared(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of our own: what is asked for concerns all that is stored."""
    with running(services, tmp_path_factory.mktemp("reprocess")) as made:
        yield made


@pytest.fixture
def stack(shared: Stack) -> Stack:
    """The same, with nothing in it."""
    if not shared.worker.alive:
        shared.worker.spawn()
    shared.sql("truncate ingest_jobs, ingest_attempts, files, thumbnails, clips, outfits, ingest_pauses cascade")
    return shared


@pytest.fixture
def chief(stack: Stack) -> Iterator[httpx2.Client]:
    """An admin."""
    with stack.client("admin", "chief") as client:
        yield client


def again(client: httpx2.Client, **wanted: Any) -> dict[str, Any]:
    """The answer to a wish for all pictures that match."""
    answer = client.post(f"{PATH}/reprocess", json={"filter": wanted})
    assert answer.status_code == httpx2.codes.ACCEPTED, answer.text
    made: dict[str, Any] = answer.json()["data"]
    return made


def statuses(client: httpx2.Client, batch_id: str) -> dict[str, int]:
    """How many jobs of a batch stand how."""
    counts = client.get(f"{PATH}/stats", params={"batch_id": batch_id}).json()["data"]["statuses"]
    return {count["status"]: count["jobs"] for count in counts}


def primary(client: httpx2.Client, path: str) -> Image.Image:
    """The largest picture of an entity."""
    row = client.get(f"{path}/thumbnails").json()["data"][0]
    answer = httpx2.get(row["url"], trust_env=False)
    assert len(answer.content) == row["file_size"]
    return Image.open(io.BytesIO(answer.content))


def green(client: httpx2.Client, path: str) -> bool:
    """Whether an entity's picture is that of the green file."""
    return all(media.near(seen, GREEN, 40) for seen in media.corners(primary(client, path)))


def coloured(colour: tuple[int, int, int]) -> bytes:
    """A picture of one colour that nobody has sent before."""
    made = io.BytesIO()
    Image.new("RGB", (640, 360), colour).save(made, "JPEG")
    return unique(made.getvalue())


def spoil(stack: Stack, *prefixes: str) -> int:
    """Overwrite pictures with what is none; how many."""
    s3 = storage(stack.environ)
    keys = [one["Key"] for at in prefixes for one in s3.list_objects_v2(Bucket=BUCKET, Prefix=at).get("Contents", ())]
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"spoiled")
    return len(keys)


def test_all_pictures_are_made_again_a_content_once_whoever_shows_it(stack: Stack, chief: httpx2.Client) -> None:
    data = unique(media.jpeg())
    clips = [ingested(chief, data)["entity_id"] for _ in range(3)]
    outfit = create(chief, OUTFIT)["outfit_id"]
    ended(chief, post(chief, upload(chief, unique(media.jpeg())), outfit, entity_type="outfit"))
    sha256 = entity(chief, CLIP, clips[0])["file_hash"]
    content = f"content/{sha256[:2]}/{sha256}/"
    assert spoil(stack, content, *(f"clips/{clip}/" for clip in clips), f"outfits/{outfit}/") == 15
    made = again(chief)
    assert (made["queued"], made["skipped"]) == (4, 0)
    eventually(lambda: statuses(chief, made["batch_id"]) == {"succeeded": 4}, within=30)
    for path in (*(f"{CLIP.path}/{clip}" for clip in clips), f"{OUTFIT.path}/{outfit}"):
        assert primary(chief, path).size == (1280, 720)
    renderings = storage(stack.environ).head_object(Bucket=BUCKET, Key=f"{content}primary.jpg")
    assert renderings["ContentType"] == "image/jpeg"
    job = chief.get(PATH, params={"kind": "reprocess", "entity_id": outfit}).json()["data"][0]
    assert (job["priority"], job["batch_id"], job["outcome"]) == ("backfill", made["batch_id"], None)
    assert [(stage["name"], stage["status"]) for stage in job["stages"]] == [
        ("ingest", "skipped"),
        ("deduplicate", "skipped"),
        ("thumbnail", "succeeded"),
        ("index", "succeeded"),
    ]
    (row,) = chief.get("/api/v1/audit", params={"entity_id": made["batch_id"]}).json()["data"]
    assert (row["actor"], row["action"], row["after"]) == ("chief", "reprocess", {"jobs": 4, "filter": {}})


def test_asking_again_adds_nothing_while_the_first_waits(stack: Stack, chief: httpx2.Client) -> None:
    clips = [ingested(chief, unique(media.jpeg()))["entity_id"] for _ in range(5)]
    stack.worker.stop()
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: again(chief, entity_type="clip"), range(8)))
    assert [sum(one[key] for one in made) for key in ("queued", "skipped")] == [5, 35]
    assert again(chief, entity_id=clips[0])["queued"] == 0
    assert stack.sql("select count(*) from ingest_jobs where kind = 'reprocess'") == [(5,)]
    key = {"Idempotency-Key": uuid4().hex}
    first, second = (chief.post(f"{PATH}/reprocess", json={"filter": {}}, headers=key) for _ in range(2))
    assert first.json()["data"] == second.json()["data"]
    stack.worker.spawn()
    ended_well = "select count(*) from ingest_jobs where kind = 'reprocess' and status = 'succeeded'"
    eventually(lambda: stack.sql(ended_well) == [(5,)], within=30)
    assert again(chief)["queued"] == 5


def test_a_filter_says_whose_and_how_old(stack: Stack, chief: httpx2.Client) -> None:
    clip = ingested(chief, unique(media.jpeg()))["entity_id"]
    outfit = create(chief, OUTFIT)["outfit_id"]
    ended(chief, post(chief, upload(chief, unique(media.jpeg())), outfit, entity_type="outfit"))
    stack.worker.stop()
    assert again(chief, rendered_before="2020-01-01T00:00:00Z")["queued"] == 0
    assert again(chief, entity_type="guest")["queued"] == 0
    assert again(chief, entity_type="outfit", entity_id=clip)["queued"] == 0
    assert again(chief, entity_id=clip, rendered_before="2999-01-01T00:00:00Z")["queued"] == 1
    assert again(chief, entity_type="outfit")["queued"] == 1


def test_an_upload_does_not_wait_for_a_remake_and_is_not_overwritten_by_it(stack: Stack, chief: httpx2.Client) -> None:
    clip = ingested(chief, coloured(RED))["entity_id"]
    path = f"{CLIP.path}/{clip}"
    paused = chief.post(f"{PATH}/pauses", json={"priority": "backfill", "reason": "first the upload"})
    assert paused.status_code == httpx2.codes.OK
    made = again(chief)
    newer = upload(chief, coloured(GREEN))
    assert ended(chief, post(chief, newer, clip))["status"] == "succeeded"
    assert statuses(chief, made["batch_id"]) == {"queued": 1}
    spoil(stack, f"clips/{clip}/")
    chief.delete(f"{PATH}/pauses/backfill")
    eventually(lambda: statuses(chief, made["batch_id"]) == {"succeeded": 1}, within=30)
    assert entity(chief, CLIP, clip)["file_reference"] == newer
    assert green(chief, path)


def test_remakes_and_uploads_of_one_clip_at_once_end_with_the_last_upload(stack: Stack, chief: httpx2.Client) -> None:
    clip = ingested(chief, coloured(RED))["entity_id"]
    for _ in range(6):
        again(chief)
        ended(chief, post(chief, upload(chief, coloured(RED)), clip))
    again(chief)
    last = upload(chief, coloured(GREEN))
    assert ended(chief, post(chief, last, clip))["status"] == "succeeded"
    eventually(lambda: not stack.sql("select 1 from ingest_jobs where status in ('queued', 'running')"), within=30)
    assert stack.sql("select status, count(*) from ingest_jobs where kind = 'reprocess' group by status") == [
        ("succeeded", stack.sql("select count(*) from ingest_jobs where kind = 'reprocess'")[0][0])
    ]
    assert entity(chief, CLIP, clip)["file_reference"] == last
    assert green(chief, f"{CLIP.path}/{clip}")


def test_a_remake_is_stopped_and_started_again_by_its_batch(stack: Stack, chief: httpx2.Client) -> None:
    ingested(chief, unique(media.jpeg()))
    stack.worker.stop()
    first = again(chief)["batch_id"]
    stopped = chief.post(f"{PATH}/cancel", json={"filter": {"batch_id": first}})
    assert stopped.json()["data"] == {"cancelled": 1, "skipped": 0}
    second = again(chief)["batch_id"]
    wanted = {"filter": {"kind": "reprocess", "status": "cancelled"}}
    assert chief.post(f"{PATH}/retry", json=wanted).json()["data"] == {"retried": 0, "skipped": 1}
    (waiting,) = chief.get(PATH, params={"batch_id": second}).json()["data"]
    (old,) = chief.get(PATH, params={"batch_id": first}).json()["data"]
    refused = chief.post(f"{PATH}/{old['job_id']}/retry")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (409, "CONFLICT")
    chief.post(f"{PATH}/{waiting['job_id']}/cancel")
    assert chief.post(f"{PATH}/retry", json=wanted).json()["data"] == {"retried": 1, "skipped": 1}
    stack.worker.spawn()
    assert ended(chief, waiting)["status"] == "succeeded"


def test_of_a_file_that_is_gone_the_old_pictures_stay_and_the_job_says_why(stack: Stack, chief: httpx2.Client) -> None:
    clip = ingested(chief, unique(media.jpeg()))["entity_id"]
    bucket, _, key = entity(chief, CLIP, clip)["file_reference"].removeprefix("s3://").partition("/")
    storage(stack.environ).delete_object(Bucket=bucket, Key=key)
    made = again(chief)
    eventually(lambda: statuses(chief, made["batch_id"]) == {"failed": 1}, within=30)
    (job,) = chief.get(PATH, params={"batch_id": made["batch_id"]}).json()["data"]
    assert job["error"]["code"] == "SOURCE_MISSING"
    assert primary(chief, f"{CLIP.path}/{clip}").size == (1280, 720)


def test_only_admins_ask_and_nonsense_is_refused(stack: Stack, chief: httpx2.Client) -> None:
    with stack.client("editor") as editor:
        assert editor.post(f"{PATH}/reprocess", json={"filter": {}}).status_code == httpx2.codes.FORBIDDEN
    for body in ({}, {"filter": {"colour": "red"}}, {"filter": {"entity_type": "show"}}):
        assert chief.post(f"{PATH}/reprocess", json=body).status_code == httpx2.codes.BAD_REQUEST
    assert again(chief)["queued"] == 0


def test_the_command_line_asks_and_tells_how_to_look(stack: Stack, chief: httpx2.Client) -> None:
    ingested(chief, unique(media.jpeg()))
    stack.worker.stop()
    asks = "jobs", "reprocess", "--entity-type", "clip"
    told = [episodes(stack.environ, *asks, *more).stdout for more in ((), ("--json",))]
    assert told[0].startswith("1 queued, 0 waited")
    made = json.loads(told[1])
    assert (made["queued"], made["skipped"]) == (0, 1)
