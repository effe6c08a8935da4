"""Files onto the disk: under their own names, gone on with after a break, proved, and never over another file."""

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from ops.client.blocking import Episodes
from ops.client.download import Downloads
from ops.client.errors import ApiError, FileFailed
from ops.client.http import Client, Token
from tests import media, work
from tests.command_line import episodes as command
from tests.cutting import Cutting
from tests.resources import CLIP, EPISODE, GUEST, create
from tests.stack import Stack, running


@pytest.fixture
def client(server: Stack) -> Iterator[Episodes]:
    with Episodes(server.url, server.token("editor")) as signed_in:
        yield signed_in


@pytest.fixture
def large() -> bytes:
    """A picture of some megabytes."""
    return work.unique(media.jpeg()) + bytes(3_000_000)


def stored(editor: httpx2.Client, data: bytes, name: str = "look.jpg") -> str:
    """The clip that has this file."""
    return str(work.ingested(editor, data, name=name)["entity_id"])


def test_a_file_comes_into_a_folder_under_its_own_name_and_is_not_fetched_twice(
    client: Episodes, editor: httpx2.Client, large: bytes, tmp_path: Path
) -> None:
    clip = stored(editor, large, "Mäntel 外套.jpg")
    place = client.download("clips", clip, tmp_path)
    assert place == tmp_path / "Mäntel 外套.jpg"
    assert place.read_bytes() == large
    written = place.stat().st_mtime_ns
    assert client.download("clips", clip, tmp_path) == place
    assert place.stat().st_mtime_ns == written
    assert [entry.name for entry in tmp_path.iterdir()] == [place.name]


async def test_what_was_left_unfinished_is_gone_on_with(
    server: Stack, editor: httpx2.Client, large: bytes, tmp_path: Path
) -> None:
    clip = stored(editor, large)
    (tmp_path / "look.jpg.part").write_bytes(large[:1_000_000])
    got: list[int] = []
    async with Client(server.url, Token(server.token("viewer"))) as http:
        downloads = Downloads(http, got.append)
        place = await downloads.fetch("clips", clip, tmp_path)
        await downloads.close()
    assert place.read_bytes() == large
    assert sum(got) == len(large) - 1_000_000


@pytest.mark.parametrize("left", ["another", "longer"])
def test_what_is_not_the_stored_file_is_never_given_out(
    client: Episodes, editor: httpx2.Client, large: bytes, tmp_path: Path, left: str
) -> None:
    clip = stored(editor, large)
    part = tmp_path / "look.jpg.part"
    part.write_bytes(b"x" * 1000 if left == "another" else large + b"more")
    if left == "another":
        with pytest.raises(FileFailed, match="is not what is stored"):
            client.download("clips", clip, tmp_path)
        assert not part.exists()
    assert client.download("clips", clip, tmp_path).read_bytes() == large


def test_another_file_of_that_name_is_kept(
    client: Episodes, editor: httpx2.Client, large: bytes, tmp_path: Path
) -> None:
    clip = stored(editor, large)
    mine = tmp_path / "look.jpg"
    mine.write_bytes(b"mine")
    with pytest.raises(FileFailed, match="is there already"):
        client.download("clips", clip, mine)
    for _ in range(2):
        place = client.download("clips", clip, tmp_path)
        assert (place.name, place.read_bytes()) == (f"look-{clip[-8:]}.jpg", large)
    assert mine.read_bytes() == b"mine"


def test_a_name_leads_out_of_no_folder(client: Episodes, editor: httpx2.Client, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    clip = create(editor, CLIP)["clip_id"]
    reference = work.upload(editor, work.unique(media.jpeg()))
    work.ended(editor, work.post(editor, reference, clip, file_name="../../outside.jpg"))
    assert client.download("clips", clip, folder).parent == folder
    assert [entry.name for entry in tmp_path.iterdir()] == ["in"]


def test_a_row_without_a_file_is_told(client: Episodes, editor: httpx2.Client, tmp_path: Path) -> None:
    with pytest.raises(ApiError, match="has no file"):
        client.download("clips", create(editor, CLIP)["clip_id"], tmp_path)


def test_a_connection_that_breaks_again_and_again_costs_no_byte_twice(
    services: dict[str, str], large: bytes, tmp_path: Path
) -> None:
    way = Cutting(services["S3_ENDPOINT_URL"], times=3, after=800_000)
    home, folder = tmp_path / "home", tmp_path / "files"
    for made in (home, folder):
        made.mkdir()
    with running(services, home, S3_PUBLIC_ENDPOINT_URL=way.url) as stack, stack.client() as editor:
        way.left = 0  # the file goes in without a break
        clip = stored(editor, large)
        way.left = 3
        with Episodes(stack.url, stack.token("viewer")) as viewer:
            assert viewer.download("clips", clip, folder).read_bytes() == large
    assert way.left <= 0
    way.close()


def test_the_command_brings_files_by_id_and_all_of_an_episode(
    server: Stack, editor: httpx2.Client, tmp_path: Path
) -> None:
    pictures = {name: work.unique(media.jpeg()) for name in ("clip.jpg", "guest.jpg", "still.jpg")}
    clip = stored(editor, pictures["clip.jpg"], "clip.jpg")
    done = command(server.environ, "download", "clip", clip, "--to", str(tmp_path), "--json")
    assert (done.returncode, json.loads(done.stdout)[0]["file"]) == (0, str(tmp_path / "clip.jpg"))
    episode = create(editor, EPISODE)["episode_id"]
    editor.post(f"/api/v1/clips/{clip}/assign", json={"episode_id": episode}).raise_for_status()
    guest = create(editor, GUEST)["guest_id"]
    editor.put(f"/api/v1/episodes/{episode}/guests/{guest}", json={}).raise_for_status()
    for kind, key, name in (("guest", guest, "guest.jpg"), ("episode", episode, "still.jpg")):
        reference = work.upload(editor, pictures[name], name, entity_type=kind)
        more = {"role": "thumbnail"} if kind == "episode" else {}
        job = work.post(editor, reference, key, entity_type=kind, **more)
        assert work.ended(editor, job)["status"] == "succeeded"
    done = command(server.environ, "download", "--episode", episode, "--to", str(tmp_path / "all"))
    assert done.returncode == 0, done.stdout
    found = {str(file.relative_to(tmp_path / "all")): file.read_bytes() for file in (tmp_path / "all").rglob("*.*")}
    names = {"episode": "still.jpg", "clips": "clip.jpg", "guests": "guest.jpg"}
    assert found == {f"{folder}/{name}": pictures[name] for folder, name in names.items()}


def test_the_command_fails_for_what_has_no_file_and_for_what_is_not_said(server: Stack, editor: httpx2.Client) -> None:
    missing = command(server.environ, "download", "clip", create(editor, CLIP)["clip_id"])
    assert (missing.returncode, "has no file" in missing.stdout) == (1, True)
    unknown = command(server.environ, "download", "clip", str(uuid4()), "--json")
    assert (unknown.returncode, json.loads(unknown.stdout)[0]["error"]["code"]) == (1, "NOT_FOUND")
    for said in ((), ("clip",), ("clip", "x", "--episode", "y")):
        assert command(server.environ, "download", *said).returncode == 1


def test_what_nothing_can_prove_is_fetched_from_its_start(
    server: Stack, client: Episodes, editor: httpx2.Client, tmp_path: Path
) -> None:
    """A reference that a client has set: the pipeline has not seen the file, so that nobody knows its hash."""
    data = work.unique(media.jpeg())
    guest = create(editor, GUEST, photo_reference=work.upload(editor, data, entity_type="guest"))["guest_id"]
    (tmp_path / "look.jpg.part").write_bytes(b"X" * 100)
    assert client.download("guests", guest, tmp_path).read_bytes() == data


def test_an_object_that_is_gone_fails_alone_and_at_once(
    server: Stack, editor: httpx2.Client, large: bytes, tmp_path: Path
) -> None:
    lost, other = stored(editor, large, "lost.jpg"), stored(editor, work.unique(media.jpeg()), "other.jpg")
    bucket, _, key = editor.get(f"{CLIP.path}/{lost}").json()["data"]["file_reference"][5:].partition("/")
    work.storage(server.environ).delete_object(Bucket=bucket, Key=key)
    done = command(server.environ, "download", "clip", lost, other, "--to", str(tmp_path), "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told[0]["error"]["code"]) == (1, "SOURCE_MISSING")
    assert told[1]["file"] == str(tmp_path / "other.jpg")
