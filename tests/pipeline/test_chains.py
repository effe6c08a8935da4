"""The main job from POST to picture, through the API and real workers."""

import gzip
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from PIL import Image

from tests import media
from tests.eventually import eventually
from tests.resources import CLIP, EPISODE, OUTFIT, Resource, create
from tests.stack import PLAIN, Stack
from tests.work import ended, entity, ingested, post, sha256, storage, unique, upload

CHAIN = ("ingest", "deduplicate", "thumbnail", "index")
SIZES = {"primary": (1280, 720), "medium": (640, 360), "small": (320, 180)}


def pictures(client: httpx2.Client, path: str) -> dict[str, Image.Image]:
    """The thumbnails of an entity, fetched by their URLs."""
    rows = client.get(f"{path}/thumbnails").json()["data"]
    found: dict[str, Image.Image] = {}
    for row in rows:
        answer = httpx2.get(row["url"], **PLAIN)
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert len(answer.content) == row["file_size"]
        found[row["size_variant"]] = Image.open(io.BytesIO(answer.content))
    return found


def test_a_photo_is_stored_hashed_pictured_and_found(editor: httpx2.Client) -> None:
    data = unique(media.jpeg((1200, 900), orientation=6))
    title = f"Pier walk {uuid4().hex}"
    clip_id = create(editor, CLIP, title=title)["clip_id"]
    reference = upload(editor, data)
    job = ended(editor, post(editor, reference, clip_id))
    assert (job["status"], job["outcome"], job["error"]) == ("succeeded", "stored", None)
    assert [(stage["name"], stage["status"]) for stage in job["stages"]] == [
        ("ingest", "succeeded"),
        ("deduplicate", "succeeded"),
        ("thumbnail", "succeeded"),
        ("index", "succeeded"),
    ]
    clip = entity(editor, CLIP, clip_id)
    assert (clip["file_hash"], clip["file_size"], clip["file_reference"]) == (sha256(data), len(data), reference)
    assert (clip["mime_type"], clip["width"], clip["height"]) == ("image/jpeg", 1200, 900)
    assert clip["duplicate_of"] is None
    shown = pictures(editor, f"{CLIP.path}/{clip_id}")
    assert {variant: picture.size for variant, picture in shown.items()} == SIZES
    for picture in shown.values():
        assert picture.mode == "RGB"
        assert not picture.getexif()
    hits = editor.get("/api/v1/search", params={"q": title}).json()["data"]
    assert [hit["entity_id"] for hit in hits] == [clip_id]
    assert httpx2.get(hits[0]["thumbnail_url"], **PLAIN).status_code == 200


def test_thumbnails_lie_at_their_keys(editor: httpx2.Client) -> None:
    job = ingested(editor, unique(media.jpeg()))
    rows = editor.get(f"{CLIP.path}/{job['entity_id']}/thumbnails").json()["data"]
    assert {row["size_variant"]: row["file_reference"] for row in rows} == {
        variant: f"s3://episodes-thumbnails/clips/{job['entity_id']}/{variant}.jpg" for variant in SIZES
    }
    assert {(row["width"], row["height"]) for row in rows} == set(SIZES.values())


def test_a_video_tells_its_length_and_shows_no_black_frame(editor: httpx2.Client, tmp_path: Path) -> None:
    path = media.clip(tmp_path / "walk.mp4", [*media.flat(24), *media.moving(48)])
    job = ingested(editor, path.read_bytes() + media.box(b"free", uuid4().bytes), name="walk.mp4", kind="video/mp4")
    assert job["outcome"] == "stored", job
    clip = entity(editor, CLIP, job["entity_id"])
    assert clip["duration_seconds"] == pytest.approx(3.0, abs=0.1)
    assert (clip["width"], clip["height"], clip["frame_rate"], clip["codec"]) == (320, 180, 24.0, "h264")
    primary = pictures(editor, f"{CLIP.path}/{job['entity_id']}")["primary"]
    assert all(media.near(seen, wanted, 60) for seen, wanted in zip(media.corners(primary), media.CORNERS, strict=True))


def test_an_outfit_gets_its_picture(editor: httpx2.Client) -> None:
    outfit = create(editor, OUTFIT)
    reference = upload(editor, unique(media.jpeg()), entity_type="outfit")
    job = ended(editor, post(editor, reference, outfit["outfit_id"], entity_type="outfit"))
    assert job["outcome"] == "stored"
    assert entity(editor, OUTFIT, outfit["outfit_id"])["image_reference"] == reference
    assert set(pictures(editor, f"{OUTFIT.path}/{outfit['outfit_id']}")) == set(SIZES)


def test_an_episode_takes_a_thumbnail_a_trailer_and_a_script(editor: httpx2.Client, tmp_path: Path) -> None:
    episode = create(editor, EPISODE)["episode_id"]
    trailer = media.clip(tmp_path / "trailer.mp4", media.moving(24)).read_bytes() + media.box(b"free", uuid4().bytes)
    sent = {
        "thumbnail": upload(editor, unique(media.jpeg()), entity_type="episode"),
        "trailer": upload(editor, trailer, "trailer.mp4", "video/mp4", entity_type="episode"),
        "script": upload(editor, uuid4().hex.encode(), "script.txt", "text/plain", entity_type="episode"),
    }
    for role, reference in sent.items():
        job = ended(editor, post(editor, reference, episode, entity_type="episode", role=role))
        assert job["outcome"] == "stored", job
    row = entity(editor, EPISODE, episode)
    assert row["thumbnail_reference"] == sent["thumbnail"]
    assert row["trailer_reference"] == sent["trailer"]
    assert row["script_file_reference"] == sent["script"]
    primary = pictures(editor, f"{EPISODE.path}/{episode}")["primary"]
    assert primary.size == SIZES["primary"]


def test_a_trailer_does_not_replace_the_picture_chosen_for_an_episode(editor: httpx2.Client, tmp_path: Path) -> None:
    episode = create(editor, EPISODE)["episode_id"]
    ended(editor, post(editor, upload(editor, unique(media.jpeg())), episode, entity_type="episode", role="thumbnail"))
    chosen = editor.get(f"{EPISODE.path}/{episode}/thumbnails").json()["data"][0]
    trailer = media.clip(tmp_path / "trailer.mp4", media.moving(24)).read_bytes() + media.box(b"free", uuid4().bytes)
    reference = upload(editor, trailer, "trailer.mp4", "video/mp4")
    job = ended(editor, post(editor, reference, episode, entity_type="episode", role="trailer"))
    assert job["outcome"] == "stored"
    kept = editor.get(f"{EPISODE.path}/{episode}/thumbnails").json()["data"][0]
    assert (kept["processed_at"], kept["file_size"]) == (chosen["processed_at"], chosen["file_size"])


def test_a_duplicate_is_linked_to_the_stored_file_and_not_decoded(editor: httpx2.Client) -> None:
    data = unique(media.jpeg())
    first = ingested(editor, data)
    second = ingested(editor, data)
    assert (second["status"], second["outcome"]) == ("succeeded", "duplicate")
    assert second["duplicate_of"] == {
        "entity_type": "clip",
        "entity_id": first["entity_id"],
        "file_reference": first["source_reference"],
        "deleted": False,
    }
    clip = entity(editor, CLIP, second["entity_id"])
    assert clip["file_reference"] == first["source_reference"]
    assert clip["duplicate_of"] == first["entity_id"]
    assert clip["file_hash"] == sha256(data)
    original = pictures(editor, f"{CLIP.path}/{first['entity_id']}")
    copies = pictures(editor, f"{CLIP.path}/{second['entity_id']}")
    assert {variant: picture.tobytes() for variant, picture in copies.items()} == {
        variant: picture.tobytes() for variant, picture in original.items()
    }
    listed = editor.get(CLIP.path, params={"duplicates": True, "file_hash": sha256(data)}).json()["data"]
    assert [row["clip_id"] for row in listed] == [second["entity_id"]]


def test_a_duplicate_is_refused_or_kept_where_that_is_asked(editor: httpx2.Client) -> None:
    data = unique(media.jpeg())
    first = ingested(editor, data)
    refused = ingested(editor, data, on_duplicate="reject")
    assert (refused["status"], refused["error"]["code"]) == ("failed", "DUPLICATE")
    assert first["entity_id"] in refused["error"]["message"]
    assert entity(editor, CLIP, refused["entity_id"])["file_reference"] is None
    kept = ingested(editor, data, on_duplicate="keep")
    assert (kept["outcome"], kept["duplicate_of"]["entity_id"]) == ("stored", first["entity_id"])
    assert entity(editor, CLIP, kept["entity_id"])["file_reference"] == kept["source_reference"]


def test_a_duplicate_of_something_in_the_trash_says_so(editor: httpx2.Client) -> None:
    data = unique(media.jpeg())
    first = ingested(editor, data)
    editor.delete(f"{CLIP.path}/{first['entity_id']}")
    new = {"file_name": "a.jpg", "file_type": "image/jpeg", "entity_type": "clip", "file_size": len(data)}
    told = editor.post("/api/v1/upload/generate-url", json=new | {"sha256": sha256(data)}).json()["data"]
    assert (told["duplicateOf"]["entity_id"], told["duplicateOf"]["deleted"]) == (first["entity_id"], True)
    second = ingested(editor, data)
    assert (second["outcome"], second["duplicate_of"]["deleted"]) == ("duplicate", True)
    assert set(pictures(editor, f"{CLIP.path}/{second['entity_id']}")) == set(SIZES)


@pytest.mark.parametrize("kind", [CLIP, OUTFIT], ids=["clip", "outfit"])
def test_what_a_living_one_shows_is_not_told_to_lie_in_the_trash(editor: httpx2.Client, kind: Resource) -> None:
    data = unique(media.jpeg())
    first = ingested(editor, data)
    shown = create(editor, kind)[kind.key]
    entity_type = kind.key.removesuffix("_id")
    ended(editor, post(editor, upload(editor, data), shown, entity_type=entity_type))
    editor.delete(f"{CLIP.path}/{first['entity_id']}")
    new = {"file_name": "a.jpg", "file_type": "image/jpeg", "entity_type": "clip", "file_size": len(data)}
    told = editor.post("/api/v1/upload/generate-url", json=new | {"sha256": sha256(data)}).json()["data"]
    of = {"entity_type": entity_type, "entity_id": shown, "file_reference": first["source_reference"], "deleted": False}
    assert told["duplicateOf"] == of
    assert ingested(editor, data)["duplicate_of"] == of


def shows_the_scene(client: httpx2.Client, clip_id: str) -> bool:
    """Whether all pictures of a clip are of the scene, not of another file."""
    shown = pictures(client, f"{CLIP.path}/{clip_id}")
    return set(shown) == set(SIZES) and all(
        media.near(seen, wanted)
        for picture in shown.values()
        for seen, wanted in zip(media.corners(picture), media.CORNERS, strict=True)
    )


def green() -> bytes:
    """A picture of one colour."""
    return unique(media.encoded(Image.new("RGB", (640, 360), (0, 160, 0)), "JPEG"))


def test_a_duplicate_keeps_its_picture_when_the_original_shows_another(editor: httpx2.Client) -> None:
    data = unique(media.jpeg())
    first, second = ingested(editor, data), ingested(editor, data)
    assert second["outcome"] == "duplicate"
    assert ended(editor, post(editor, upload(editor, green()), first["entity_id"]))["outcome"] == "stored"
    assert shows_the_scene(editor, second["entity_id"])
    assert not shows_the_scene(editor, first["entity_id"])


def test_a_content_that_nobody_shows_any_more_belongs_to_whoever_brings_it_next(editor: httpx2.Client) -> None:
    data = unique(media.jpeg())
    first = ingested(editor, data)
    assert ended(editor, post(editor, upload(editor, green()), first["entity_id"]))["outcome"] == "stored"
    known = {"file_name": "a.jpg", "file_type": "image/jpeg", "entity_type": "clip", "file_size": 9}
    assert (
        "duplicateOf"
        not in editor.post("/api/v1/upload/generate-url", json=known | {"sha256": sha256(data)}).json()["data"]
    )
    second = ingested(editor, data)
    assert (second["outcome"], second["duplicate_of"]) == ("stored", None)
    assert entity(editor, CLIP, second["entity_id"])["file_reference"] == first["source_reference"]
    assert shows_the_scene(editor, second["entity_id"])
    third = ingested(editor, data)
    assert third["duplicate_of"]["entity_id"] == second["entity_id"]


def test_the_same_file_for_the_same_clip_again_is_a_duplicate_of_itself(editor: httpx2.Client) -> None:
    data = unique(media.jpeg())
    first = ingested(editor, data)
    again = ended(editor, post(editor, upload(editor, data), first["entity_id"]))
    assert (again["outcome"], again["duplicate_of"]["entity_id"]) == ("duplicate", first["entity_id"])
    clip = entity(editor, CLIP, first["entity_id"])
    assert (clip["file_reference"], clip["duplicate_of"]) == (first["source_reference"], None)
    refused = ended(editor, post(editor, upload(editor, data), first["entity_id"], on_duplicate="reject"))
    assert refused["error"]["code"] == "DUPLICATE"


def test_of_identical_files_at_once_for_one_clip_exactly_one_is_stored(editor: httpx2.Client) -> None:
    data = unique(media.jpeg())
    clip_id = create(editor, CLIP)["clip_id"]
    posted = [post(editor, upload(editor, data), clip_id) for _ in range(5)]
    outcomes = sorted(ended(editor, job)["outcome"] for job in posted)
    assert outcomes == ["duplicate"] * 4 + ["stored"]


def test_two_files_at_once_for_one_clip_do_not_mix(editor: httpx2.Client) -> None:
    for _ in range(4):
        scene, other = unique(media.jpeg()), green()
        clip_id = create(editor, CLIP)["clip_id"]
        posted = [post(editor, upload(editor, data), clip_id) for data in (scene, other)]
        assert {ended(editor, job)["outcome"] for job in posted} == {"stored"}
        shown = entity(editor, CLIP, clip_id)["file_hash"]
        assert shows_the_scene(editor, clip_id) == (shown == sha256(scene))


def test_a_file_counts_by_its_own_bytes_however_its_upload_was_encoded(server: Stack, editor: httpx2.Client) -> None:
    packed = gzip.compress(unique(media.jpeg()) + b"\0" * (40 * 1024 * 1024))
    key = f"clip/{uuid4()}-packed.jpg"
    storage(server.environ).put_object(Bucket="episodes-media", Key=key, Body=packed, ContentEncoding="gzip")
    job = ended(editor, post(editor, f"s3://episodes-media/{key}"))
    assert job["error"]["code"] == "UNSUPPORTED_MEDIA_TYPE"


def test_of_identical_files_at_once_exactly_one_is_stored(editor: httpx2.Client) -> None:
    data = unique(media.jpeg((2400, 1800)))
    with ThreadPoolExecutor(8) as threads:
        references = list(threads.map(lambda _: upload(editor, data), range(12)))
        posted = list(threads.map(lambda reference: post(editor, reference), references))
    jobs = [ended(editor, job) for job in posted]
    assert sorted(job["outcome"] for job in jobs) == ["duplicate"] * 11 + ["stored"]
    (stored,) = (job for job in jobs if job["outcome"] == "stored")
    assert {job["duplicate_of"]["entity_id"] for job in jobs if job["duplicate_of"]} == {stored["entity_id"]}
    assert all(set(pictures(editor, f"{CLIP.path}/{job['entity_id']}")) == set(SIZES) for job in jobs)


def test_twins_of_a_broken_file_are_each_told_that_it_is_broken(editor: httpx2.Client) -> None:
    data = media.cut(media.jpeg((2000, 1500), comment=uuid4().bytes), 0.5)
    posted = [post(editor, upload(editor, data)) for _ in range(4)]
    jobs = [ended(editor, job) for job in posted]
    assert [job["error"] and job["error"]["code"] for job in jobs] == ["CORRUPT_FILE"] * 4, jobs


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "EMPTY_FILE"),
        (media.cut(media.jpeg()), "CORRUPT_FILE"),
        (b"Dear diary, this is no picture.\n" * 9, "UNSUPPORTED_MEDIA_TYPE"),
        (b"\0\1\2\3 nothing that anybody knows" * 9, "UNSUPPORTED_MEDIA_TYPE"),
        (media.jpeg() + b"\0" * (10 * 1024 * 1024), "FILE_TOO_LARGE"),
    ],
    ids=["empty", "truncated", "renamed text", "unknown format", "too large"],
)
def test_a_bad_file_is_told_at_once(server: Stack, editor: httpx2.Client, data: bytes, code: str) -> None:
    key = f"clip/{uuid4()}-a.jpg"
    storage(server.environ).put_object(Bucket="episodes-media", Key=key, Body=data)
    job = ended(editor, post(editor, f"s3://episodes-media/{key}"))
    assert (job["status"], job["error"]["code"], job["attempts"]) == ("failed", code, 1)
    assert len(job["error"]["message"]) > 10
    assert entity(editor, CLIP, job["entity_id"])["file_reference"] is None


def test_a_job_says_what_a_file_is_and_what_is_taken_as_the_api_does(server: Stack, editor: httpx2.Client) -> None:
    key = f"clip/{uuid4()}-notes.txt"
    storage(server.environ).put_object(Bucket="episodes-media", Key=key, Body=b"INT. STUDIO - DAY\n" * 9)
    message = ended(editor, post(editor, f"s3://episodes-media/{key}"))["error"]["message"]
    assert message.startswith("This is a text file. A clip takes JPEG, PNG,")
    assert message.endswith("Send documents to the script of an episode.")


def test_a_missing_object_is_told_at_once(editor: httpx2.Client) -> None:
    job = ended(editor, post(editor, f"s3://episodes-media/clip/{uuid4()}-never-sent.jpg"))
    assert (job["error"]["code"], job["attempts"]) == ("SOURCE_MISSING", 1)


def test_a_hash_that_does_not_match_is_told_at_once(editor: httpx2.Client) -> None:
    job = ingested(editor, unique(media.jpeg()), sha256="0" * 64)
    assert (job["error"]["code"], job["attempts"]) == ("HASH_MISMATCH", 1)


def test_a_failed_job_runs_again_when_it_is_retried(editor: httpx2.Client) -> None:
    data = unique(media.jpeg())
    new = {"file_name": "a.jpg", "file_type": "image/jpeg", "entity_type": "clip", "file_size": len(data)}
    answer = editor.post("/api/v1/upload/generate-url", json=new).json()["data"]
    job = ended(editor, post(editor, answer["fileReference"]))
    assert job["error"]["code"] == "SOURCE_MISSING"
    httpx2.put(answer["uploadUrl"], content=data, headers=answer["headers"], **PLAIN)
    retried = editor.post(f"/api/v1/ingest/{job['job_id']}/retry")
    assert retried.status_code == 200
    assert ended(editor, job)["outcome"] == "stored"


def test_one_bad_file_does_not_hold_up_its_batch(editor: httpx2.Client) -> None:
    files = [unique(media.jpeg()) if number % 3 else media.cut(unique(media.jpeg()), 0.4) for number in range(9)]
    wanted: list[dict[str, Any]] = [
        {"entity_type": "clip", "entity_id": create(editor, CLIP)["clip_id"], "source_reference": upload(editor, data)}
        for data in files
    ]
    batch = editor.post("/api/v1/ingest/batch", json={"jobs": wanted}).json()["data"]
    jobs = [ended(editor, result["job"]) for result in batch["results"]]
    assert [job["status"] for job in jobs] == ["succeeded" if number % 3 else "failed" for number in range(9)]
    assert {job["batch_id"] for job in jobs} == {batch["batch_id"]}


def test_request_and_job_id_go_through_the_log_to_the_last_stage(server: Stack, editor: httpx2.Client) -> None:
    reference = upload(editor, unique(media.jpeg()))
    body = {"entity_type": "clip", "entity_id": create(editor, CLIP)["clip_id"], "source_reference": reference}
    name = f"trace-{uuid4()}"
    posted = editor.post("/api/v1/ingest", json=body, headers={"X-Request-ID": name}).json()["data"]
    job = ended(editor, posted)
    assert job["request_id"] == name

    def lines() -> list[str]:
        return [line for line in server.log("worker").splitlines() if name in line and job["job_id"] in line]

    eventually(lambda: any('"event":"job succeeded"' in line for line in lines()))
    told = "\n".join(lines())
    assert all(f'"stage":"{stage}"' in told for stage in CHAIN)
