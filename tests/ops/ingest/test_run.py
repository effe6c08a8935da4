"""The folder ingest against a running server and its pipeline."""

import asyncio
import hashlib
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import pytest
from PIL import Image

from models.catalog import CATALOG
from ops.cli.sign_in import connected
from ops.errors import CommandError
from ops.ingest.batch import RunBatch
from tests import media
from tests.command_line import episodes
from tests.eventually import eventually
from tests.processes import program
from tests.stack import Stack

COMMAND = [sys.executable, "-c", "from ops.cli.app import main; main()", "ingest"]
MANY = 30  # pictures, enough to be interrupted among them


class Run:
    """One call of ``episodes ingest … --json`` that has ended."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code = done.returncode
        self.errors = done.stderr
        self.results: list[dict[str, Any]] = json.loads(done.stdout) if done.stdout else []

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(result["outcome"] for result in self.results)

    def of(self, name: str) -> dict[str, Any]:
        (found,) = [result for result in self.results if result["file"].endswith(name)]
        return found


def ingest(environ: Mapping[str, str], *args: str | Path) -> Run:
    return Run(episodes(environ, "ingest", *map(str, args), "--json"))


class Api:
    """Asks the server what is really there."""

    def __init__(self, http: httpx2.Client) -> None:
        self._http = http

    def get(self, path: str, **params: str | int) -> Any:
        return self._http.get(f"/api/v1{path}", params=params).raise_for_status().json()["data"]

    def delete(self, path: str) -> None:
        self._http.delete(f"/api/v1{path}").raise_for_status()

    def titles(self, mark: str) -> list[str]:
        """The titles of all clips of one test, which all carry its mark."""
        return sorted(clip["title"] for clip in self.get("/clips", q=mark, limit=100))

    def jobs_of(self, mark: str) -> Counter[str]:
        """How many jobs each clip of a test has."""
        ids = [clip["clip_id"] for clip in self.get("/clips", q=mark, limit=100)]
        return Counter({clip_id: len(self.get("/ingest", entity_id=clip_id)) for clip_id in ids})


@pytest.fixture
def api(admin: httpx2.Client) -> Api:
    return Api(admin)


@pytest.fixture
def mark(rng: Random, request: pytest.FixtureRequest) -> str:
    """A word that nothing else is called by, and that no other test's pictures are drawn from."""
    return f"m{Random(f'{rng.random()} {request.node.nodeid}').randbytes(6).hex()}"


def batch_of(said: str) -> str:
    """The id of the batch that a run has named."""
    found = re.search(r"^batch .* \(([0-9a-f-]{36})\)", said, re.MULTILINE)
    assert found, said
    return found[1]


def picture(path: Path, size: tuple[int, int] = (640, 480)) -> Path:
    """Soft noise that the file's name decides."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = Image.frombytes("RGB", (16, 12), Random(path.name).randbytes(16 * 12 * 3))
    noise.resize(size).save(path)
    return path


def pictures(folder: Path, mark: str, count: int) -> Path:
    for index in range(count):
        picture(folder / f"{mark}_{index:02}.jpg")
    return folder


def titles(mark: str, count: int) -> list[str]:
    return [f"M{mark[1:]} {index:02}" for index in range(count)]


def test_a_mixed_folder_is_ingested_and_every_file_told(server: Stack, api: Api, tmp_path: Path, mark: str) -> None:
    folder = pictures(tmp_path / "in", mark, 3)
    (folder / "later").mkdir()
    (folder / "later" / f"{mark}_copy.jpg").write_bytes((folder / f"{mark}_00.jpg").read_bytes())
    (folder / f"{mark}_empty.jpg").touch()
    (folder / f"{mark}_text.jpg").write_text(f"not a picture {mark}")
    whole = (folder / f"{mark}_01.jpg").read_bytes()
    (folder / f"{mark}_cut.jpg").write_bytes(whole[: len(whole) // 2])
    run = ingest(server.environ, folder, "--entity-type", "clip", "--create")
    assert run.code == 1
    assert run.outcomes == {"stored": 3, "duplicate": 1, "failed": 3}
    assert run.of("copy.jpg")["entity_id"] == run.of("_00.jpg")["entity_id"]
    batch = api.get(f"/ingest/batches/{batch_of(run.errors)}")
    assert {result["batch_id"] for result in run.results} == {batch["batch_id"], None}
    assert (batch["total"], batch["stored"], batch["failed"]) == (5, 3, 2)
    named = api.get("/ingest", batch_id=batch["batch_id"], file_name="_cut.jp", status="failed")
    assert [job["file_name"] for job in named] == [f"{mark}_cut.jpg"]
    assert {result["file"].rpartition("_")[2] for result in run.results if result["empty"]} == {"cut.jpg", "text.jpg"}
    assert run.of("empty.jpg")["error"]["code"] == "EMPTY_FILE"
    assert run.of("cut.jpg")["error"]["code"] == "CORRUPT_FILE"
    assert run.of("text.jpg")["error"]["code"] in ("UNSUPPORTED_MEDIA_TYPE", "CORRUPT_FILE")
    assert set(titles(mark, 3)) <= set(api.titles(mark))
    assert api.get(f"/clips/{run.of('_00.jpg')['entity_id']}")["width"] == 640


def test_titles_are_the_names_that_people_gave_and_junk_is_no_failure(
    server: Stack, api: Api, tmp_path: Path, mark: str
) -> None:
    folder = tmp_path / "in"
    endings = ("\u202fPM", "\u00a0final", "\u3000コーデ", " 👩\u200d🎤", " نمی\u200cخواهم")
    for ending in endings:
        picture(folder / f"{mark}{ending}.jpg")
    for name in ("Thumbs.db", "Icon\r", f"{mark}.xmp", f"{mark}.jpg.part", f"@eaDir/{mark}.jpg/SYNOPHOTO_THUMB_M.jpg"):
        picture(folder / "whole.jpg").rename(folder / "moved")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "moved").rename(folder / name)
    run = ingest(server.environ, folder, "--create")
    assert (run.code, run.outcomes) == (0, {"stored": len(endings)})
    assert run.errors.endswith("\nskipped: 2 system files, 1 system folder, 1 sidecar, 1 unfinished file\n")
    made = {api.get(f"/clips/{result['entity_id']}")["title"] for result in run.results}
    assert made == {f"M{mark[1:]}{ending}" for ending in endings}


def test_a_second_run_uploads_and_creates_nothing(server: Stack, api: Api, tmp_path: Path, mark: str) -> None:
    folder = pictures(tmp_path / "in", mark, 4)
    first = ingest(server.environ, folder, "--create")
    second = ingest(server.environ, folder, "--create")
    assert (first.code, first.outcomes) == (0, {"stored": 4})
    assert (second.code, second.outcomes) == (0, {"duplicate": 4})
    assert [result["job_id"] for result in second.results] == [None] * 4
    assert [one["entity_id"] for one in second.results] == [one["entity_id"] for one in first.results]
    assert api.titles(mark) == titles(mark, 4)


def test_two_runs_of_a_folder_at_once_double_nothing(server: Stack, api: Api, tmp_path: Path, mark: str) -> None:
    folder = pictures(tmp_path / "in", mark, 8)
    command = [*COMMAND, str(folder), "--create", "--json"]
    with (
        program(command, server.environ, stdout=subprocess.PIPE) as one,
        program(command, server.environ, stdout=subprocess.PIPE) as other,
    ):
        results = [json.loads(run.communicate(timeout=60)[0]) for run in (one, other)]
    assert [(run.returncode, len(found)) for run, found in zip((one, other), results, strict=True)] == [(0, 8)] * 2
    assert api.titles(mark) == titles(mark, 8)
    assert set(api.jobs_of(mark).values()) == {1}


def test_a_run_whose_batch_was_cancelled_posts_no_more(server: Stack) -> None:
    posted = asyncio.run(posting_into_a_batch(server, "cancelled", "cancel"))
    assert isinstance(posted, CommandError)
    assert "was cancelled. Run the same command again" in str(posted)


def test_a_run_goes_on_in_a_new_batch_where_another_has_closed_its_own(server: Stack) -> None:
    posted = asyncio.run(posting_into_a_batch(server, "closed", "close"))
    assert posted is None


async def posting_into_a_batch(server: Stack, name: str, verb: str) -> Exception | None:
    """What a run is told that posts after somebody did that to its batch."""
    async with connected("editor", environ=server.environ) as client:
        clip = (await client.post("/api/v1/clips", dict[str, Any], {"title": name})).data["clip_id"]
        job = {"entity_type": "clip", "entity_id": clip, "source_reference": "s3://episodes-media/clip/a.jpg"}
        batch = RunBatch(client, f"{name} {uuid4()}", lambda _: None)
        await client.post(f"/api/v1/ingest/batches/{(await batch.open()).batch_id}/{verb}", dict[str, Any])
        try:
            await batch.submit(job)
        except CommandError as error:
            return error
    return None


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_continues_and_doubles_nothing(
    server: Stack, api: Api, tmp_path: Path, mark: str, how: signal.Signals
) -> None:
    folder = pictures(tmp_path / "in", mark, MANY)
    command = [*COMMAND, str(folder), "--create", "--json"]
    with program(command, server.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        eventually(lambda: api.titles(mark), within=30)
        started.send_signal(how)
        out, said = started.communicate(timeout=30)
    if how == signal.SIGINT:
        assert (started.returncode, out, said.count("\n")) == (130, "", 3)
        assert "again to continue" in said
        assert f"episodes batches cancel {batch_of(said)}" in said
    again = ingest(server.environ, folder, "--create")
    assert again.code == 0
    assert batch_of(again.errors) == batch_of(said)
    batch = api.get(f"/ingest/batches/{batch_of(said)}")
    assert (batch["name"], batch["total"], batch["succeeded"]) == (str(folder), MANY, MANY)
    assert batch["finished_at"] is not None
    assert again.outcomes["stored"] + again.outcomes["duplicate"] == MANY
    assert api.titles(mark) == titles(mark, MANY)
    assert set(api.jobs_of(mark).values()) == {1}


def test_a_file_that_is_on_its_way_is_waited_for(server: Stack, api: Api, tmp_path: Path, mark: str) -> None:
    folder = pictures(tmp_path / "in", mark, 12)
    command = [*COMMAND, str(folder), "--create", "--json"]
    with program(command, server.environ, stdout=subprocess.PIPE) as other:
        eventually(lambda: api.jobs_of(mark).total() > 0, within=30)
        run = ingest(server.environ, folder, "--create")
        other.communicate(timeout=60)
    assert (run.code, other.returncode) == (0, 0)
    assert api.titles(mark) == titles(mark, 12)


def test_keep_stores_what_is_stored_already(server: Stack, api: Api, tmp_path: Path, mark: str) -> None:
    folder = pictures(tmp_path / "in", mark, 1)
    (folder / f"{mark}_01.jpg").write_bytes((folder / f"{mark}_00.jpg").read_bytes())
    run = ingest(server.environ, folder, "--create", "--on-duplicate", "keep")
    assert (run.code, run.outcomes) == (0, {"stored": 2})
    assert len({result["entity_id"] for result in run.results}) == 2
    assert api.titles(mark) == titles(mark, 2)


def test_reject_fails_what_is_stored_already(server: Stack, api: Api, tmp_path: Path, mark: str) -> None:
    folder = pictures(tmp_path / "in", mark, 1)
    ingest(server.environ, folder, "--create")
    run = ingest(server.environ, folder, "--create", "--on-duplicate", "reject")
    assert (run.code, run.results[0]["error"]["code"]) == (1, "DUPLICATE")
    assert api.titles(mark) == titles(mark, 1)


def test_a_stored_file_is_linked_to_another_entity_without_an_upload(
    server: Stack, api: Api, tmp_path: Path, mark: str
) -> None:
    first = ingest(server.environ, picture(tmp_path / f"{mark}.jpg"), "--create").results[0]["entity_id"]
    second = ingest(server.environ, picture(tmp_path / f"{mark}_b.jpg"), "--create").results[0]["entity_id"]
    run = ingest(server.environ, tmp_path / f"{mark}.jpg", "--entity-id", second)
    assert (run.code, run.outcomes) == (0, {"duplicate": 1})
    (job,) = [job for job in api.get("/ingest", entity_id=second) if job["outcome"] == "duplicate"]
    assert job["source_reference"] == api.get(f"/clips/{first}")["file_reference"]
    assert job["duplicate_of"]["entity_id"] == first


def test_what_only_the_trash_holds_is_brought_in_for_the_living_again(
    server: Stack, api: Api, tmp_path: Path, mark: str
) -> None:
    path = picture(tmp_path / f"{mark}.jpg")
    shown = [ingest(server.environ, path, "--create").results[0]["entity_id"]]
    for _ in range(2):
        api.delete(f"/clips/{shown[-1]}")
        done = episodes(server.environ, "ingest", str(path), "--create")
        assert done.returncode == 0
        assert f"of clip {shown[0]} (in the trash)" in done.stdout
        assert "\x1b" not in done.stdout
        (clip,) = api.get("/clips", q=mark)
        assert clip["clip_id"] not in shown
        assert clip["file_hash"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert len(api.get(f"/clips/{clip['clip_id']}/thumbnails")) == 3
        shown.append(clip["clip_id"])
    again = ingest(server.environ, path, "--create")
    assert (again.code, again.outcomes) == (0, {"duplicate": 1})
    assert again.results[0]["duplicate_of"]["entity_id"] == again.results[0]["entity_id"] == shown[-1]
    assert again.results[0]["duplicate_of"]["deleted"] is False
    assert len(api.get("/clips", q=mark)) == 1


def test_what_only_the_trash_holds_is_refused_where_duplicates_are(
    server: Stack, api: Api, tmp_path: Path, mark: str
) -> None:
    path = picture(tmp_path / f"{mark}.jpg")
    api.delete(f"/clips/{ingest(server.environ, path, '--create').results[0]['entity_id']}")
    run = ingest(server.environ, path, "--create", "--on-duplicate", "reject")
    assert (run.code, run.results[0]["error"]["code"]) == (1, "DUPLICATE")
    assert "in the trash" in run.results[0]["error"]["message"]
    assert api.titles(mark) == []


def test_a_clip_that_shows_another_file_by_now_is_left_as_it_is(
    server: Stack, api: Api, tmp_path: Path, mark: str
) -> None:
    path, other = picture(tmp_path / f"{mark}.jpg"), picture(tmp_path / f"{mark}_other.jpg")
    first = ingest(server.environ, path, "--create").results[0]["entity_id"]
    assert ingest(server.environ, other, "--entity-id", first).outcomes == {"stored": 1}
    again = ingest(server.environ, path, "--create")
    assert (again.code, again.outcomes) == (0, {"stored": 1})
    hashes = {clip["clip_id"]: clip["file_hash"] for clip in api.get("/clips", q=mark)}
    assert hashes == {
        first: hashlib.sha256(other.read_bytes()).hexdigest(),
        again.results[0]["entity_id"]: hashlib.sha256(path.read_bytes()).hexdigest(),
    }


SHOWN = {
    name: (one.table.name.replace("_", "-"), one.files["primary"].column)
    for name, one in CATALOG.items()
    if "primary" in one.files
}


@pytest.mark.parametrize("kind", SHOWN)
def test_each_kind_of_entity_is_created_with_its_picture(
    server: Stack, api: Api, tmp_path: Path, mark: str, kind: str
) -> None:
    run = ingest(server.environ, picture(tmp_path / f"{mark}.png"), "--entity-type", kind, "--create")
    assert (run.code, run.outcomes) == (0, {"stored": 1})
    path, field = SHOWN[kind]
    assert api.get(f"/{path}/{run.results[0]['entity_id']}")[field].startswith("s3://")


@pytest.fixture
def show(editor: httpx2.Client, mark: str) -> str:
    """A show with an episode 3 in its first season."""
    made = editor.post("/api/v1/shows", json={"name": mark}).json()["data"]["show_id"]
    editor.post("/api/v1/episodes", json={"show_id": made, "title": "Third", "episode_number": 3}).raise_for_status()
    return str(made)


def test_created_episodes_are_numbered_after_those_of_their_show(
    server: Stack, api: Api, tmp_path: Path, mark: str, show: str
) -> None:
    folder, wish = pictures(tmp_path / "in", mark, 5), ("--entity-type", "episode", "--create", "--show-id", show)
    run = ingest(server.environ, folder, *wish)
    assert (run.code, run.outcomes) == (0, {"stored": 5})
    made = api.get("/episodes", show_id=show, q=mark)
    assert sorted(row["episode_number"] for row in made) == [4, 5, 6, 7, 8]
    assert all(row["thumbnail_reference"] for row in made)
    assert ingest(server.environ, folder, *wish).outcomes == {"duplicate": 5}
    assert len(api.get("/episodes", show_id=show)) == 6


def test_an_episode_whose_file_was_not_sent_yet_is_found_again(
    server: Stack, api: Api, tmp_path: Path, mark: str, show: str
) -> None:
    path, wish = picture(tmp_path / f"{mark}.jpg"), ("--entity-type", "episode", "--create", "--show-id", show)
    ingest(server.environ, path, *wish)
    (made,) = api.get("/episodes", show_id=show, q=mark)
    server.sql("delete from files where entity_id = %s", made["episode_id"])
    server.sql("update ingest_jobs set status = 'failed' where entity_id = %s", made["episode_id"])
    again = ingest(server.environ, path, *wish)
    assert [result["entity_id"] for result in again.results] == [made["episode_id"]]
    assert len(api.get("/episodes", show_id=show)) == 2


def test_episodes_of_a_show_that_is_not_there_fail_their_files(server: Stack, tmp_path: Path, mark: str) -> None:
    wish = ("--entity-type", "episode", "--create", "--show-id", str(uuid4()))
    run = ingest(server.environ, picture(tmp_path / f"{mark}.jpg"), *wish)
    assert (run.code, run.outcomes) == (1, {"failed": 1})
    assert "show_id: there is no show" in run.results[0]["error"]["message"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "--create"),
        (("--create", "--entity-id", "x"), "--create"),
        (("--create", "--entity-type", "episode"), "--show-id"),
        (("--create", "--show-id", "x"), "--show-id"),
        (("--entity-id", "x"), "one file"),
    ],
)
def test_a_call_that_makes_no_sense_is_one_clear_line(
    server: Stack, tmp_path: Path, args: tuple[str, ...], said: str
) -> None:
    run = ingest(server.environ, pictures(tmp_path / "in", "m", 2), *args)
    assert (run.code, run.results, run.errors.count("\n")) == (1, [], 1)
    assert said in run.errors


def test_an_entity_that_is_not_there_fails_its_file(server: Stack, tmp_path: Path, mark: str) -> None:
    run = ingest(server.environ, picture(tmp_path / f"{mark}.jpg"), "--entity-id", str(uuid4()))
    assert (run.code, run.outcomes) == (1, {"failed": 1})
    assert "no clip" in run.results[0]["error"]["message"]


class Gate:
    """A way to the server that can be shut: what is on it breaks, and who comes is refused."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "", parts.port or 80)
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        self._start(self._accept, listener)
        return listener

    def _start(self, work: Callable[..., None], *sockets: socket.socket) -> None:
        self._threads.append(threading.Thread(target=work, args=sockets, daemon=True))
        self._threads[-1].start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self._target)
                self._open += [client, server]
                self._start(self._pump, client, server)
                self._start(self._pump, server, client)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def shut(self) -> None:
        accepting, *pumping = self._threads
        self._close(self._listener)
        accepting.join()  # nobody comes in any more
        for one in self._open:
            self._close(one)
        for thread in (*pumping, *self._threads[len(pumping) + 1 :]):
            thread.join()
        self._open.clear()
        self._threads.clear()

    def _close(self, one: socket.socket) -> None:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()

    def reopen(self) -> None:
        self._listener = self._listen(self.port)


class BreaksOnce(Gate):
    """A way that breaks off once, after so many bytes have been sent to the server."""

    def __init__(self, url: str, after: int) -> None:
        self._after = after
        self.sent = 0
        self.broke = threading.Event()
        super().__init__(url)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            to_server = target.getpeername() == self._target
            while data := source.recv(65536):
                before, self.sent = self.sent, self.sent + len(data) * to_server
                if before < self._after <= self.sent:
                    self.broke.set()
                    self._close(target)
                    self._close(source)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def test_of_a_large_file_only_the_part_that_broke_is_sent_again(
    services: dict[str, str], new_stack: Callable[..., Stack], tmp_path: Path
) -> None:
    video = media.clip(tmp_path / "take.mp4", media.moving(10))
    with video.open("ab") as stream:
        stream.write(media.box(b"free", bytes(100_000_000)))
    way = BreaksOnce(services["S3_ENDPOINT_URL"], after=80_000_000)
    stack = new_stack(S3_ENDPOINT_URL=f"http://127.0.0.1:{way.port}")
    stack.start()
    run = ingest(stack.environ, video, "--create")
    stack.stop()
    way.shut()
    assert (run.code, run.outcomes) == (0, {"stored": 1})
    assert 110_000_000 < way.sent < 130_000_000
    digest = hashlib.sha256(video.read_bytes()).hexdigest()
    assert stack.sql("select sha256, file_size from files") == [(digest, video.stat().st_size)]


def test_a_run_that_was_killed_goes_on_within_a_large_file_and_sends_no_part_twice(
    services: dict[str, str], new_stack: Callable[..., Stack], tmp_path: Path
) -> None:
    video = media.clip(tmp_path / "take.mp4", media.moving(10))
    with video.open("ab") as stream:
        stream.write(media.box(b"free", bytes(100_000_000)))
    way = BreaksOnce(services["S3_ENDPOINT_URL"], after=80_000_000)
    stack = new_stack(S3_ENDPOINT_URL=f"http://127.0.0.1:{way.port}")
    stack.start()
    environ = {**stack.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    with program([*COMMAND, str(video), "--create"], environ, stdout=subprocess.PIPE) as started:
        assert way.broke.wait(60)
        started.kill()
        way.shut()
    assert len(list((tmp_path / "state").rglob("*.json"))) == 1
    way.reopen()
    run = ingest(environ, video, "--create")
    stack.stop()
    way.shut()
    assert (run.code, run.outcomes) == (0, {"stored": 1})
    assert 110_000_000 < way.sent < 130_000_000
    assert stack.sql("select count(*) from clips") == [(1,)]
    assert not list((tmp_path / "state").rglob("*.json"))


@contextmanager
def gate(server: Stack) -> Iterator[Gate]:
    made = Gate(server.url)
    try:
        yield made
    finally:
        made.shut()


def test_a_server_that_is_away_for_a_while_is_waited_for(server: Stack, api: Api, tmp_path: Path, mark: str) -> None:
    folder = pictures(tmp_path / "in", mark, 20)
    with gate(server) as way:
        environ = {**server.environ, "EPISODES_URL": f"http://127.0.0.1:{way.port}"}
        command = [*COMMAND, str(folder), "--create", "--json"]
        with program(command, environ, stdout=subprocess.PIPE) as started:
            eventually(lambda: api.titles(mark), within=30)
            way.shut()
            eventually(lambda: all(job["finished_at"] for job in api.get("/ingest", limit=100)), within=30)
            way.reopen()
            out, _ = started.communicate(timeout=60)
    assert started.returncode == 0
    assert Counter(result["outcome"] for result in json.loads(out)) == {"stored": 20}
    assert api.titles(mark) == titles(mark, 20)
