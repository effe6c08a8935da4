"""The Python client against a running server: the main job, conflicts with both versions, lost answers."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from ops.client.blocking import Episodes
from ops.client.episodes import AsyncEpisodes
from ops.client.errors import ApiError, Conflict, FileFailed
from tests import media
from tests.eventually import eventually
from tests.stack import Stack
from tests.work import unique

CLIENT = Path(__file__).parents[3] / "ops" / "client"


@pytest.fixture
def episodes(server: Stack) -> Iterator[Episodes]:
    with Episodes(server.url, server.token("editor")) as client:
        yield client


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / f"look-{uuid4().hex}.jpg"
    path.write_bytes(unique(media.jpeg()))
    return path


def test_a_file_is_ingested_waited_for_and_found(episodes: Episodes, picture: Path) -> None:
    name = f"Pier {uuid4().hex}"
    show = episodes.create("shows", {"name": name})
    episode = episodes.create("episodes", {"show_id": show["show_id"], "title": "First", "episode_number": 1})
    outfit = episodes.create("outfits", {"name": name})
    job = episodes.wait(episodes.ingest(picture, "outfit", outfit["outfit_id"]), within=60)
    assert (job.status, job.outcome, job.error) == ("succeeded", "stored", None)
    link = episodes.link(episode["episode_id"], "outfits", outfit["outfit_id"], usage_context="opening")
    assert link["usage_context"] == "opening"
    assert episodes.read("outfits", outfit["outfit_id"])["image_reference"].startswith("s3://")
    found = eventually(lambda: [hit["entity_id"] for hit in episodes.search(f'"{name}"', type="outfit")])
    assert found == [outfit["outfit_id"]]


def test_what_is_stored_already_is_not_sent_again(episodes: Episodes, picture: Path) -> None:
    first, second = (episodes.create("clips", {"title": f"Take {number}"})["clip_id"] for number in range(2))
    stored = episodes.wait(episodes.ingest(picture, "clip", first), within=60)
    again = episodes.wait(episodes.ingest(picture, "clip", second), within=60)
    assert (stored.outcome, again.outcome) == ("stored", "duplicate")
    assert again.duplicate_of is not None
    assert again.duplicate_of.entity_id == first


def test_a_conflict_holds_both_versions(episodes: Episodes) -> None:
    seen = episodes.create("guests", {"name": "Ana", "bio": "Tailor"})
    theirs = episodes.change("guests", seen, {"bio": "Tailor in Lisbon"})
    with pytest.raises(Conflict) as raised:
        episodes.change("guests", seen, {"bio": "Dressmaker"})
    assert (raised.value.mine["bio"], raised.value.theirs) == ("Dressmaker", theirs)
    changed = episodes.change("guests", raised.value.theirs, {"bio": "Dressmaker"})
    assert (changed["bio"], changed["version"]) == ("Dressmaker", 3)


def test_what_is_deleted_is_gone_until_it_is_restored(server: Stack, episodes: Episodes) -> None:
    background = episodes.create("backgrounds", {"name": "Pier", "background_type": "location"})["background_id"]
    episodes.delete("backgrounds", background, reason="too dark")
    with pytest.raises(ApiError) as raised:
        episodes.read("backgrounds", background)
    assert (raised.value.status, raised.value.code) == (404, "NOT_FOUND")
    with Episodes(server.url, server.token("admin")) as admin:
        assert admin.restore("backgrounds", background)["name"] == "Pier"
    assert episodes.read("backgrounds", background)["name"] == "Pier"


def test_a_list_is_walked_over_all_its_pages(episodes: Episodes) -> None:
    tag = f"t{uuid4().hex}"
    made = [episodes.create("clips", {"title": f"{number}", "tags": [tag]})["clip_id"] for number in range(5)]
    assert [clip["clip_id"] for clip in episodes.list("clips", tag=tag, limit=2)] == made[::-1]


def test_a_file_that_cannot_be_read_or_told_fails_with_a_sentence(episodes: Episodes, tmp_path: Path) -> None:
    with pytest.raises(FileFailed, match="Cannot be read: No such file"):
        episodes.upload(tmp_path / "gone.jpg", "clip")
    with pytest.raises(FileFailed, match="does not tell what it is: notes"):
        episodes.upload(tmp_path / "notes", "clip")


def losing_the_first_answer(url: str) -> tuple[str, Callable[[], int]]:
    """A way to the server that breaks off before the first answer; and how many requests went over it."""
    target = urlsplit(url)
    listener = socket.create_server(("127.0.0.1", 0))
    taken: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                taken.append(client)
                with closing(client), closing(socket.create_connection((target.hostname, target.port))) as server:
                    request = b""
                    while not request.endswith(b"}"):
                        request += client.recv(65536)
                    server.sendall(request)
                    answer = server.recv(65536)
                    if len(taken) > 1:
                        client.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}", lambda: len(taken)


def test_a_lost_answer_doubles_nothing(server: Stack) -> None:
    title = f"Once {uuid4().hex}"
    url, requests = losing_the_first_answer(server.url)
    with Episodes(url, server.token("editor")) as episodes:
        made = episodes.create("clips", {"title": title})
    assert requests() == 2
    assert server.sql("select clip_id::text from clips where title = %s", title) == [(made["clip_id"],)]


async def test_many_files_are_under_way_at_once(server: Stack, tmp_path: Path, rng: Random) -> None:
    paths = [tmp_path / f"{number}.jpg" for number in range(4)]
    for path in paths:
        path.write_bytes(unique(media.jpeg()))
    async with AsyncEpisodes(server.url, server.token("editor")) as episodes:

        async def brought(path: Path) -> str | None:
            clip = await episodes.create("clips", {"title": path.stem})
            return (await episodes.wait(await episodes.ingest(path, "clip", clip["clip_id"]))).outcome

        assert await asyncio.gather(*map(brought, paths)) == ["stored"] * 4


def test_the_client_alone_needs_nothing_of_the_server(tmp_path: Path) -> None:
    (tmp_path / "episodes_client").symlink_to(CLIENT)
    asks = "import sys; import episodes_client.blocking; print(sorted({'api', 'models', 'ops'} & sys.modules.keys()))"
    command = [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {asks}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
