"""Sending files in and waiting for what becomes of them, as a client does."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

import boto3
import httpx2

from tests.eventually import eventually
from tests.resources import CLIP, Resource, create
from tests.stack import PLAIN

ENDED = ("succeeded", "failed", "cancelled")


def storage(environ: Mapping[str, str]) -> Any:
    """The object storage, past the application."""
    return boto3.client(
        "s3",
        endpoint_url=environ["S3_ENDPOINT_URL"],
        region_name=environ["AWS_REGION"],
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
    )


def upload(client: httpx2.Client, data: bytes, name: str = "look.jpg", kind: str = "image/jpeg", **more: Any) -> str:
    """Send bytes to the storage; their reference."""
    body = {"file_name": name, "file_type": kind, "entity_type": "clip", "file_size": len(data)} | more
    answer = client.post("/api/v1/upload/generate-url", json=body)
    assert answer.status_code == httpx2.codes.OK, answer.text
    url = answer.json()["data"]
    put = httpx2.put(url["uploadUrl"], content=data, headers=url["headers"], timeout=60, **PLAIN)
    assert put.status_code == httpx2.codes.OK, put.text
    return str(url["fileReference"])


def post(client: httpx2.Client, reference: str, entity_id: str | None = None, **more: Any) -> dict[str, Any]:
    """A new job for a new clip, or for the entity given."""
    entity_id = entity_id or create(client, CLIP)["clip_id"]
    body = {"entity_type": "clip", "entity_id": entity_id, "source_reference": reference} | more
    answer = client.post("/api/v1/ingest", json=body)
    assert answer.status_code == httpx2.codes.ACCEPTED, answer.text
    job: dict[str, Any] = answer.json()["data"]
    return job


def ended(client: httpx2.Client, job: dict[str, Any], within: float = 30.0) -> dict[str, Any]:
    """The job once it has ended."""

    def look() -> dict[str, Any] | None:
        now: dict[str, Any] = client.get(f"/api/v1/ingest/{job['job_id']}").json()["data"]
        return now if now["status"] in ENDED else None

    return eventually(look, within)


def ingested(client: httpx2.Client, data: bytes, **more: Any) -> dict[str, Any]:
    """The ended job of new bytes for a new clip."""
    names = {key: more.pop(key) for key in ("name", "kind") if key in more}
    return ended(client, post(client, upload(client, data, **names), **more))


def entity(client: httpx2.Client, resource: Resource, key: str) -> dict[str, Any]:
    """A row as it now is."""
    row: dict[str, Any] = client.get(f"{resource.path}/{key}").json()["data"]
    return row


def sha256(data: bytes) -> str:
    """In hex."""
    return hashlib.sha256(data).hexdigest()


def unique(data: bytes) -> bytes:
    """The same picture with other bytes: what follows the end of a JPEG does not count."""
    return data + uuid4().bytes


def seconds_between(one: str, other: str) -> float:
    """From one time to another, as answers write them."""
    return (datetime.fromisoformat(other) - datetime.fromisoformat(one)).total_seconds()
