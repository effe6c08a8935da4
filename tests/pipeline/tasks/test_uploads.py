"""Uploads that nobody completes are given up; what was announced is kept for as long as it may come."""

from uuid import uuid4

import httpx2

from tests.pipeline.tasks.house import (
    CAUTIOUS,
    JOBS,
    MEDIA,
    PATH,
    PICTURE,
    another_worker,
    audited,
    key_of,
    objects,
    run,
)
from tests.stack import Stack
from tests.work import ended, post, storage, unique, upload


def test_uploads_in_parts_that_nobody_completed_are_given_up(stack: Stack, chief: httpx2.Client) -> None:
    video = {"file_name": "take.mp4", "file_type": "video/mp4", "entity_type": "clip", "file_size": 1000}
    begun = chief.post("/api/v1/upload/multipart", json=video).json()["data"]
    stored = upload(chief, unique(PICTURE))
    with another_worker(stack, **CAUTIOUS):
        assert run(chief, "expired-uploads") == {}
    theirs = {"Bucket": MEDIA, "Key": f"import/{uuid4()}-take.mp4"}
    theirs["UploadId"] = storage(stack.environ).create_multipart_upload(**theirs)["UploadId"]
    sent = httpx2.put(begun["parts"][0]["url"], content=b"x" * 1000, trust_env=False)
    assert sent.status_code == httpx2.codes.OK
    assert run(chief, "expired-uploads") == {"aborted": 1}
    named = {"uploadId": begun["uploadId"], "fileReference": begun["fileReference"]}
    assert chief.post("/api/v1/upload/multipart/complete", json=named).status_code == httpx2.codes.NOT_FOUND
    assert objects(stack) == {key_of(stored)}
    assert storage(stack.environ).list_multipart_uploads(Bucket=MEDIA)["Uploads"][0]["Key"] == theirs["Key"]
    storage(stack.environ).abort_multipart_upload(**theirs)
    task = chief.get(f"{PATH}/expired-uploads").json()["data"]
    assert audited(chief, entity_id=task["task_id"])[-1] == ("housekeeping", "run", None, {"aborted": 1})


def test_what_was_announced_is_kept_as_long_as_a_job_may_bring_it(stack: Stack, chief: httpx2.Client) -> None:
    picture = unique(PICTURE)
    never, failed, brought = (upload(chief, picture + bytes([number])) for number in range(3))
    storage(stack.environ).put_object(Bucket=MEDIA, Key=key_of(failed), Body=picture)
    assert ended(chief, post(chief, failed))["error"]["code"] == "CORRUPT_FILE"  # a byte is missing
    assert ended(chief, post(chief, brought))["outcome"] == "stored"

    def kept() -> set[str]:
        return {one for (one,) in stack.sql("select file_reference from uploads")} & {never, failed, brought}

    with another_worker(stack, **CAUTIOUS):
        run(chief, "expired-uploads")
    assert kept() == {never, failed, brought}
    assert run(chief, "expired-uploads") == {}
    assert kept() == {failed}
    (job,) = chief.get(JOBS, params={"status": "failed"}).json()["data"]
    assert ended(chief, chief.post(f"{JOBS}/{job['job_id']}/retry").json()["data"])["error"]["code"] == "CORRUPT_FILE"
