"""A whole Episodes for a benchmark, its processes on the processors they are given."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
import httpx2
import psycopg

from migrations import upgrade
from models import dev_issuer
from ops.stack.services import Services
from ops.stack.system import System


@contextmanager
def on(processors: set[int]) -> Iterator[None]:
    """What is started inside runs on these processors only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def system(processors: set[int], **settings: str) -> Iterator[System]:
    """API and dispatcher over services of their own, all on these processors; the worker is left to the caller."""
    with (
        TemporaryDirectory(prefix="episodes-bench-") as folder,
        on(processors),
        Services(Path(folder) / "services", {}) as services,
    ):
        upgrade(services.environment["MIGRATION_DATABASE_URL"], application_url=services.environment["DATABASE_URL"])
        made = System(services.environment, Path(folder), **settings)
        made.api.start()
        made.dispatcher.spawn()
        try:
            yield made
        finally:
            made.stop()


class Sender:
    """Sends files straight to the storage and posts their jobs, as an editor."""

    def __init__(self, to: System) -> None:
        token = dev_issuer.sign(to.home, role="editor", subject="bench")
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx2.Client(base_url=to.url, headers=headers, timeout=60, trust_env=False)
        self._database = to.environ["DATABASE_URL"]
        self._bucket = to.environ["S3_PRIMARY_BUCKET"]
        self._s3 = boto3.client(
            "s3",
            endpoint_url=to.environ["S3_ENDPOINT_URL"],
            region_name=to.environ["AWS_REGION"],
            aws_access_key_id=to.environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=to.environ["AWS_SECRET_ACCESS_KEY"],
        )

    def order(self, path: Path) -> dict[str, Any]:
        """A job for a new clip of this file, which is in the storage; not posted yet."""
        self._s3.upload_file(str(path), self._bucket, f"clip/{path.name}")
        clip = self._http.post("/api/v1/clips", json={"title": path.stem}).raise_for_status().json()["data"]["clip_id"]
        return {"entity_type": "clip", "entity_id": clip, "source_reference": f"s3://{self._bucket}/clip/{path.name}"}

    def post(self, orders: Sequence[dict[str, Any]]) -> None:
        """Post jobs as one batch."""
        self._http.post("/api/v1/ingest/batch", json={"jobs": list(orders)}).raise_for_status()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query on the ledger."""
        with psycopg.connect(self._database, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()
