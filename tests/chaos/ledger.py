"""The whole ledger held against what was sent and what is stored: what is lost, doubled, stuck or wrong.

Every accepted job has one row and one end; every end has its effects, once, byte for byte: the source, the three
pictures of its content and of its entity, their rows, the entity's fields, the audit row, the search document.
"""

import asyncio
import hashlib
import tempfile
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

import boto3
import psycopg
import urllib3
from botocore.config import Config
from msgspec import Struct, field
from psycopg.rows import dict_row

from models.db import connection as db
from models.jobs.types import STAGES
from models.search import documents
from pipeline.media.render import render

ENDED: Final = ("succeeded", "failed", "cancelled")
ATTEMPTS: Final = 3
READERS: Final = 4  # threads
END: Final = b"\xff\xd9"  # of what a JPEG shows
VARIANTS: Final = ("primary", "medium", "small")
PAUSE_SECONDS: Final = 0.05
Row = dict[str, Any]
Print = tuple[int, str]  # how many bytes, and their SHA-256
_rendered: dict[str, dict[str, Print]] = {}


class Sent(NamedTuple):
    """A job that was accepted: of which bytes, for which clip, and how it may end.

    ``ends`` are outcomes (``stored``, ``duplicate``), error codes, or ``cancelled``.
    """

    job_id: str
    entity_id: str
    reference: str
    data: bytes
    ends: frozenset[str] = frozenset({"stored"})

    @property
    def sha256(self) -> str:
        """Of the bytes, in hex."""
        return hashlib.sha256(self.data).hexdigest()


class Verdict(Struct):
    """What does not hold, one sentence each."""

    jobs: int
    ends: dict[str, int]
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether all of it does."""
        return not (self.lost or self.doubled or self.stuck or self.wrong)


def await_ends(database_url: str, sent: Sequence[Sent], within: float) -> float:
    """Wait until every job has ended and every change is indexed, at most so long; how many seconds it took."""
    began = time.monotonic()
    query = """
        select (select count(*) from ingest_jobs where job_id = any(%s::uuid[]) and finished_at is not null)
               - (select count(*) from outbox)
    """
    ids = [one.job_id for one in sent]
    with psycopg.connect(database_url, autocommit=True) as connection:
        while time.monotonic() - began < within:
            (ended,) = connection.execute(query, [ids]).fetchone() or (0,)
            if ended >= len(ids):
                break
            time.sleep(PAUSE_SECONDS)
    return time.monotonic() - began


def check(database_url: str, storage: Mapping[str, str], sent: Sequence[Sent]) -> Verdict:
    """Look at everything, once; ``storage`` is the environment that names the S3 server, its keys and buckets.

    Each clip of ``sent`` has one job, and nobody else has sent jobs to this database.
    """
    with psycopg.connect(database_url, autocommit=True, row_factory=dict_row) as connection:
        books = _Books(connection)
    verdict = Verdict(len(sent), dict(Counter(_end(job) for job in books.jobs.values())))
    objects = _Objects(storage)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(READERS) as readers:
        for one in sent:
            _job(verdict, books, one)
        deque(readers.map(lambda one: _effects(verdict, books, objects, one, Path(folder)), sent), maxlen=0)
    _nobody_else(verdict, books, sent)
    _one_stored(verdict, books, sent)
    asyncio.run(_search(verdict, database_url, sent))
    return verdict


class _Books:
    """Everything that the database says, read at once."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        def read(query: str) -> list[Row]:
            return connection.execute(query.encode()).fetchall()

        with connection.transaction():
            connection.execute("set transaction isolation level repeatable read")
            self.jobs = {str(row["job_id"]): row for row in read("select * from ingest_jobs where kind = 'ingest'")}
            self.attempts = _by("job_id", read("select * from ingest_attempts order by job_id, fence"))
            self.files = {row["sha256"]: row for row in read("select * from files")}
            self.clips = {str(row["clip_id"]): row for row in read("select * from clips")}
            self.thumbnails = _by("entity_id", read("select * from thumbnails order by entity_id"))
            self.audit = _by("job_id", read("select * from audit_log where action = 'ingest' order by job_id"))
            self.documents = Counter(str(row["entity_id"]) for row in read("select entity_id from search_documents"))
            self.pending = read("select * from outbox")


class _Objects:
    """What the storage holds."""

    def __init__(self, storage: Mapping[str, str]) -> None:
        self.pictures = storage["S3_THUMBNAIL_BUCKET"]
        self._http = urllib3.PoolManager(maxsize=READERS)
        self._client = boto3.client(
            "s3",
            endpoint_url=storage["S3_ENDPOINT_URL"],
            region_name=storage["AWS_REGION"],
            config=Config(signature_version="s3v4"),
            aws_access_key_id=storage["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=storage["AWS_SECRET_ACCESS_KEY"],
        )

    def read(self, reference: str) -> bytes | None:
        """The bytes of ``s3://bucket/key``, or None where there are none."""
        bucket, _, key = reference.removeprefix("s3://").partition("/")
        url = self._client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
        answer = self._http.request("GET", url)  # signed apart: boto3 itself takes thrice the time
        assert answer.status in (HTTPStatus.OK, HTTPStatus.NOT_FOUND), answer.data
        return answer.data if answer.status == HTTPStatus.OK else None


def _by(key: str, rows: list[Row]) -> dict[str, list[Row]]:
    return {str(name): list(group) for name, group in groupby(rows, lambda row: row[key])}


def _end(job: Row) -> str:
    """How a job ended: its outcome, its error code, or its status."""
    return str(job["outcome"] or (job["error_code"] if job["status"] == "failed" else None) or job["status"])


def _job(verdict: Verdict, books: _Books, one: Sent) -> None:
    """One row, one end, and attempts that lead to it."""
    job = books.jobs.get(one.job_id)
    if job is None:
        verdict.lost.append(f"job {one.job_id} was accepted and is not on the ledger")
        return
    attempts = books.attempts.get(one.job_id, [])
    if job["status"] not in ENDED or job["finished_at"] is None or job["lease_expires_at"] is not None:
        verdict.stuck.append(f"job {one.job_id} is {job['status']} in {job['stage']}: {job['error_message']}")
        return
    if any(made["finished_at"] is None for made in attempts):
        verdict.stuck.append(f"job {one.job_id} has ended, an attempt of it has not")
    if _end(job) not in one.ends:
        verdict.wrong.append(f"job {one.job_id} ended {_end(job)} ({job['error_message']}), not {sorted(one.ends)}")
    _attempts(verdict, job, [made for made in attempts if made["fence"] > job["retried_fence"]])


def _attempts(verdict: Verdict, job: Row, attempts: list[Row]) -> None:
    """Stages in their order, each ended well once; the next one exists exactly where the last one did."""
    job_id = job["job_id"]
    well = [made["stage"] for made in attempts if made["result"] == "succeeded"]
    if len(well) != len(set(well)):
        verdict.doubled.append(f"job {job_id} ended stages twice: {well}")
    if well != list(STAGES[: len(well)]) or (job["status"] == "succeeded") != (len(well) == len(STAGES)):
        verdict.wrong.append(f"job {job_id} is {job['status']} after {well}")
    if [made["stage"] for made in attempts] != sorted((made["stage"] for made in attempts), key=STAGES.index):
        verdict.wrong.append(f"job {job_id} went back a stage")
    if any(made["attempt"] > ATTEMPTS for made in attempts):
        verdict.wrong.append(f"job {job_id} was tried more than {ATTEMPTS} times")
    if any(made["fence"] > job["fence"] for made in attempts):
        verdict.wrong.append(f"the fence of job {job_id} has fallen")


def _effects(verdict: Verdict, books: _Books, objects: _Objects, one: Sent, folder: Path) -> None:
    """What a success leaves, once; what anything else does not leave."""
    job = books.jobs.get(one.job_id)
    if job is None or job["status"] not in ENDED:
        return
    audited, pictures = books.audit.get(one.job_id, []), books.thumbnails.get(one.entity_id, [])
    if job["status"] != "succeeded":
        _no_effects(verdict, books, one)
        return
    if len(audited) != 1:
        (verdict.doubled if audited else verdict.lost).append(f"job {one.job_id} has {len(audited)} rows in the audit")
    if sorted(row["size_variant"] for row in pictures) != sorted(VARIANTS):
        verdict.wrong.append(f"clip {one.entity_id} has {len(pictures)} thumbnails")
    _entity(verdict, books, one, audited)
    _file(verdict, books, objects, one)
    _pictures(verdict, objects, one, pictures, folder)


def _no_effects(verdict: Verdict, books: _Books, one: Sent) -> None:
    left = [books.audit.get(one.job_id), books.thumbnails.get(one.entity_id), books.clips[one.entity_id]["file_hash"]]
    if any(left) or any(str(row["job_id"]) == one.job_id for row in books.files.values() if not row["displaced_at"]):
        verdict.wrong.append(f"job {one.job_id} ended without success and left something")


def _entity(verdict: Verdict, books: _Books, one: Sent, audited: list[Row]) -> None:
    clip, file = books.clips[one.entity_id], books.files.get(one.sha256)
    seen = (clip["file_hash"], clip["file_size"], clip["file_reference"])
    if seen != (one.sha256, len(one.data), file and file["file_reference"]):
        verdict.wrong.append(f"clip {one.entity_id} shows another file: {seen}")
    for row in audited:
        if str(row["entity_id"]) != one.entity_id or row["after"].get("file_hash") != one.sha256:
            verdict.wrong.append(f"the audit of job {one.job_id} says something else: {row['after']}")
    if books.documents[one.entity_id] != 1:
        verdict.wrong.append(f"clip {one.entity_id} has {books.documents[one.entity_id]} search documents")


def _file(verdict: Verdict, books: _Books, objects: _Objects, one: Sent) -> None:
    file = books.files.get(one.sha256)
    if file is None or file["stored_at"] is None:
        verdict.lost.append(f"the file of job {one.job_id} is not stored")
    elif objects.read(file["file_reference"]) != one.data or file["file_size"] != len(one.data):
        verdict.wrong.append(f"the stored file of job {one.job_id} has other bytes")


def _pictures(verdict: Verdict, objects: _Objects, one: Sent, rows: list[Row], folder: Path) -> None:
    """The objects are what the pure function makes of the bytes that were sent."""
    due = _due(one, folder)
    for row in rows:
        variant = row["size_variant"]
        place = f"s3://{objects.pictures}/clips/{one.entity_id}/{variant}.jpg"
        content = f"s3://{objects.pictures}/content/{one.sha256[:2]}/{one.sha256}/{variant}.jpg"
        seen = {_print(objects.read(place)), _print(objects.read(content))}
        if row["file_reference"] != place or seen != {due[variant]}:
            verdict.wrong.append(f"the picture {variant} of clip {one.entity_id} has other bytes")
        if (row["file_size"], row["sha256"]) != (due[variant][0], one.sha256):
            verdict.wrong.append(f"the row of picture {variant} of clip {one.entity_id} says something else")


def _due(one: Sent, folder: Path) -> dict[str, Print]:
    """The prints of the pictures of a content, rendered once in the life of this process."""
    shown = hashlib.sha256(_shown(one.data)).hexdigest()
    if shown not in _rendered:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            source = Path(place) / "source"
            source.write_bytes(one.data)
            made = render(source, Path(place), "image")
            _rendered[shown] = {picture.size_variant: _print(Path(picture.path).read_bytes()) for picture in made}
    return _rendered[shown]


def _shown(data: bytes) -> bytes:
    """Without what follows the end of a picture, by which most of those that are sent differ."""
    place = data.rfind(END)
    return data[: place + len(END)] if place > 0 else data


def _print(data: bytes | None) -> Print:
    return len(data or b""), hashlib.sha256(data or b"").hexdigest()


def _nobody_else(verdict: Verdict, books: _Books, sent: Sequence[Sent]) -> None:
    """No job that nobody sent, no content without a job that succeeded, nothing left to be indexed."""
    known = {one.job_id for one in sent}
    verdict.doubled += [f"job {job_id} was sent by nobody" for job_id in books.jobs.keys() - known]
    stored = {one.sha256 for one in sent if books.jobs.get(one.job_id, {}).get("status") == "succeeded"}
    shown = {sha256 for sha256, row in books.files.items() if not row["displaced_at"]}
    verdict.wrong += [f"the file {sha256} has no job" for sha256 in shown - stored]
    if books.pending:
        verdict.stuck.append(f"{len(books.pending)} changes are not in the search")


def _one_stored(verdict: Verdict, books: _Books, sent: Sequence[Sent]) -> None:
    """Of identical files exactly one is stored, the others are its duplicates."""
    stored = Counter(one.sha256 for one in sent if books.jobs.get(one.job_id, {}).get("outcome") == "stored")
    linked = {one.sha256 for one in sent if books.jobs.get(one.job_id, {}).get("outcome") == "duplicate"}
    verdict.doubled += [
        f"the content {sha256} was stored {number} times" for sha256, number in stored.items() if number > 1
    ]
    verdict.wrong += [f"the content {sha256} is a duplicate of nothing" for sha256 in linked - stored.keys()]


async def _search(verdict: Verdict, database_url: str, sent: Sequence[Sent]) -> None:
    """The documents say what the clips say."""
    ids = sorted({one.entity_id for one in sent})
    async with await db.Connection.connect(database_url, autocommit=True) as connection:
        drift = await documents.compare(connection, "clip", [UUID(text) for text in ids])
    verdict.wrong += [f"the search document of clip {one.entity_id} is {one.kind}" for one in drift]
