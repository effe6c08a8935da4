"""A client that sends files in and asks for jobs, again with the same key until each is accepted."""

import os
import time
from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

import httpx2

from tests import work
from tests.chaos.ledger import Sent
from tests.chaos.world import World
from tests.resources import CLIP
from tests.soak.files import File

PATIENCE: Final = 180.0  # seconds that the API may be away
AWAY: Final = (401, 429, 502, 503, 504)  # a token may be of a key that is told no more
BUCKET: Final = "S3_PRIMARY_BUCKET"


def reference(world: World, key: str) -> str:
    """How a job names an object of a soak."""
    return f"s3://{world.stack.environ[BUCKET]}/{key}"


class Sender:
    """One client; not to be shared by threads."""

    def __init__(self, world: World) -> None:
        environ = world.stack.environ
        self._world = world
        self.repeats = 0  # of requests whose answer was lost or a 503
        self._http = world.stack.client()
        self._bucket = environ[BUCKET]
        self._s3 = work.storage(environ)

    def send(self, files: Sequence[File]) -> list[Sent]:
        """One batch: a new clip for each file."""
        references = [self._put(file) for file in files]
        clips = [self._written(CLIP.path, {"title": f"soak {uuid4()}"})["clip_id"] for _ in files]
        jobs = [
            {"entity_type": "clip", "entity_id": clip, "source_reference": reference, "priority": "batch"} | file.more
            for file, clip, reference in zip(files, clips, references, strict=True)
        ]
        results = self._written("/api/v1/ingest/batch", {"jobs": jobs})["results"]
        return [
            Sent(result["job"]["job_id"], clip, reference, file.data or b"", file.ends)
            for file, clip, reference, result in zip(files, clips, references, results, strict=True)
        ]

    def _put(self, file: File) -> str:
        if file.data is not None:
            self._s3.put_object(Bucket=self._bucket, Key=file.key, Body=file.data)
        return reference(self._world, file.key)

    def _written(self, path: str, body: object) -> dict[str, Any]:
        once, until = {"Idempotency-Key": os.urandom(8).hex()}, time.monotonic() + PATIENCE
        while True:
            try:
                answer = self._http.post(path, json=body, headers=once)
                if answer.status_code not in AWAY or time.monotonic() > until:
                    data: dict[str, Any] = answer.raise_for_status().json()["data"]
                    return data
            except httpx2.TransportError:
                if time.monotonic() > until:
                    raise
            self._http.headers["Authorization"] = f"Bearer {self._world.stack.token('editor')}"
            self.repeats += 1
            time.sleep(0.2)
