"""The guarded S3 server, asked by boto3 and, where boto3 would not, by plain HTTP."""

import base64
import hashlib
import http.client
import io
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from ops.stack.services import Services

pytestmark = pytest.mark.services

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

BUCKET = "episodes-media"
OTHER_BUCKET = "episodes-thumbnails"
ETAG_OF_HELLO = f'"{hashlib.md5(b"hello", usedforsecurity=False).hexdigest()}"'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="module")
def environment(home: Path) -> Iterator[dict[str, str]]:
    services = Services(home, {})
    try:
        yield services.start()
    finally:
        services.stop()


@pytest.fixture(scope="module")
def s3(environment: dict[str, str]) -> "Iterator[S3Client]":
    client = boto3.client(
        "s3",
        endpoint_url=environment["S3_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=Config(signature_version="s3v4", retries={"max_attempts": 1}, max_pool_connections=20),
    )
    yield client
    client.close()


def refusal(caught: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def send(environment: Mapping[str, str], method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
    """A request that is signed, but not made by boto3; ``_`` in a header's name stands for ``-``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    url = environment["S3_ENDPOINT_URL"] + target
    request = AWSRequest(method, url, data=body, headers=named)
    credentials = Credentials(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
    Signature(credentials, environment["AWS_REGION"], named.get("x-amz-content-sha256")).add_auth(request)
    return plain(method, url, body, dict(request.headers.items()))


class Signature(S3SigV4Auth):
    """Signs what is declared of the body, true or not."""

    def __init__(self, credentials: Credentials, region: str, declared: str | None) -> None:
        super().__init__(credentials, "s3", region)
        self._declared = declared

    def payload(self, request: AWSRequest) -> str:
        return self._declared or super().payload(request)


def plain(method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=10)
    connection.request(method, f"{address.path}?{address.query}", body, dict(headers or {}))
    response = connection.getresponse()
    answer = Answer(response.status, response.headers, response.read())
    connection.close()
    return answer


def test_objects_are_put_read_listed_copied_and_deleted(s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key="plain/a b+ä.txt", Body=b"hello", ContentType="text/plain", Metadata={"of": "me"})
    found = s3.get_object(Bucket=BUCKET, Key="plain/a b+ä.txt")
    assert (found["Body"].read(), found["ContentType"], found["Metadata"]) == (b"hello", "text/plain", {"of": "me"})
    s3.copy_object(Bucket=BUCKET, Key="plain/copy", CopySource={"Bucket": BUCKET, "Key": "plain/a b+ä.txt"})
    assert s3.head_object(Bucket=BUCKET, Key="plain/copy")["ETag"] == ETAG_OF_HELLO
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET, Prefix="plain/")["Contents"]]
    assert keys == ["plain/a b+ä.txt", "plain/copy"]
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in keys]})
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="plain/")["KeyCount"] == 0


def test_a_listing_longer_than_a_page_is_complete(s3: "S3Client") -> None:
    keys = [f"many/{number:03}/part.txt" for number in range(30)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: s3.put_object(Bucket=BUCKET, Key=key, Body=b"x"), keys))
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=BUCKET, Prefix="many/", PaginationConfig={"PageSize": 7}
    )
    assert [one["Key"] for page in pages for one in page.get("Contents", [])] == keys


def test_a_multipart_upload_becomes_one_object(s3: "S3Client") -> None:
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts/whole")["UploadId"]
    pieces = (b"a" * 5_000_000, b"b" * 10)
    parts = [
        {
            "PartNumber": number,
            "ETag": s3.upload_part(Bucket=BUCKET, Key="parts/whole", UploadId=upload, PartNumber=number, Body=piece)[
                "ETag"
            ],
        }
        for number, piece in enumerate(pieces, 1)
    ]
    assert len(s3.list_parts(Bucket=BUCKET, Key="parts/whole", UploadId=upload)["Parts"]) == 2
    s3.complete_multipart_upload(
        Bucket=BUCKET,
        Key="parts/whole",
        UploadId=upload,
        MultipartUpload={"Parts": parts},  # type: ignore[typeddict-item]
    )
    assert s3.get_object(Bucket=BUCKET, Key="parts/whole")["Body"].read() == b"".join(pieces)


def test_an_upload_is_known_under_its_own_key_only(s3: "S3Client") -> None:
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts/own name")["UploadId"]
    part = s3.upload_part(Bucket=BUCKET, Key="parts/own name", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    parts: Any = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    for place in ({"Bucket": BUCKET, "Key": "parts/other"}, {"Bucket": OTHER_BUCKET, "Key": "parts/own name"}):
        named: Any = place | {"UploadId": upload}
        for call in (
            partial(s3.complete_multipart_upload, MultipartUpload=parts),
            partial(s3.upload_part, PartNumber=1, Body=b"y"),
            s3.list_parts,
            s3.abort_multipart_upload,
        ):
            with pytest.raises(ClientError) as refused:
                call(**named)
            assert refused.value.response["Error"]["Code"] == "NoSuchUpload"
    s3.complete_multipart_upload(Bucket=BUCKET, Key="parts/own name", UploadId=upload, MultipartUpload=parts)
    assert s3.get_object(Bucket=BUCKET, Key="parts/own name")["Body"].read() == b"x"
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET, Prefix="parts/o")["Contents"]] == ["parts/own name"]


def test_a_large_file_goes_up_and_comes_down_in_parts(s3: "S3Client") -> None:
    data = bytes(range(256)) * 4096 * 10
    s3.upload_fileobj(io.BytesIO(data), BUCKET, "large")
    down = io.BytesIO()
    s3.download_fileobj(BUCKET, "large", down)
    assert down.getvalue() == data


@pytest.mark.parametrize(
    "subresource",
    ["tagging", "acl", "versioning", "lifecycle", "cors", "policy", "retention", "legal-hold", "torrent", "attributes"],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_subresource_is_not_implemented_and_changes_nothing(
    s3: "S3Client", environment: dict[str, str], method: str, subresource: str
) -> None:
    s3.put_object(Bucket=BUCKET, Key="kept", Body=b"hello")
    answer = send(environment, method, f"/{BUCKET}/kept?{subresource}=", b"<Tagging/>")
    assert (answer.status, b"<Code>NotImplemented</Code>" in answer.body) == (501, True)
    assert send(environment, method, f"/{BUCKET}?{subresource}=", b"<X/>").status == 501
    assert s3.get_object(Bucket=BUCKET, Key="kept")["Body"].read() == b"hello"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-amz-tagging", "a=b"),
        ("x-amz-server-side-encryption", "AES256"),
        ("x-amz-checksum-crc32c", "AAAAAA=="),
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
    ],
)
def test_a_header_that_would_be_left_out_silently_is_not_implemented(
    environment: dict[str, str], header: str, value: str
) -> None:
    assert send(environment, "PUT", f"/{BUCKET}/never", b"x", **{header: value}).status == 501
    assert send(environment, "HEAD", f"/{BUCKET}/never").status == 404


def test_a_copy_into_a_part_is_not_implemented(s3: "S3Client") -> None:
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts/copied")["UploadId"]
    with pytest.raises(ClientError) as caught:
        s3.upload_part_copy(
            Bucket=BUCKET,
            Key="parts/copied",
            UploadId=upload,
            PartNumber=1,
            CopySource={"Bucket": BUCKET, "Key": "kept"},
        )
    assert refusal(caught) == (501, "NotImplemented")
    s3.abort_multipart_upload(Bucket=BUCKET, Key="parts/copied", UploadId=upload)


def test_a_put_that_asks_for_absence_does_not_replace(s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key="once", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=BUCKET, Key="once", Body=b"second", IfNoneMatch="*")
    assert refusal(caught) == (412, "PreconditionFailed")
    assert s3.get_object(Bucket=BUCKET, Key="once")["Body"].read() == b"first"


def test_of_many_puts_that_ask_for_absence_at_once_exactly_one_wins(s3: "S3Client") -> None:
    def put(number: int) -> bool:
        try:
            s3.put_object(Bucket=BUCKET, Key="race", Body=bytes([number]) * 300_000, IfNoneMatch="*")
        except ClientError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(put, range(16)))
    assert won.count(True) == 1
    assert s3.get_object(Bucket=BUCKET, Key="race")["Body"].read() == bytes([won.index(True)]) * 300_000


def test_a_put_replaces_only_the_version_it_names(s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key="named", Body=b"hello")
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=BUCKET, Key="named", Body=b"other", IfMatch='"0123"')
    assert refusal(caught) == (412, "PreconditionFailed")
    s3.put_object(Bucket=BUCKET, Key="named", Body=b"other", IfMatch=ETAG_OF_HELLO)
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=BUCKET, Key="absent", Body=b"other", IfMatch=ETAG_OF_HELLO)
    assert refusal(caught) == (404, "NoSuchKey")


def test_a_read_names_the_version_it_wants(s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key="pinned", Body=b"hello")
    assert s3.get_object(Bucket=BUCKET, Key="pinned", IfMatch=ETAG_OF_HELLO, Range="bytes=1-2")["Body"].read() == b"el"
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=BUCKET, Key="pinned", IfMatch='"0123"', Range="bytes=1-2")
    assert refusal(caught)[0] == 412
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=BUCKET, Key="pinned", IfNoneMatch=ETAG_OF_HELLO)
    assert refusal(caught)[0] == 304


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("bytes=0-1", (206, "bytes 0-1/5", b"he")),
        ("bytes=3-", (206, "bytes 3-4/5", b"lo")),
        ("bytes=-2", (206, "bytes 3-4/5", b"lo")),
        ("bytes=-99", (206, "bytes 0-4/5", b"hello")),
        ("bytes=1-99", (206, "bytes 1-4/5", b"ello")),
        ("bytes=9-3", (416, "bytes */5", None)),
        ("bytes=5-", (416, "bytes */5", None)),
        ("bytes=-0", (416, "bytes */5", None)),
        ("bytes=3-1", (200, None, b"hello")),
        ("bytes=0-1,3-4", (200, None, b"hello")),
        ("lines=1-2", (200, None, b"hello")),
    ],
)
def test_a_range_is_cut_as_s3_cuts_it(
    s3: "S3Client", environment: dict[str, str], asked: str, answered: tuple[int, str | None, bytes | None]
) -> None:
    s3.put_object(Bucket=BUCKET, Key="ranged", Body=b"hello")
    answer = send(environment, "GET", f"/{BUCKET}/ranged", range=asked)
    body = answer.body if answer.status != 416 else None
    assert (answer.status, answer.headers["content-range"], body) == answered


def test_a_range_of_an_older_version_is_the_whole_of_the_new_one(s3: "S3Client", environment: dict[str, str]) -> None:
    s3.put_object(Bucket=BUCKET, Key="ranged", Body=b"hello")
    assert send(environment, "GET", f"/{BUCKET}/ranged", range="bytes=1-2", if_range='"old"').body == b"hello"
    assert send(environment, "GET", f"/{BUCKET}/ranged", range="bytes=1-2", if_range=ETAG_OF_HELLO).body == b"el"


@pytest.mark.parametrize(
    "header", ["content-md5", "x-amz-checksum-crc32", "x-amz-checksum-sha1", "x-amz-checksum-sha256"]
)
def test_a_body_with_another_checksum_leaves_no_object(environment: dict[str, str], header: str) -> None:
    answer = send(environment, "PUT", f"/{BUCKET}/damaged", b"hello", **{header: "AAAAAAAAAAAAAAAAAAAAAA=="})
    assert (answer.status, b"BadDigest" in answer.body) == (400, True)
    assert send(environment, "HEAD", f"/{BUCKET}/damaged").status == 404


def test_a_body_other_than_the_signed_one_leaves_no_object(environment: dict[str, str]) -> None:
    signed = hashlib.sha256(b"hello").hexdigest()
    assert send(environment, "PUT", f"/{BUCKET}/forged", b"HELLO", x_amz_content_sha256=signed).status == 400
    assert send(environment, "HEAD", f"/{BUCKET}/forged").status == 404


def test_a_presigned_put_binds_type_length_checksum_and_absence(s3: "S3Client") -> None:
    declared = base64.b64encode(hashlib.sha256(b"hello").digest()).decode()
    parameters = {"Bucket": BUCKET, "Key": "signed.jpg", "ContentType": "image/jpeg", "ContentLength": 5}
    url = s3.generate_presigned_url("put_object", {**parameters, "ChecksumSHA256": declared, "IfNoneMatch": "*"})
    headers = {"Content-Type": "image/jpeg", "x-amz-checksum-sha256": declared, "If-None-Match": "*"}
    assert plain("PUT", url, b"hello", {**headers, "Content-Type": "text/html"}).status == 403
    assert plain("PUT", url, b"hello, world", headers).status == 403
    assert plain("PUT", url, b"HELLO", headers).status == 400
    assert plain("PUT", url, b"hello", headers).status == 200
    assert plain("PUT", url, b"hello", headers).status == 412


def test_a_presigned_download_names_its_file(s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key="download", Body=b"hello")
    wish = 'attachment; filename="look.txt"'
    url = s3.generate_presigned_url(
        "get_object", {"Bucket": BUCKET, "Key": "download", "ResponseContentDisposition": wish}
    )
    answer = plain("GET", url)
    assert (answer.status, answer.body, answer.headers["content-disposition"]) == (200, b"hello", wish)


def test_a_key_that_is_a_folder_of_others_is_a_clear_error(s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key="d", Body=b"file")
    s3.put_object(Bucket=BUCKET, Key="e/x", Body=b"below")
    for key in ("d/x", "e"):
        with pytest.raises(ClientError) as caught:
            s3.put_object(Bucket=BUCKET, Key=key, Body=b"clash")
        assert refusal(caught) == (400, "InvalidRequest")
    with pytest.raises(ClientError) as caught:
        s3.delete_object(Bucket=BUCKET, Key="e")
    assert refusal(caught) == (400, "InvalidRequest")
    assert s3.get_object(Bucket=BUCKET, Key="d")["Body"].read() == b"file"


def test_a_description_that_a_kill_left_half_written_does_not_block_its_key(s3: "S3Client", home: Path) -> None:
    descriptions = home / "objects" / BUCKET / ".nanio-meta"
    descriptions.mkdir(exist_ok=True)
    (descriptions / "half.json.tmp").write_text("{")
    s3.put_object(Bucket=BUCKET, Key="half", Body=b"whole")
    assert s3.get_object(Bucket=BUCKET, Key="half")["Body"].read() == b"whole"


def test_an_upload_that_breaks_off_leaves_nothing(s3: "S3Client", environment: dict[str, str], home: Path) -> None:
    url = urlsplit(s3.generate_presigned_url("put_object", {"Bucket": BUCKET, "Key": "broken/off"}))
    connection = http.client.HTTPConnection(url.netloc, timeout=10)
    connection.putrequest("PUT", f"{url.path}?{url.query}")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b"only this")
    folder = home / "objects" / BUCKET / "broken"
    _await(lambda: folder.exists() and any(folder.iterdir()))
    connection.close()
    _await(lambda: not any(folder.iterdir()))
    assert send(environment, "HEAD", f"/{BUCKET}/broken/off").status == 404


def test_unsigned_and_wrongly_signed_requests_are_refused(environment: dict[str, str]) -> None:
    assert plain("GET", f"{environment['S3_ENDPOINT_URL']}/{BUCKET}/kept").status == 403
    assert send({**environment, "AWS_SECRET_ACCESS_KEY": "wrong"}, "GET", f"/{BUCKET}/kept").status == 403


BESIDE = (
    "x-amz-copy-source",
    "x-amz-copy-source-range",
    "x-amz-metadata-directive",
    "x-amz-acl",
    "x-amz-grant-read",
    "x-amz-tagging",
    "x-amz-website-redirect-location",
    "x-amz-storage-class",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-object-lock-mode",
    "x-amz-checksum-sha256",
    "x-amz-content-sha256",
    "x-amz-meta-owner",
    "x-amz-security-token",
    "x-amz-of-tomorrow",
    "content-md5",
)


def presigned(s3: "S3Client", operation: str, key: str, **more: Any) -> str:
    return s3.generate_presigned_url(operation, {"Bucket": BUCKET, "Key": key, **more})


@pytest.mark.parametrize("header", BESIDE)
def test_a_header_of_s3_that_nobody_signed_is_refused_in_every_way_to_sign(
    s3: "S3Client", environment: dict[str, str], header: str
) -> None:
    s3.put_object(Bucket=OTHER_BUCKET, Key="salaries", Body=b"theirs")
    value = f"/{OTHER_BUCKET}/salaries"
    part = s3.create_multipart_upload(Bucket=BUCKET, Key="beside")["UploadId"]
    urls = (
        ("PUT", presigned(s3, "put_object", "beside", ContentLength=5, ContentType="text/plain")),
        ("PUT", presigned(s3, "upload_part", "beside", UploadId=part, PartNumber=1)),
        ("GET", presigned(s3, "get_object", "beside")),
        ("DELETE", presigned(s3, "delete_object", "beside")),
    )
    for method, url in urls:
        answer = plain(method, url, b"hello" * (method == "PUT"), {"Content-Type": "text/plain", header: value})
        assert (answer.status, b"<Code>AccessDenied</Code>" in answer.body) == (403, True)
        assert f"<HeadersNotSigned>{header}</HeadersNotSigned>".encode() in answer.body
    assert send(environment, "HEAD", f"/{BUCKET}/beside").status == 404
    assert "Parts" not in s3.list_parts(Bucket=BUCKET, Key="beside", UploadId=part)


def test_what_is_added_to_a_request_that_a_header_signs_is_refused(environment: dict[str, str]) -> None:
    url, signer = (
        f"{environment['S3_ENDPOINT_URL']}/{BUCKET}/added",
        Signature(
            Credentials(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]),
            environment["AWS_REGION"],
            None,
        ),
    )
    request = AWSRequest("PUT", url, data=b"hello")
    signer.add_auth(request)
    headers = dict(request.headers.items())
    added = plain("PUT", url, b"", headers | {"x-amz-copy-source": f"/{BUCKET}/kept"})
    assert (added.status, b"x-amz-copy-source" in added.body) == (403, True)
    assert plain("PUT", url, b"hello", headers).status == 200


def test_a_header_said_twice_or_a_parameter_that_the_signature_leaves_out_is_refused(s3: "S3Client") -> None:
    declared, other = (base64.b64encode(hashlib.sha256(body).digest()).decode() for body in (b"hello", b"HELLO"))
    url = presigned(s3, "put_object", "twice", ChecksumSHA256=declared, ContentType="image/png")
    for said, twice in (("x-amz-checksum-sha256", other), ("content-type", "text/html")):
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        connection.putrequest("PUT", url.partition(urlsplit(url).netloc)[2])
        named = [(said, twice), ("x-amz-checksum-sha256", declared), ("content-type", "image/png")]
        for name, value in (*named, ("content-length", "5")):
            connection.putheader(name, value)
        connection.endheaders(b"HELLO")
        assert connection.getresponse().status == 403
        connection.close()
    headers = {"x-amz-checksum-sha256": declared, "content-type": "image/png"}
    for beside in ("&uploads", "&acl", "&X-Amz-Expires=9", "&partNumber"):
        assert plain("PUT", url + beside, b"hello", headers).status == 403
    assert plain("PUT", url, b"hello", headers).status == 200


def test_a_browser_may_upload_and_read_the_etag(s3: "S3Client") -> None:
    url = s3.generate_presigned_url("put_object", {"Bucket": BUCKET, "Key": "from/browser", "ContentType": "image/png"})
    asks = {"Origin": "https://app.example", "Access-Control-Request-Method": "PUT"}
    preflight = plain("OPTIONS", url, headers={**asks, "Access-Control-Request-Headers": "content-type,x-amz-meta-a"})
    assert preflight.status == 200
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    assert "x-amz-meta-a" in preflight.headers["access-control-allow-headers"]
    answer = plain("PUT", url, b"png", {"Origin": "https://app.example", "Content-Type": "image/png"})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "*")
    assert "ETag" in answer.headers["access-control-expose-headers"]
    forbidden = plain("PUT", url, b"png", {"Origin": "https://app.example", "Content-Type": "text/html"})
    assert (forbidden.status, forbidden.headers["access-control-allow-origin"]) == (403, "*")


def _await(condition: Callable[[], bool], within: float = 5.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("key", ["a%20b.jpg", "100%.jpg", "a%2Fb", "a%2520b", "%25", "a b+c.jpg", "日本.jpg"])
def test_a_key_may_hold_what_addresses_encode(s3: "S3Client", key: str) -> None:
    name = f"escapes/{key}"
    s3.put_object(Bucket=BUCKET, Key=name, Body=b"hello")
    assert s3.get_object(Bucket=BUCKET, Key=name)["Body"].read() == b"hello"
    assert name in [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET, Prefix="escapes/")["Contents"]]
    s3.copy_object(Bucket=BUCKET, Key=f"{name}.copy", CopySource={"Bucket": BUCKET, "Key": name})
    assert s3.head_object(Bucket=BUCKET, Key=f"{name}.copy")["ContentLength"] == 5
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=BUCKET, Key=f"{name}.missing")
    assert refusal(caught) == (404, "NoSuchKey")
    for one in (name, f"{name}.copy"):
        s3.delete_object(Bucket=BUCKET, Key=one)


def test_a_key_whose_part_is_too_long_for_a_file_is_refused_and_never_there(s3: "S3Client") -> None:
    longest = f"long/{'x' * 236}.jpg"
    s3.put_object(Bucket=BUCKET, Key=longest, Body=b"hello")
    s3.delete_object(Bucket=BUCKET, Key=longest)
    for key in (f"long/{'x' * 241}", f"{'日' * 81}/x"):
        with pytest.raises(ClientError) as caught:
            s3.put_object(Bucket=BUCKET, Key=key, Body=b"hello")
        assert refusal(caught) == (400, "InvalidRequest")
        with pytest.raises(ClientError) as caught:
            s3.get_object(Bucket=BUCKET, Key=key)
        assert refusal(caught) == (404, "NoSuchKey")
