"""Large files: sent in parts, joined by the storage, ingested as any other."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests import media, work
from tests.stack import PLAIN

PATH = "/api/v1/upload/multipart"
MB = 1024 * 1024
VIDEO = {"file_name": "take 3.mp4", "file_type": "video/mp4", "entity_type": "clip"}
PICTURE = {"file_name": "look.jpg", "file_type": "image/jpeg", "entity_type": "clip"}


def start(client: httpx2.Client, **fields: Any) -> dict[str, Any]:
    """The answer to an upload in parts."""
    answer = client.post(PATH, json=VIDEO | fields)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def send(part: dict[str, Any], data: bytes) -> str:
    """The ETag of a part that has been sent."""
    answer = httpx2.put(part["url"], content=data, **PLAIN)
    assert answer.status_code == 200, answer.text
    return answer.headers["ETag"]


def complete(
    client: httpx2.Client, upload: dict[str, Any], headers: dict[str, str] | None = None, **fields: Any
) -> httpx2.Response:
    """The answer to the joining of an upload."""
    named = {"upload_id": upload["uploadId"], "file_reference": upload["fileReference"]}
    return client.post(f"{PATH}/complete", json=named | fields, headers=headers)


def error(answer: httpx2.Response) -> tuple[int, str, str | None]:
    """Status, code and field of a refusal."""
    first = answer.json()["errors"][0]
    return answer.status_code, first["code"], first.get("field")


def test_an_upload_in_parts_has_the_promised_shape(editor: httpx2.Client) -> None:
    upload = start(editor, file_size=150 * MB)
    assert set(upload) == {"uploadId", "fileReference", "partSize", "parts", "expiresIn"}
    assert upload["fileReference"].startswith("s3://episodes-media/clip/")
    assert [part["partNumber"] for part in upload["parts"]] == [1, 2, 3]
    assert (upload["partSize"], upload["expiresIn"]) == (64 * MB, 24 * 3600)
    assert all("X-Amz-Expires=86400" in part["url"] for part in upload["parts"])
    assert all(set(part) == {"partNumber", "url"} for part in upload["parts"])


def test_there_are_parts_for_the_largest_file_where_no_size_is_announced(editor: httpx2.Client) -> None:
    assert len(start(editor)["parts"]) == 80


def test_parts_sent_out_of_order_and_twice_become_one_file(editor: httpx2.Client, tmp_path: Path) -> None:
    video = media.clip(tmp_path / "take.mp4", media.moving(10)).read_bytes()
    whole = video + media.box(b"free", bytes(range(256)) * (65 * MB // 256))
    upload = start(editor, file_size=len(whole))
    first, second = upload["parts"]
    etags = {2: send(second, whole[64 * MB :])}
    send(first, bytes(64 * MB))  # a first attempt that went wrong
    etags[1] = send(first, whole[: 64 * MB])
    parts = [{"part_number": number, "etag": etag} for number, etag in etags.items()]
    key = {"Idempotency-Key": upload["uploadId"]}
    for _ in range(2):  # the answer was lost: asked again
        answer = complete(editor, upload, key, parts=parts)
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"] == {"fileReference": upload["fileReference"]}
    assert error(complete(editor, upload, parts=parts)) == (404, "NOT_FOUND", "upload_id")
    job = work.ended(editor, work.post(editor, upload["fileReference"]))
    assert (job["status"], job["sha256"], job["file_size"]) == ("succeeded", work.sha256(whole), len(whole))


def test_a_picture_in_one_part_is_ingested(editor: httpx2.Client) -> None:
    picture = work.unique(media.jpeg())
    fields = PICTURE | {"file_size": len(picture), "sha256": work.sha256(picture)}
    upload = start(editor, **fields)
    send(upload["parts"][0], picture)
    assert complete(editor, upload).status_code == 200  # all that has arrived
    job = work.ended(editor, work.post(editor, upload["fileReference"]))
    assert (job["status"], job["outcome"]) == ("succeeded", "stored")
    assert start(editor, **fields)["duplicateOf"]["entity_id"] == job["entity_id"]


def test_a_part_of_another_length_is_not_taken(editor: httpx2.Client) -> None:
    upload = start(editor, file_size=1000)
    assert httpx2.put(upload["parts"][0]["url"], content=bytes(1001), **PLAIN).status_code == 403


def test_an_upload_given_up_is_gone(editor: httpx2.Client) -> None:
    upload = start(editor, file_size=1000)
    send(upload["parts"][0], bytes(1000))
    named = {"upload_id": upload["uploadId"], "file_reference": upload["fileReference"]}
    assert editor.delete(PATH, params=named).status_code == 204
    assert error(editor.delete(PATH, params=named)) == (404, "NOT_FOUND", "upload_id")
    assert error(complete(editor, upload)) == (404, "NOT_FOUND", "upload_id")


@pytest.mark.parametrize("upload_id", ["..", "../..", "x", "x" * 512])
def test_an_upload_that_never_was_is_named(editor: httpx2.Client, upload_id: str) -> None:
    upload = start(editor, file_size=1000) | {"uploadId": upload_id}
    assert error(complete(editor, upload)) == (404, "NOT_FOUND", "upload_id")


def test_parts_that_did_not_arrive_are_named(editor: httpx2.Client) -> None:
    upload = start(editor, file_size=1000)
    assert error(complete(editor, upload)) == (400, "VALIDATION_ERROR", "parts")
    etag = send(upload["parts"][0], bytes(1000))
    for parts in (
        [{"part_number": 2, "etag": etag}],
        [{"part_number": 1, "etag": '"0"'}],
        [{"part_number": 1, "etag": etag}] * 2,
    ):
        assert error(complete(editor, upload, parts=parts)) == (400, "VALIDATION_ERROR", "parts")
    first = {"part_number": 1, "etag": etag}
    wrong = first | {"etag": "\x01"}
    assert error(complete(editor, upload, parts=[wrong])) == (400, "VALIDATION_ERROR", "parts[0].etag")
    assert complete(editor, upload, parts=[first]).status_code == 200


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"file_size": 5 * 1024 * MB + 1}, (413, "PAYLOAD_TOO_LARGE", "file_size")),
        ({"file_type": "application/x-msdownload"}, (415, "UNSUPPORTED_MEDIA_TYPE", "file_type")),
        ({"entity_type": "show"}, (400, "VALIDATION_ERROR", "entity_type")),
        ({"part_size": 5}, (400, "VALIDATION_ERROR", "part_size")),
    ],
)
def test_what_no_entity_takes_is_refused_at_once(
    editor: httpx2.Client, fields: dict[str, Any], wrong: tuple[int, str, str]
) -> None:
    assert error(editor.post(PATH, json=VIDEO | fields)) == wrong


OTHERS = ("s3://elsewhere/key", "s3://episodes-media/clip/look.jpg", "s3://episodes-thumbnails/clips/x.jpg", "nothing")


@pytest.mark.parametrize("reference", OTHERS)
def test_only_uploads_to_our_bucket_are_joined(editor: httpx2.Client, reference: str) -> None:
    upload = start(editor, file_size=1000) | {"fileReference": reference}
    assert error(complete(editor, upload)) == (400, "VALIDATION_ERROR", "file_reference")


def test_a_viewer_uploads_nothing(viewer: httpx2.Client) -> None:
    assert viewer.post(PATH, json=VIDEO).status_code == 403
