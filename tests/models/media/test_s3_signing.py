"""Our signatures are boto3's."""

from datetime import UTC, datetime
from random import Random
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotoCredentials

from models.media import s3_signing
from models.media.references import Reference
from models.media.s3_signing import EMPTY, Credentials, Signer

KEYS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SIGNER = Signer("http://127.0.0.1:9000", "eu-west-1")
MOMENT = "20260301T101112Z"


@pytest.fixture(autouse=True)
def _fixed_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_signing.Clock, "moment", lambda _: MOMENT)


def keys(rng: Random) -> list[str]:
    """Plain and awkward object keys."""
    letters = "abcXYZ019 ._-~/+%&=?#:;,@!$'()*[]äß漢"
    return ["clip/a.jpg", *("x" + "".join(rng.choices(letters, k=30)).replace("//", "/") for _ in range(50))]


def test_a_signed_url_is_the_one_boto3_makes(rng: Random, monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client(
        "s3",
        region_name="eu-west-1",
        endpoint_url=SIGNER.endpoint,
        aws_access_key_id=KEYS.access_key,
        aws_secret_access_key=KEYS.secret_key,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    now = datetime(2026, 3, 1, 10, 11, 12, tzinfo=UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda remove_tzinfo=True: now.replace(tzinfo=None))
    for key in keys(rng):
        theirs = client.generate_presigned_url("get_object", Params={"Bucket": "media", "Key": key}, ExpiresIn=60)
        ours = SIGNER.url("GET", Reference("media", key), {}, 60, KEYS)
        assert urlsplit(ours).path == urlsplit(theirs).path
        assert parse_qs(urlsplit(ours).query) == parse_qs(urlsplit(theirs).query)


@pytest.mark.parametrize("token", [None, "a-session-token"])
def test_signed_headers_are_the_ones_boto3_makes(
    rng: Random, monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    now = datetime(2026, 3, 1, 10, 11, 12, tzinfo=UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda remove_tzinfo=True: now.replace(tzinfo=None))
    for key in keys(rng):
        target = Reference("media", key)
        ours = SIGNER.headers("GET", target, {"if-match": '"tag"'}, EMPTY, KEYS._replace(token=token))
        request = AWSRequest("GET", SIGNER.endpoint + s3_signing.path(target), headers={"if-match": '"tag"'})
        S3SigV4Auth(BotoCredentials(KEYS.access_key, KEYS.secret_key, token), "s3", "eu-west-1").add_auth(request)
        assert ours["Authorization"] == request.headers["Authorization"]
