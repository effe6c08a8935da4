"""What a stranger's generator makes of the document: a lean client, without a warning, that does the main job."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from tests import media
from tests.eventually import eventually
from tests.stack import PLAIN, Stack
from tests.work import ENDED, unique

NAME = "client_of_a_stranger"
MOST_TYPES = 257  # files of types; those of routes are as many as there are routes
GENERATOR = Path(sys.executable).with_name("openapi-python-client")


@pytest.fixture(scope="module")
def generated(viewer: httpx2.Client, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client's folder."""
    folder = tmp_path_factory.mktemp("generated")
    document, config = folder / "openapi.json", folder / "config.json"
    document.write_bytes(viewer.get("/schema/openapi.json").content)
    config.write_bytes(msgspec.json.encode({"post_hooks": []}))
    told = {"path": document, "config": config, "output-path": folder / NAME, "meta": "none"}
    options = [word for name, value in told.items() for word in (f"--{name}", str(value))]
    command = [str(GENERATOR), "generate", "--fail-on-warning", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "arning" not in done.stdout
    return folder / NAME


def test_a_generated_client_has_few_types_and_none_for_a_refusal(generated: Path) -> None:
    types = [file.stem for file in (generated / "models").glob("*.py")]
    assert len(types) <= MOST_TYPES
    assert {name for name in types if "error" in name} == {"error_body", "error_code", "error_entry"}


def test_the_main_job_runs_through_a_generated_client(
    server: Stack, generated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(generated.parent))
    made, models = (importlib.import_module(f"{NAME}{part}") for part in ("", ".models"))
    signed = {"base_url": server.url, "token": server.token("editor"), "httpx_args": {"trust_env": False}}
    with made.AuthenticatedClient(**signed) as client:
        check(client, models)


def check(client: Any, models: Any) -> None:
    """A picture is sent, ingested and shown; what is not there is told."""

    def call(operation: str, **given: Any) -> Any:
        return importlib.import_module(f"{NAME}.api.{operation}").sync(client=client, **given).data

    picture = unique(media.jpeg())
    clip = call("clips.create_clip", body=models.NewClip(title="Walk at the pier", tags=["pier"]))
    announced = {"file_name": "look.jpg", "file_type": "image/jpeg", "file_size": len(picture)}
    upload = call("files.generate_url", body=models.NewUpload(entity_type=models.EntityType.CLIP, **announced))
    sent = httpx2.put(upload.upload_url, content=picture, headers=upload.headers.to_dict(), **PLAIN)
    assert sent.status_code == 200
    new = models.NewJob(models.EntityType.CLIP, clip.clip_id, upload.file_reference)
    job = call("ingest.create_job", body=new)
    ended = eventually(lambda: (now := call("ingest.read_job", job_id=job.job_id)).status in ENDED and now, 30)
    assert (ended.status, ended.outcome) == ("succeeded", "stored")
    assert len(call("clips.list_clip_thumbnails", clip_id=clip.clip_id)) == 3
    shown = call("clips.list_clips", tag=["pier"], quality=[models.Quality.HERO])
    assert clip.clip_id not in [one.clip_id for one in shown]
    wrong = importlib.import_module(f"{NAME}.api.clips.read_clip").sync(client=client, clip_id=job.job_id)
    assert (type(wrong).__name__, wrong.errors[0].code) == ("ErrorBody", "NOT_FOUND")
