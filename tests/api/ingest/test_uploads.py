"""Files in: a URL that takes exactly the file that was announced."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from tests import media, work
from tests.resources import CLIP
from tests.stack import PLAIN, Stack, serving

PATH = "/api/v1/upload/generate-url"
MB = 1024 * 1024
PICTURE = {"file_name": "look.jpg", "file_type": "image/jpeg", "entity_type": "clip", "file_size": 1000}


def ask(client: httpx2.Client, **fields: Any) -> dict[str, Any]:
    """What the API says of an upload."""
    answer = client.post(PATH, json=PICTURE | fields)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def put(url: dict[str, Any], data: bytes, **headers: str) -> int:
    """The storage's answer to a PUT with the headers we were told, changed by ``headers``."""
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {name.lower(): value for name, value in url["headers"].items()} | changed
    return httpx2.put(url["uploadUrl"], content=data, headers=given, **PLAIN).status_code


def refused(client: httpx2.Client, **fields: Any) -> tuple[int, list[tuple[str, str | None]]]:
    """Status, code and field of a refusal."""
    answer = client.post(PATH, json=PICTURE | fields)
    return answer.status_code, [(error["code"], error.get("field")) for error in answer.json()["errors"]]


def test_an_upload_has_the_promised_shape(editor: httpx2.Client) -> None:
    url = ask(editor)
    assert set(url) == {"uploadUrl", "fileReference", "method", "headers", "expiresIn"}
    assert (url["method"], url["expiresIn"]) == ("PUT", 3600)
    shape = re.fullmatch(r"s3://episodes-media/clip/([0-9a-f-]{36})-look\.jpg", url["fileReference"])
    assert shape is not None
    assert str(UUID(shape[1])) == shape[1]
    assert url["fileReference"].removeprefix("s3://") in url["uploadUrl"]
    assert "X-Amz-Expires=3600" in url["uploadUrl"]


@pytest.mark.parametrize("tail", ["\n", ";\nx: 1", ";\r\nx: 1", "; a=é", "; 夏", ";\x7f", " ", ";  b"])
@pytest.mark.parametrize("path", [PATH, "/api/v1/upload/multipart"])
def test_a_type_that_no_header_can_say_is_refused(editor: httpx2.Client, path: str, tail: str) -> None:
    answer = editor.post(path, json=PICTURE | {"file_type": f"image/jpeg{tail}"})
    assert answer.status_code == 400, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == ["file_type"]


def test_two_uploads_of_one_name_are_two_objects(editor: httpx2.Client) -> None:
    assert ask(editor)["fileReference"] != ask(editor)["fileReference"]


@pytest.mark.parametrize(
    ("name", "reduced"),
    [
        ("look.jpg", "look.jpg"),
        ("Défilé été 2026.JPG", "D-fil-t-2026.JPG"),
        ("../../etc/passwd", "passwd"),
        ("/absolute/path/look.jpg", "look.jpg"),
        ("..\\..\\windows\\look.jpg", "windows-look.jpg"),
        ("a b\tc\nd.jpg", "a-b-c-d.jpg"),
        ("写真.jpg", "file.jpg"),
        ("🧥", "file"),
        ("..", "file"),
        (".", "file"),
        ("/", "file"),
        ("-rf", "rf"),
        (".hidden", "hidden"),
        ("x?y=1&z#f%2e%2e.jpg", "x-y-1-z-f-2e-2e.jpg"),
        ("\x00look.jpg\x7f", None),
        ("a" * 251 + ".jpg", "a" * 196 + ".jpg"),
    ],
)
def test_a_name_is_reduced_to_what_every_storage_takes(editor: httpx2.Client, name: str, reduced: str | None) -> None:
    if reduced is None:
        assert refused(editor, file_name=name) == (400, [("VALIDATION_ERROR", "file_name")])
        return
    key = ask(editor, file_name=name)["fileReference"].removeprefix("s3://episodes-media/")
    assert re.fullmatch(r"clip/[0-9a-f-]{36}-[A-Za-z0-9._-]+", key)
    assert key[len("clip/") + 37 :] == reduced


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"file_name": ""}, "file_name"),
        ({"file_name": "a" * 256}, "file_name"),
        ({"file_name": None}, "file_name"),
        ({"entity_type": "show"}, "entity_type"),
        ({"file_size": -1}, "file_size"),
        ({"file_size": 0}, "file_size"),
        ({"file_size": None}, "file_size"),
        ({"file_size": "10"}, "file_size"),
        ({"file_size": 2**60}, "file_size"),
        ({"sha256": "abc"}, "sha256"),
        ({"sha256": "A" * 64}, "sha256"),
        ({"sha256": "a" * 64 + "\n"}, "sha256"),
        ({"bucket": "other"}, "bucket"),
    ],
)
def test_a_wrong_field_is_named(editor: httpx2.Client, fields: dict[str, Any], field: str) -> None:
    assert refused(editor, **fields) == (400, [("VALIDATION_ERROR", field)])


@pytest.mark.parametrize(
    ("entity_type", "file_type", "limit"),
    [
        ("clip", "image/jpeg", 10 * MB),
        ("outfit", "image/png", 10 * MB),
        ("guest", "image/webp", 10 * MB),
        ("ui_element", "image/png", 5 * MB),
        ("episode", "application/pdf", 50 * MB),
        ("episode", "text/plain", 50 * MB),
        ("clip", "audio/wav", 100 * MB),
        ("component", "audio/mpeg", 100 * MB),
        ("episode", "video/mp4", 500 * MB),
        ("clip", "video/mp4", 5 * 1024 * MB),
        ("clip", "video/quicktime", 5 * 1024 * MB),
    ],
)
def test_the_declared_size_has_its_limit(editor: httpx2.Client, entity_type: str, file_type: str, limit: int) -> None:
    kind = {"entity_type": entity_type, "file_type": file_type}
    assert ask(editor, **kind, file_size=limit)["fileReference"].startswith(f"s3://episodes-media/{entity_type}/")
    assert refused(editor, **kind, file_size=limit + 1) == (413, [("PAYLOAD_TOO_LARGE", "file_size")])


@pytest.mark.parametrize(
    ("entity_type", "file_type"),
    [
        ("clip", "application/x-msdownload"),
        ("clip", "image/svg+xml"),
        ("clip", "text/html"),
        ("clip", "application/pdf"),
        ("clip", "jpeg"),
        ("outfit", "video/mp4"),
        ("guest", "audio/wav"),
        ("episode", "audio/wav"),
        ("background", "audio/wav"),
    ],
)
def test_a_type_that_the_entity_does_not_take_is_refused(
    editor: httpx2.Client, entity_type: str, file_type: str
) -> None:
    fields = {"entity_type": entity_type, "file_type": file_type}
    assert refused(editor, **fields) == (415, [("UNSUPPORTED_MEDIA_TYPE", "file_type")])


def test_a_refusal_says_what_it_is_what_is_taken_and_how_to_get_there(editor: httpx2.Client) -> None:
    fields = PICTURE | {"file_name": "IMG_0001.HEIC", "file_type": "image/heic"}
    for path in (PATH, "/api/v1/upload/multipart"):
        message = editor.post(path, json=fields).json()["errors"][0]["message"]
        assert message.startswith("This is a HEIC picture. A clip takes JPEG, PNG,")
        assert message.endswith("Settings → Camera → Formats → Most Compatible.")
        too_large = editor.post(path, json=PICTURE | {"file_size": 10 * MB + 1}).json()["errors"][0]["message"]
        assert "10,485,761 bytes; a clip takes pictures of up to 10,485,760 bytes (10 MB)" in too_large


@pytest.mark.parametrize("written", ["image/jpg", "IMAGE/JPEG", "image/pjpeg"])
def test_a_type_is_taken_under_the_names_that_browsers_give_it(editor: httpx2.Client, written: str) -> None:
    data = media.jpeg()
    url = ask(editor, file_type=written, file_size=len(data))
    assert put(url, data) == 200


def test_the_announced_file_gets_in(editor: httpx2.Client) -> None:
    data = media.jpeg()
    for said in ({}, {"sha256": work.sha256(data)}):
        assert put(ask(editor, file_size=len(data), **said), data) == 200


def test_no_url_takes_a_file_of_which_nobody_said_how_long_it_is(editor: httpx2.Client) -> None:
    without = {name: value for name, value in PICTURE.items() if name != "file_size"}
    answer = editor.post(PATH, json=without)
    assert [error["field"] for error in answer.json()["errors"]] == ["file_size"]
    assert answer.status_code == 400


@pytest.mark.parametrize("header", ["x-amz-copy-source", "x-amz-acl", "x-amz-tagging", "x-amz-meta-owner"])
def test_a_url_stores_nothing_but_what_was_announced(server: Stack, editor: httpx2.Client, header: str) -> None:
    data = media.jpeg()
    work.storage(server.environ).put_object(Bucket="episodes-thumbnails", Key="theirs", Body=b"salaries")
    for said in ({}, {"sha256": work.sha256(data)}):
        url = ask(editor, file_size=len(data), **said)
        beside = httpx2.put(
            url["uploadUrl"], content=data, headers=url["headers"] | {header: "/episodes-thumbnails/theirs"}, **PLAIN
        )
        assert (beside.status_code, header in beside.text) == (403, True)
        job = work.ended(editor, work.post(editor, url["fileReference"]))
        assert job["error"]["code"] == "SOURCE_MISSING"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: data[:-1], "CORRUPT_FILE"),
        (lambda data: data + b"x", "FILE_TOO_LARGE"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "HASH_MISMATCH"),
        (lambda _: b"", "EMPTY_FILE"),
    ],
    ids=["shorter", "longer", "another", "empty"],
)
def test_what_came_into_the_storage_past_its_url_is_held_against_what_was_announced(
    server: Stack, editor: httpx2.Client, change: Callable[[bytes], bytes], code: str
) -> None:
    data = work.unique(media.jpeg())
    reference = ask(editor, file_size=len(data), sha256=work.sha256(data))["fileReference"]
    bucket, _, key = reference.removeprefix("s3://").partition("/")
    work.storage(server.environ).put_object(Bucket=bucket, Key=key, Body=change(data))
    job = work.ended(editor, work.post(editor, reference))
    assert (job["status"], job["error"]["code"], job["attempts"]) == ("failed", code, 1)


def test_another_size_is_refused_by_the_storage(editor: httpx2.Client) -> None:
    data = media.jpeg()
    for other in (data + b"x", data[:-1], b""):
        assert put(ask(editor, file_size=len(data)), other) in {400, 403}


def test_another_type_is_refused_by_the_storage(editor: httpx2.Client) -> None:
    data = media.jpeg()
    for kind in ("text/html", "image/png", ""):
        assert put(ask(editor, file_size=len(data)), data, content_type=kind) in {400, 403}


def test_other_bytes_are_refused_by_the_storage(editor: httpx2.Client) -> None:
    data = media.jpeg()
    other = data[:-3] + b"???"
    url = ask(editor, file_size=len(data), sha256=hashlib.sha256(data).hexdigest())
    assert put(url, other) == 400
    true_sum = ask(editor, file_size=len(data), sha256=hashlib.sha256(other).hexdigest())["headers"]
    assert put(url, other, x_amz_checksum_sha256=true_sum["x-amz-checksum-sha256"]) == 403
    bare = url | {"headers": {"Content-Type": "image/jpeg"}}
    assert put(bare, other) in {400, 403}
    assert put(url, data) == 200


def test_a_url_is_good_for_one_object_and_for_storing_only(editor: httpx2.Client) -> None:
    data = media.jpeg()
    url = ask(editor, file_size=len(data))
    elsewhere = url | {"uploadUrl": url["uploadUrl"].replace("/clip/", "/outfit/")}
    assert put(elsewhere, data) == 403
    assert put(url, data) == 200
    assert httpx2.get(url["uploadUrl"], **PLAIN).status_code == 403
    assert httpx2.delete(url["uploadUrl"], trust_env=False).status_code == 403


def test_a_file_that_is_stored_already_is_told_beforehand(editor: httpx2.Client) -> None:
    data = work.unique(media.jpeg())
    digest = work.sha256(data)
    assert "duplicateOf" not in ask(editor, sha256=digest)
    job = work.ingested(editor, data)
    assert job["status"] == "succeeded", job
    first = ask(editor, sha256=digest)["duplicateOf"]
    clip = work.entity(editor, CLIP, job["entity_id"])
    assert first == {
        "entity_type": "clip",
        "entity_id": job["entity_id"],
        "file_reference": clip["file_reference"],
        "deleted": False,
    }
    editor.delete(f"{CLIP.path}/{job['entity_id']}")
    assert ask(editor, sha256=digest)["duplicateOf"]["deleted"] is True


def test_clients_are_sent_to_the_address_of_the_storage_that_is_for_them(
    services: dict[str, str], tmp_path: Path
) -> None:
    """The embedded storage answers on this machine by both names; programs use one, clients are given the other."""
    public = services["S3_ENDPOINT_URL"].replace("127.0.0.1", "localhost")
    with serving(services, tmp_path, S3_PUBLIC_ENDPOINT_URL=f"{public}/") as stack, stack.client() as client:
        url = ask(client, file_size=4)
        assert url["uploadUrl"].startswith(f"{public}/episodes-media/")
        assert put(url, b"abcd") == 200
        assert client.get("/health/ready").json()["data"]["storage"]["state"] == "up"
