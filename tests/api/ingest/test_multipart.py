"""Large files: sent in parts, held against what was announced, joined by the storage, ingested as any other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from tests import media, work
from tests.chaos.proxy import Proxy
from tests.stack import PLAIN, Stack

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


def named(upload: dict[str, Any]) -> dict[str, str]:
    """An upload as requests name it: as the answer did."""
    return {name: upload[name] for name in ("uploadId", "fileReference")}


def state(client: httpx2.Client, upload: dict[str, Any]) -> list[dict[str, Any]]:
    """How far an upload has come."""
    answer = client.get(PATH, params=named(upload))
    assert answer.status_code == 200, answer.text
    parts: list[dict[str, Any]] = answer.json()["data"]["parts"]
    return parts


def send(part: dict[str, Any], data: bytes) -> str:
    """The ETag of a part that has been sent."""
    answer = httpx2.put(part["url"], content=data, **PLAIN)
    assert answer.status_code == 200, answer.text
    return answer.headers["ETag"]


def complete(
    client: httpx2.Client, upload: dict[str, Any], headers: dict[str, str] | None = None, **fields: Any
) -> httpx2.Response:
    """The answer to the joining of an upload."""
    return client.post(f"{PATH}/complete", json=named(upload) | fields, headers=headers)


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


def test_parts_sent_out_of_order_and_twice_become_one_file(editor: httpx2.Client, tmp_path: Path) -> None:
    video = media.clip(tmp_path / "take.mp4", media.moving(10)).read_bytes()
    whole = video + media.box(b"free", bytes(range(256)) * (65 * MB // 256))
    upload = start(editor, file_size=len(whole))
    first, second = upload["parts"]
    etags = {2: send(second, whole[64 * MB :])}
    send(first, bytes(64 * MB))  # a first attempt that went wrong
    etags[1] = send(first, whole[: 64 * MB])
    parts = [{"partNumber": number, "etag": etag} for number, etag in etags.items()]
    key = {"Idempotency-Key": upload["uploadId"]}
    for _ in range(2):  # the answer was lost: asked again
        answer = complete(editor, upload, key, parts=parts)
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"] == {"fileReference": upload["fileReference"]}
    assert error(complete(editor, upload, parts=parts)) == (404, "NOT_FOUND", "uploadId")
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
    assert editor.delete(PATH, params=named(upload)).status_code == 204
    assert error(editor.delete(PATH, params=named(upload))) == (404, "NOT_FOUND", "uploadId")
    assert error(editor.get(PATH, params=named(upload))) == (404, "NOT_FOUND", "uploadId")
    assert error(complete(editor, upload)) == (404, "NOT_FOUND", "uploadId")


@pytest.mark.parametrize("upload_id", ["..", "../..", "x", "x" * 512])
def test_an_upload_that_never_was_is_named(editor: httpx2.Client, upload_id: str) -> None:
    upload = start(editor, file_size=1000) | {"uploadId": upload_id}
    assert error(complete(editor, upload)) == (404, "NOT_FOUND", "uploadId")


def test_an_upload_stays_open_until_every_part_is_there(editor: httpx2.Client, tmp_path: Path) -> None:
    video = media.clip(tmp_path / "take.mp4", media.moving(10)).read_bytes()
    whole = video + media.box(b"free", bytes(130 * MB - len(video)))
    upload = start(editor, file_size=len(whole))
    pieces = {number: whole[(number - 1) * 64 * MB : number * 64 * MB] for number in (1, 2, 3)}
    for sent, missing in ((None, "1, 2, 3"), (1, "2, 3"), (3, "2")):
        if sent:
            send(upload["parts"][sent - 1], pieces[sent])
        answer = complete(editor, upload)
        assert error(answer) == (409, "CONFLICT", "parts")
        left = sum(len(pieces[int(number)]) for number in missing.split(", "))
        message = answer.json()["errors"][0]["message"]
        assert f"have not arrived whole: {missing} ({left:,} of {len(whole):,} bytes)" in message
        open_parts = state(editor, upload)
        assert [str(part["partNumber"]) for part in open_parts if "url" in part] == missing.split(", ")
        assert [part["size"] for part in open_parts if "url" not in part] == [
            len(piece) for number, piece in pieces.items() if str(number) not in missing.split(", ")
        ]
    etag = send(state(editor, upload)[1], pieces[2])
    assert {part["etag"] for part in state(editor, upload) if part["partNumber"] == 2} == {etag}
    assert complete(editor, upload).status_code == 200
    job = work.ended(editor, work.post(editor, upload["fileReference"]))
    assert (job["status"], job["sha256"], job["file_size"]) == ("succeeded", work.sha256(whole), len(whole))


def test_a_part_of_another_length_does_not_count(editor: httpx2.Client, server: Stack) -> None:
    upload = start(editor, file_size=1000)
    bucket, _, key = upload["fileReference"].removeprefix("s3://").partition("/")
    past_us = work.storage(server.environ)
    past_us.upload_part(Bucket=bucket, Key=key, UploadId=upload["uploadId"], PartNumber=1, Body=bytes(999))
    past_us.upload_part(Bucket=bucket, Key=key, UploadId=upload["uploadId"], PartNumber=2, Body=b"x")
    (part,) = state(editor, upload)
    assert (part["size"], "etag" in part, "url" in part) == (999, True, True)
    assert error(complete(editor, upload)) == (409, "CONFLICT", "parts")
    send(part, bytes(1000))
    assert complete(editor, upload).status_code == 200


def test_parts_that_are_named_are_those_that_arrived(editor: httpx2.Client) -> None:
    upload = start(editor, file_size=1000)
    etag = send(upload["parts"][0], bytes(1000))
    first = {"partNumber": 1, "etag": etag}
    for parts, wrong in (
        ([{"partNumber": 1, "etag": '"0"'}], (409, "CONFLICT", "parts")),
        ([first, {"partNumber": 2, "etag": etag}], (400, "VALIDATION_ERROR", "parts")),
        ([first] * 2, (400, "VALIDATION_ERROR", "parts")),
        ([first | {"etag": "\x01"}], (400, "VALIDATION_ERROR", "parts[0].etag")),
        ([{"part_number": 1, "etag": etag}], (400, "VALIDATION_ERROR", "parts[0].part_number")),
    ):
        assert error(complete(editor, upload, parts=parts)) == wrong
    assert complete(editor, upload, parts=[first | {"etag": etag.strip('"')}]).status_code == 200


def test_an_upload_is_its_beginners_and_an_admins(server: Stack, editor: httpx2.Client, admin: httpx2.Client) -> None:
    upload = start(editor, file_size=1000)
    send(upload["parts"][0], bytes(1000))
    with server.client("editor", "somebody else") as other, server.client("viewer") as demoted:
        for answer in (
            other.get(PATH, params=named(upload)),
            complete(other, upload),
            other.delete(PATH, params=named(upload)),
        ):
            assert error(answer) == (404, "NOT_FOUND", "uploadId")
        assert demoted.get(PATH, params=named(upload)).status_code == 404
    assert [part["size"] for part in state(admin, upload)] == [1000]
    assert complete(admin, upload).status_code == 200


def test_a_file_in_parts_has_the_hash_that_was_announced(editor: httpx2.Client) -> None:
    picture, other = work.unique(media.jpeg()), work.unique(media.jpeg())
    upload = start(editor, **PICTURE, file_size=len(picture), sha256=work.sha256(picture))
    send(upload["parts"][0], other)
    assert complete(editor, upload).status_code == 200
    job = work.ended(editor, work.post(editor, upload["fileReference"]))
    assert (job["error"]["code"], job["attempts"]) == ("HASH_MISMATCH", 1)


def test_a_storage_that_is_away_is_told_and_the_upload_goes_on_when_it_is_back(
    services: dict[str, str], new_stack: Callable[..., Stack]
) -> None:
    way = Proxy(urlsplit(services["S3_ENDPOINT_URL"]).port or 0)
    way.start()
    stack = new_stack(S3_ENDPOINT_URL=f"http://127.0.0.1:{way.port}")
    stack.api.start()
    with stack.client() as client:
        upload = start(client, file_size=1000)
        send(upload["parts"][0], bytes(1000))
        way.stop()
        for answer in (
            client.get(PATH, params=named(upload)),
            complete(client, upload),
            client.delete(PATH, params=named(upload)),
        ):
            assert error(answer)[:2] == (503, "SERVICE_UNAVAILABLE")
        way.start()
        assert complete(client, upload).status_code == 200
    way.stop()


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"file_size": 5 * 1024 * MB + 1}, (413, "PAYLOAD_TOO_LARGE", "file_size")),
        ({"file_type": "application/x-msdownload"}, (415, "UNSUPPORTED_MEDIA_TYPE", "file_type")),
        ({"entity_type": "show"}, (400, "VALIDATION_ERROR", "entity_type")),
        ({"part_size": 5}, (400, "VALIDATION_ERROR", "part_size")),
        ({"file_size": 0}, (400, "VALIDATION_ERROR", "file_size")),
    ],
)
def test_what_no_entity_takes_is_refused_at_once(
    editor: httpx2.Client, fields: dict[str, Any], wrong: tuple[int, str, str]
) -> None:
    assert error(editor.post(PATH, json=VIDEO | {"file_size": 1000} | fields)) == wrong


OTHERS = ("s3://elsewhere/key", "s3://episodes-media/clip/look.jpg", "s3://episodes-thumbnails/clips/x.jpg", "nothing")


@pytest.mark.parametrize("reference", OTHERS)
def test_only_uploads_to_our_bucket_are_joined(editor: httpx2.Client, reference: str) -> None:
    upload = start(editor, file_size=1000) | {"fileReference": reference}
    assert error(complete(editor, upload)) == (400, "VALIDATION_ERROR", "fileReference")


def test_what_a_file_is_long_is_announced(editor: httpx2.Client) -> None:
    assert error(editor.post(PATH, json=VIDEO)) == (400, "VALIDATION_ERROR", "file_size")


def test_a_viewer_uploads_nothing(viewer: httpx2.Client) -> None:
    assert viewer.post(PATH, json=VIDEO | {"file_size": 1}).status_code == 403
