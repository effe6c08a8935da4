"""Make sure that the two buckets exist on an S3 server that is not ours (``python -m ops.stack.buckets``)."""

import os
from collections.abc import Mapping

from ops.stack.processes import StartFailed


def ensure_buckets(environ: Mapping[str, str]) -> None:
    """Create ``S3_PRIMARY_BUCKET`` and ``S3_THUMBNAIL_BUCKET`` at ``S3_ENDPOINT_URL`` if they are not there.

    Raises:
        StartFailed: when the server refuses, with its answer.
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client(
        "s3",
        endpoint_url=environ.get("S3_ENDPOINT_URL") or None,
        region_name=environ.get("AWS_REGION") or "us-east-1",
        aws_access_key_id=environ.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=environ.get("AWS_SECRET_ACCESS_KEY"),
        aws_session_token=environ.get("AWS_SESSION_TOKEN"),
    )
    try:
        existing = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
        for setting in ("S3_PRIMARY_BUCKET", "S3_THUMBNAIL_BUCKET"):
            if environ[setting] not in existing:
                client.create_bucket(Bucket=environ[setting])
    except (BotoCoreError, ClientError) as error:
        raise StartFailed(f"S3_ENDPOINT_URL: the buckets could not be made sure of: {error}") from error


if __name__ == "__main__":
    ensure_buckets(os.environ)
