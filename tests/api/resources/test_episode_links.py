"""What an episode shows: linked from one side, seen from both, counted truthfully."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from models.db.paging import encode_cursor
from tests.resources import BACKGROUND, COMPONENT, EPISODE, GUEST, OUTFIT, UI_ELEMENT, Resource, create
from tests.stack import Stack

THINGS = (OUTFIT, UI_ELEMENT, BACKGROUND, COMPONENT, GUEST)
SAID: dict[str, Any] = {"usage_context": "opening", "notes": "with the lights low", "position": 3}
OWN: dict[str, dict[str, Any]] = {
    "outfit_id": {"worn_by": "Lala"},
    "ui_element_id": {"start_seconds": 1.5, "end_seconds": 12.25},
}
every = pytest.mark.parametrize("thing", THINGS, ids=lambda thing: thing.key)


class Two:
    """An episode, a thing, and where their link is."""

    def __init__(self, client: httpx2.Client, thing: Resource) -> None:
        self.episode = create(client, EPISODE)["episode_id"]
        self.thing = create(client, thing)[thing.key]
        self.key = thing.key
        self.things = f"{EPISODE.path}/{self.episode}/{thing.path.rsplit('/', 1)[1]}"
        self.link = f"{self.things}/{self.thing}"
        self.here = f"{thing.path}/{self.thing}"
        self.episodes = f"{self.here}/episodes"
        self.said = SAID | OWN.get(thing.key, {})


@pytest.fixture
def two(editor: httpx2.Client, request: pytest.FixtureRequest) -> Two:
    """An episode and a thing, not linked yet."""
    return Two(editor, getattr(request, "param", OUTFIT))


each = pytest.mark.parametrize("two", THINGS, ids=lambda thing: thing.key, indirect=True)


def put(client: httpx2.Client, path: str, **said: Any) -> dict[str, Any]:
    """The link as it now is."""
    answer = client.put(path, json=said)
    assert answer.status_code in {200, 201}, answer.text
    link: dict[str, Any] = answer.json()["data"]
    return link


def listed(client: httpx2.Client, path: str, **params: Any) -> list[dict[str, Any]]:
    """The rows of a list, whose total is their number."""
    body = client.get(path, params=params).json()
    rows: list[dict[str, Any]] = body["data"]
    if not params:
        assert body["metadata"]["pagination"]["total"] == len(rows)
    return rows


def usage(client: httpx2.Client, two: Two) -> tuple[int, str | None]:
    """How often the thing is used, and when it last was."""
    row = client.get(two.here).json()["data"]
    return row["usage_count"], row["last_used_at"]


@each
def test_a_link_is_new_once_and_then_replaced(editor: httpx2.Client, two: Two) -> None:
    answer = editor.put(two.link, json=two.said)
    link = answer.json()["data"]
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    assert link | two.said == link
    assert (link["episode_id"], link[two.key], link["created_by"]) == (two.episode, two.thing, "tester")
    again = editor.put(two.link, json={"notes": "other"})
    assert (again.status_code, again.headers["ETag"]) == (200, '"2"')
    cleared = dict.fromkeys(two.said) | {"notes": "other", "position": 0}
    assert again.json()["data"] | cleared == again.json()["data"]
    assert again.json()["data"]["created_at"] == link["created_at"]


@each
def test_a_link_is_seen_from_both_sides_with_what_it_says(editor: httpx2.Client, two: Two) -> None:
    link = put(editor, two.link, **two.said)
    said = two.said | {"linked_at": link["created_at"], "linked_by": "tester"}
    assert listed(editor, two.things) == [editor.get(two.here).json()["data"] | said]
    assert listed(editor, two.episodes) == [editor.get(f"{EPISODE.path}/{two.episode}").json()["data"] | said]


@each
def test_an_unlinked_thing_is_gone_from_both_sides(editor: httpx2.Client, two: Two) -> None:
    assert editor.delete(two.link).status_code == 404
    put(editor, two.link)
    assert editor.delete(two.link).status_code == 204
    assert editor.delete(two.link).status_code == 404
    assert listed(editor, two.things) == listed(editor, two.episodes) == []
    assert editor.put(two.link, json={}).status_code == 201


@each
def test_deleting_either_side_hides_the_link_and_restoring_brings_it_back(
    editor: httpx2.Client, admin: httpx2.Client, two: Two
) -> None:
    link = put(editor, two.link, **two.said)
    episode = f"{EPISODE.path}/{two.episode}"
    for side, other, gone in ((episode, two.episodes, two.things), (two.here, two.things, two.episodes)):
        assert editor.delete(side).status_code == 204
        assert listed(editor, other) == []
        assert editor.get(gone).status_code == 404
        assert editor.put(two.link, json={}).status_code == 404
        assert editor.delete(two.link).status_code == 404
        admin.post(f"{side}/restore")
        assert len(listed(editor, two.things)) == len(listed(editor, two.episodes)) == 1
    assert editor.put(two.link, json=two.said).json()["data"]["version"] == link["version"] + 1


@each
def test_usage_counts_living_links_to_living_episodes(editor: httpx2.Client, admin: httpx2.Client, two: Two) -> None:
    assert usage(editor, two) == (0, None)
    first = put(editor, two.link)
    assert usage(editor, two) == (1, first["created_at"])
    other = create(editor, EPISODE)["episode_id"]
    second = put(editor, two.link.replace(two.episode, other))
    assert usage(editor, two) == (2, second["created_at"])
    put(editor, two.link, notes="said again")
    assert usage(editor, two) == (2, second["created_at"])
    editor.delete(f"{EPISODE.path}/{other}")
    assert usage(editor, two) == (1, first["created_at"])
    editor.delete(two.link)
    assert usage(editor, two) == (0, None)
    admin.post(f"{EPISODE.path}/{other}/restore")
    assert usage(editor, two) == (1, second["created_at"])


@every
def test_usage_is_told_by_reads_lists_and_writes_alike(editor: httpx2.Client, thing: Resource) -> None:
    mark = uuid4().hex
    row = create(editor, thing, tags=[mark])
    assert (row["usage_count"], row["last_used_at"]) == (0, None)
    path, kind = f"{thing.path}/{row[thing.key]}", thing.path.rsplit("/", 1)[1]
    link = put(editor, f"{EPISODE.path}/{create(editor, EPISODE)['episode_id']}/{kind}/{row[thing.key]}")
    used = (1, link["created_at"])
    told = [editor.get(path).json()["data"], *editor.get(thing.path, params={"tag": mark}).json()["data"]]
    told.append(editor.patch(path, json={"name": "Renamed"}).json()["data"])
    assert [(row["usage_count"], row["last_used_at"]) for row in told] == [used] * 3
    assert editor.patch(path, json={"usage_count": 5}).json()["errors"][0]["field"] == "usage_count"


def test_being_used_is_no_new_version(editor: httpx2.Client, two: Two) -> None:
    before = editor.get(two.here).json()["data"]
    put(editor, two.link)
    after = editor.get(two.here).json()["data"]
    assert {name for name in before if before[name] != after[name]} == {"usage_count", "last_used_at"}
    assert editor.patch(two.here, json={"brand": "Own"}, headers={"If-Match": '"1"'}).status_code == 200


def test_links_are_ordered_by_position_then_age_and_walked_by_cursor(
    editor: httpx2.Client, two: Two, rng: random.Random
) -> None:
    places = [rng.randrange(3) for _ in range(9)]
    made = [(place, create(editor, OUTFIT)["outfit_id"]) for place in places]
    for place, outfit in made:
        put(editor, f"{two.things}/{outfit}", position=place)
    expected = [outfit for _, outfit in sorted(made, key=lambda pair: pair[0])]
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 2}
    while True:
        body = editor.get(two.things, params=params).json()
        assert body["metadata"]["pagination"]["total"] == 9
        seen += [row["outfit_id"] for row in body["data"]]
        params["cursor"] = body["metadata"]["pagination"]["nextCursor"]
        if params["cursor"] is None:
            break
    assert seen == expected


@pytest.mark.parametrize("value", [None, 1, [], [1], ["1", "2026-01-01T00:00:00Z"], [1, "never"], [1, 2], {}], ids=str)
def test_a_forged_cursor_is_refused(editor: httpx2.Client, two: Two, value: Any) -> None:
    for path, key in ((two.things, two.episode), (two.episodes, two.thing)):
        listed_as = f"episode_outfits {key}"
        answer = editor.get(path, params={"cursor": encode_cursor(listed_as, "position", value, uuid4())})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "cursor")
    assert editor.get(two.things, params={"cursor": "nonsense"}).status_code == 400


@pytest.mark.parametrize(
    ("thing", "said", "field"),
    [
        (OUTFIT, {"position": -1}, "position"),
        (OUTFIT, {"position": 2**31}, "position"),
        (OUTFIT, {"worn_by": ""}, "worn_by"),
        (OUTFIT, {"start_seconds": 1}, "start_seconds"),
        (UI_ELEMENT, {"worn_by": "Lala"}, "worn_by"),
        (UI_ELEMENT, {"start_seconds": -0.5}, "start_seconds"),
        (UI_ELEMENT, {"start_seconds": 10, "end_seconds": 9.5}, "end_seconds"),
        (GUEST, {"notes": 5}, "notes"),
        (COMPONENT, {"usage_context": ["opening"]}, "usage_context"),
        (BACKGROUND, {"notes": "\x00"}, "notes"),
    ],
    ids=str,
)
def test_what_a_link_cannot_say_is_named(
    editor: httpx2.Client, thing: Resource, said: dict[str, Any], field: str
) -> None:
    two = Two(editor, thing)
    answer = editor.put(two.link, json=said)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
    assert listed(editor, two.things) == []


@pytest.mark.parametrize("said", [{"start_seconds": 4}, {"end_seconds": 4}, {"start_seconds": 4, "end_seconds": 4}])
def test_a_ui_element_may_end_when_it_starts_or_whenever(editor: httpx2.Client, said: dict[str, Any]) -> None:
    link = put(editor, Two(editor, UI_ELEMENT).link, **said)
    assert link | said == link


def test_a_link_of_what_was_never_there_is_not_found(editor: httpx2.Client, two: Two) -> None:
    for path in (two.link.replace(two.thing, str(uuid4())), two.link.replace(two.episode, str(uuid4()))):
        assert editor.put(path, json={}).status_code == 404
        assert editor.delete(path).status_code == 404
    assert editor.put(two.link.replace(two.thing, "nonsense"), json={}).status_code == 400
    guest = create(editor, GUEST)["guest_id"]
    assert editor.put(two.link.replace(two.thing, guest), json={}).status_code == 404
    assert editor.get(f"{OUTFIT.path}/{uuid4()}/episodes").status_code == 404


def test_a_change_of_a_link_that_saw_an_older_version_is_refused(editor: httpx2.Client, two: Two) -> None:
    stale = {"If-Match": '"1"'}
    assert editor.put(two.link, json={}, headers=stale).status_code == 412
    put(editor, two.link)
    assert editor.put(two.link, json=two.said, headers=stale).status_code == 200
    assert editor.put(two.link, json=two.said, headers=stale).status_code == 412
    assert editor.delete(two.link, headers=stale).status_code == 412
    assert editor.delete(two.link, headers={"If-Match": '"2"'}).status_code == 204


def test_viewers_see_links_and_change_none(viewer: httpx2.Client, editor: httpx2.Client, two: Two) -> None:
    put(editor, two.link)
    assert len(listed(viewer, two.things)) == len(listed(viewer, two.episodes)) == 1
    assert viewer.put(two.link, json={}).status_code == 403
    assert viewer.delete(two.link).status_code == 403


def test_the_history_of_an_episode_tells_of_its_links(server: Stack, editor: httpx2.Client, two: Two) -> None:
    with server.client("editor", "ana") as ana:
        put(ana, two.link, position=1)
        put(ana, two.link, position=2)
        ana.delete(two.link)
    changes = editor.get(f"{EPISODE.path}/{two.episode}/history").json()["data"][:3]
    pair = {"episode_id": two.episode, "outfit_id": two.thing}
    assert [(change["actor"], change["action"], change["before"], change["after"]) for change in changes] == [
        ("ana", "unlink", pair | {"position": 2}, None),
        ("ana", "link", pair | {"position": 1}, pair | {"position": 2}),
        ("ana", "link", None, pair | {"position": 1}),
    ]


def test_of_ten_that_link_the_same_two_at_once_one_makes_the_link(
    server: Stack, editor: httpx2.Client, two: Two
) -> None:
    with server.client("editor") as client, ThreadPoolExecutor(10) as threads:
        codes = list(threads.map(lambda place: client.put(two.link, json={"position": place}).status_code, range(10)))
    assert sorted(codes) == [200] * 9 + [201]
    assert usage(editor, two)[0] == 1


def test_usage_stays_true_while_many_link_unlink_delete_and_restore(
    server: Stack, editor: httpx2.Client, rng: random.Random
) -> None:
    episodes = [create(editor, EPISODE)["episode_id"] for _ in range(4)]
    outfits = [create(editor, OUTFIT)["outfit_id"] for _ in range(3)]
    acts = [(rng.randrange(4), rng.choice(episodes), rng.choice(outfits)) for _ in range(200)]
    with server.client("admin") as client, ThreadPoolExecutor(10) as threads:

        def act(what: int, episode: str, outfit: str) -> int:
            path = f"{EPISODE.path}/{episode}"
            link = f"{path}/outfits/{outfit}"
            calls = (("PUT", link), ("DELETE", link), ("DELETE", path), ("POST", f"{path}/restore"))
            method, where = calls[what]
            return client.request(method, where, json={} if method == "PUT" else None).status_code

        codes = set(threads.map(lambda one: act(*one), acts))
    assert codes <= {200, 201, 204, 404, 409}, codes
    for outfit in outfits:
        row = editor.get(f"{OUTFIT.path}/{outfit}").json()["data"]
        seen = listed(editor, f"{OUTFIT.path}/{outfit}/episodes")
        assert row["usage_count"] == len(seen)
        assert row["last_used_at"] == max((episode["linked_at"] for episode in seen), default=None)
