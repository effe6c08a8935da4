"""The pictures of an entity: those of its newest file, byte for byte, whoever sleeps, fails or comes late."""

import io
import os
import re
import signal
from collections.abc import Iterator

import httpx2
import pytest
from PIL import Image

from tests import work
from tests.chaos import proxy
from tests.chaos.conftest import world_of
from tests.chaos.proxy import Direction, Hold, answering
from tests.chaos.world import World
from tests.eventually import eventually
from tests.resources import CLIP
from tests.stack import PLAIN

LEASE_SECONDS = 2.0
BUCKET = "episodes-thumbnails"
VARIANTS = ("primary", "medium", "small")
RED, GREEN = (180, 30, 30), (20, 160, 60)
COPY = re.compile(rb"PUT /episodes-thumbnails/clips/")
SMALL = re.compile(rb"PUT /episodes-thumbnails/clips/[^ ?]+/small\.jpg")
ANSWER = re.compile(rb"HTTP/1\.1 \d\d\d")
AWAY = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def world(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world of our own, with two jobs for one clip."""
    with world_of(services, tmp_path_factory.mktemp("places"), LEASE_SECONDS=str(LEASE_SECONDS)) as made:
        yield made


@pytest.fixture
def client(world: World) -> Iterator[httpx2.Client]:
    """An editor; whatever was held passes on in the end."""
    with world.stack.client() as signed_in:
        yield signed_in
    world.calm()


def coloured(colour: tuple[int, int, int]) -> bytes:
    """A picture of one colour that nobody has sent before."""
    made = io.BytesIO()
    Image.new("RGB", (640, 360), colour).save(made, "JPEG")
    return work.unique(made.getvalue())


def read(world: World, key: str) -> bytes:
    """An object, past the application."""
    body: bytes = work.storage(world.stack.environ).get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return body


def in_places(world: World, clip: str) -> list[bytes]:
    """What lies in the places of a clip."""
    return [read(world, f"clips/{clip}/{variant}.jpg") for variant in VARIANTS]


def of_content(world: World, data: bytes) -> list[bytes]:
    """The pictures of a content."""
    sha256 = work.sha256(data)
    return [read(world, f"content/{sha256[:2]}/{sha256}/{variant}.jpg") for variant in VARIANTS]


def shown(client: httpx2.Client, clip: str) -> list[bytes]:
    """What somebody sees who asks for the pictures of a clip."""
    rows = client.get(f"{CLIP.path}/{clip}/thumbnails").json()["data"]
    seen = [httpx2.get(row["url"], **PLAIN).content for row in rows]
    assert [row["size_variant"] for row in rows] == list(VARIANTS)
    assert [row["file_size"] for row in rows] == list(map(len, seen))
    return seen


def lost_leases(world: World) -> int:
    """How often workers have seen that a job is not theirs any more."""
    return world.stack.log("worker").count('"lease lost"')


# Which proxy holds what, after how many of the kind.
POINTS: dict[str, tuple[str, Direction, re.Pattern[bytes], int]] = {
    "while it copies, its request on the way": ("storage", "up", COPY, 1),
    "before it copies, the lease just renewed": ("postgresql", "down", proxy.COMMITTED, 2),
}


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_that_slept_through_its_lease_while_copying_changes_no_newer_picture(
    world: World, client: httpx2.Client, point: str
) -> None:
    where, direction, pattern, skip = POINTS[point]
    sleeper, hold = world.lone(), Hold()
    trap = getattr(world, where).trap(direction, pattern, hold, skip=skip)
    old, new = coloured(RED), coloured(GREEN)
    first = work.post(client, work.upload(client, old))
    clip = first["entity_id"]
    trap.wait()
    assert sleeper.pid is not None
    before = lost_leases(world)
    os.kill(sleeper.pid, signal.SIGSTOP)
    try:
        world.worker()
        assert work.ended(client, first)["status"] == "succeeded"
        second = work.post(client, work.upload(client, new), clip)
        assert work.ended(client, second)["outcome"] == "stored"
        assert in_places(world, clip) == of_content(world, new) == shown(client, clip)
    finally:
        late = world.storage.trap("down", ANSWER, lambda _, data: data)
        hold.release()
        os.kill(sleeper.pid, signal.SIGCONT)
    if where == "storage":
        late.wait()  # the storage has answered the late request
    eventually(lambda: lost_leases(world) > before)
    assert in_places(world, clip) == of_content(world, new) == shown(client, clip)
    assert of_content(world, new) != of_content(world, old)


DUE = "update ingest_jobs set run_at = now() where entity_id = %s and kind = 'reprocess' and status = 'queued'"
LATEST = "select fence, status, run_at > now() from ingest_jobs where entity_id = %s and kind = 'reprocess'"


def put_off_often(world: World, clip: str) -> None:
    """Until the job that puts a clip's pictures back was refused more often than a job is tried."""
    for times in range(1, 6):

        def put_off(times: int = times) -> bool:
            ((fence, status, waits),) = world.stack.sql(LATEST, clip)
            assert status in ("queued", "running")
            return bool(fence >= times and waits)

        eventually(put_off, within=30)
        world.stack.sql(DUE, clip)


@pytest.mark.chaos
def test_pictures_of_a_job_that_fails_do_not_stay(world: World, client: httpx2.Client) -> None:
    world.lone()
    old, new = coloured(GREEN), coloured(RED)
    clip = work.ended(client, work.post(client, work.upload(client, old)))["entity_id"]
    world.storage.trap("up", SMALL, answering(AWAY), times=1000)
    job = work.post(client, work.upload(client, new), clip)
    lay: set[bytes] = set()

    def failed() -> bool:
        lay.update(in_places(world, clip))
        world.stack.sql("update ingest_jobs set run_at = now() where job_id = %s and status = 'queued'", job["job_id"])
        return bool(client.get(f"/api/v1/ingest/{job['job_id']}").json()["data"]["status"] == "failed")

    eventually(failed, within=60)
    assert lay & set(of_content(world, new))
    put_off_often(world, clip)
    world.calm()
    world.stack.sql(DUE, clip)
    eventually(lambda: in_places(world, clip) == of_content(world, old), within=30)
    assert shown(client, clip) == of_content(world, old)
    again = client.post(f"/api/v1/ingest/{job['job_id']}/retry").json()["data"]
    assert work.ended(client, again)["status"] == "succeeded"
    assert in_places(world, clip) == of_content(world, new) == shown(client, clip)
