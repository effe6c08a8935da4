"""Make sure that the two buckets exist on an S3 server that is not ours (``python -m ops.stack.buckets``)."""

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from models.settings.environment import complete
from models.settings.types import SettingsError
from ops.stack.processes import StartFailed

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

DEFAULT_BUCKETS: Final = {"S3_PRIMARY_BUCKET": "episodes-media", "S3_THUMBNAIL_BUCKET": "episodes-thumbnails"}


def ensure_buckets(environ: Mapping[str, str]) -> None:
    """Create ``S3_PRIMARY_BUCKET`` and ``S3_THUMBNAIL_BUCKET`` at ``S3_ENDPOINT_URL`` if they are not there.

    Raises:
        StartFailed: when the server refuses, with its answer.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client = _client(environ)
        existing = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
        for bucket in (environ.get(name) or default for name, default in DEFAULT_BUCKETS.items()):
            if bucket not in existing:
                client.create_bucket(Bucket=bucket)
    except (BotoCoreError, ClientError, ValueError) as error:  # an endpoint that is no URL is a ValueError
        raise StartFailed(f"S3_ENDPOINT_URL: the buckets could not be made sure of: {error}") from error


def _client(environ: Mapping[str, str]) -> "S3Client":
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=environ.get("S3_ENDPOINT_URL") or None,
        region_name=environ.get("AWS_REGION") or "us-east-1",
        aws_access_key_id=environ.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=environ.get("AWS_SECRET_ACCESS_KEY"),
        aws_session_token=environ.get("AWS_SESSION_TOKEN"),
    )


def main() -> int:
    """Create them; 1 and one line where a setting is missing, or the server refuses."""
    try:
        ensure_buckets(complete(os.environ))
    except (StartFailed, SettingsError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
