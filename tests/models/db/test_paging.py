"""A cursor is one that this very list returned, to the letter: what was made up or mended is a 400 that names it."""

import base64
import json
import re
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from hypothesis import HealthCheck, Phase, example, given, seed, settings
from hypothesis import strategies as st

from tests.conftest import SEED
from tests.eventually import eventually
from tests.resources import CLIP, EPISODE, OUTFIT, RESOURCES, create
from tests.stack import Stack

often = settings(
    max_examples=15,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=6,
)
TIMES = ["now", "today", "tomorrow", "epoch", "infinity", "-infinity", "allballs", "2026-01-01", "2026-01-01T00:00:00"]
TIMES += ["2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+23:59", "2026-01-01 00:00:00Z", "0000-01-01T00:00:00Z"]
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [*TIMES, "NaN", "a\x00b", "", 2**63, -1, 1e300, 1.5, True, None, [], {}, [[]], [1, "now"]]
)
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", re.ASCII)

Places = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def places(server: Stack) -> Places:
    """Each list, by its path and sort, with the position of its second page."""
    with server.client("admin") as client:
        paths = [*_filled(client), "/api/v1/audit"]
        ways: list[tuple[str, dict[str, str]]] = [(path, {}) for path in paths]
        ways += [("/api/v1/search", {"type": "clip"})]
        ways += [(resource.path, {"sort": sort}) for resource in RESOURCES for sort in ("updated_at", resource.title)]
        return {f"{path} {sort}": _place(client, path, sort) for path, sort in ways}


def _filled(client: httpx2.Client) -> list[str]:
    """Lists of more than one row."""
    for resource in RESOURCES:
        for _ in range(2):
            made = create(client, resource)
            client.patch(f"{resource.path}/{made[resource.key]}", json=resource.patch).raise_for_status()
    episode, clip = create(client, EPISODE)["episode_id"], create(client, CLIP)["clip_id"]
    for _ in range(2):
        outfit = create(client, OUTFIT)["outfit_id"]
        client.put(f"{EPISODE.path}/{episode}/outfits/{outfit}", json={}).raise_for_status()
        client.post(f"{EPISODE.path}/{episode}/scripts", json={"content": "x"}).raise_for_status()
        job = {"entity_type": "clip", "entity_id": clip, "source_reference": "s3://episodes-media/none.mp4"}
        client.post("/api/v1/ingest", json=job).raise_for_status()
    client.patch(f"{CLIP.path}/{clip}", json={"status": "used"}).raise_for_status()
    lists = [f"{EPISODE.path}/{episode}/{end}" for end in ("outfits", "scripts")]
    return [*(resource.path for resource in RESOURCES), *lists, f"{CLIP.path}/{clip}/history", "/api/v1/ingest"]


def _place(client: httpx2.Client, path: str, sort: dict[str, str]) -> dict[str, Any]:
    def following() -> str | None:
        page = client.get(path, params={"limit": "1"} | sort).raise_for_status().json()
        cursor: str | None = page["metadata"]["pagination"]["nextCursor"]
        return cursor

    cursor = eventually(following)
    return {"path": path, "sort": sort, "cursor": cursor, "parts": json.loads(_bytes(str(cursor)))}


def _bytes(cursor: str) -> bytes:
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


def encoded(raw: bytes) -> str:
    """JSON in the clothes of a cursor."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def compact(value: Any) -> bytes:
    """As the server writes JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def ask(client: httpx2.Client, place: dict[str, Any], cursor: str) -> httpx2.Response:
    """The page after a cursor."""
    answer = client.get(place["path"], params={"cursor": cursor} | place["sort"])
    assert answer.status_code in {200, 400}, answer.text
    if answer.status_code == 400:
        assert [error.get("field") for error in answer.json()["errors"]] == ["cursor"]
    return answer


def plausible(old: Any, new: Any) -> Any:
    """Whether a list may have returned ``new`` where it returned ``old``."""
    match old:
        case str() if INSTANT.fullmatch(old):
            return isinstance(new, str) and INSTANT.fullmatch(new) is not None
        case str():
            return isinstance(new, str) and "\x00" not in new
        case int() | float():
            return isinstance(new, int | float) and not isinstance(new, bool) and bool(new >= 0)
        case list():
            return isinstance(new, list) and len(new) == len(old) and all(map(plausible, old, new))
    return bool(old == new)


def canonical(text: Any) -> bool:
    """Whether this is a UUID as the server writes one."""
    try:
        return bool(str(UUID(text)) == text)
    except (ValueError, AttributeError, TypeError):
        return False


@seed(SEED)
@often
@given(value=ODD | JSONS, at=st.integers(0, 3))
@example(value="2026-01-01T00:00:00+23:59", at=2)
@example(value="0001-01-01T00:00:00+00:01", at=2)
@example(value="9999-12-31T23:59:59-00:01", at=2)
def test_a_position_with_another_value_is_refused(admin: httpx2.Client, places: Places, value: Any, at: int) -> None:
    for name, place in places.items():
        parts = [*place["parts"]]
        fits = plausible(parts[2], value) if at == 2 else canonical(value) if at == 3 else parts[at] == value
        parts[at] = value
        answer = ask(admin, place, encoded(compact(parts)))
        assert answer.status_code == 400 or fits, (name, parts)


@seed(SEED)
@often
@given(value=ODD | JSONS, at=st.integers(0, 4))
def test_a_position_of_more_or_fewer_parts_is_refused(
    admin: httpx2.Client, places: Places, value: Any, at: int
) -> None:
    for place in places.values():
        more, fewer = [*place["parts"]], [*place["parts"]]
        more.insert(at, value)
        del fewer[min(at, 3)]
        for parts in (more, fewer, value, {"value": value}, [more]):
            assert ask(admin, place, encoded(compact(parts))).status_code == 400


def test_a_cursor_of_another_list_or_sort_is_refused(admin: httpx2.Client, places: Places) -> None:
    for one, other in pairwise([*places.values(), *places.values()][: len(places) + 1]):
        assert ask(admin, one, one["cursor"]).status_code == 200
        assert ask(admin, one, other["cursor"]).status_code == 400


def test_a_cursor_of_another_things_list_is_refused(admin: httpx2.Client, places: Places) -> None:
    below = [place for place in places.values() if place["path"].count("/") > 3]
    assert len(below) == 3
    for place in below:
        kind, _, end = place["path"].removeprefix("/api/v1/").partition("/")
        resource = CLIP if kind == "clips" else EPISODE
        elsewhere = f"{resource.path}/{create(admin, resource)[resource.key]}/{end.partition('/')[2]}"
        assert ask(admin, place | {"path": elsewhere}, place["cursor"]).status_code == 400


@pytest.mark.parametrize(
    "written",
    [
        lambda raw: raw.replace(b",", b", "),
        lambda raw: raw + b" ",
        lambda raw: raw.replace(b'"c', b'"\\u0063').replace(b'"s', b'"\\u0073').replace(b'"a', b'"\\u0061'),
        lambda raw: raw[:-38] + raw[-38:].upper(),
        lambda raw: raw[:-38] + raw[-38:].replace(b"-", b""),
    ],
)
def test_what_says_the_same_in_other_words_is_refused(admin: httpx2.Client, places: Places, written: Any) -> None:
    for place in places.values():
        raw = written(_bytes(place["cursor"]))
        if raw != _bytes(place["cursor"]):
            assert ask(admin, place, encoded(raw)).status_code == 400, raw
        assert ask(admin, place, place["cursor"] + "=").status_code == 400


@pytest.mark.parametrize("title", ["👗" * 500, "\x01" * 500, '"' * 500])
def test_the_longest_title_makes_a_cursor_that_is_taken(admin: httpx2.Client, title: str) -> None:
    tag = str(uuid4())
    made = {create(admin, CLIP, title=title, tags=[tag])["clip_id"] for _ in range(3)}
    params: dict[str, Any] = {"sort": "title", "limit": 1, "tag": tag}
    seen = []
    while params.get("cursor", "") is not None:
        page = admin.get(CLIP.path, params=params).raise_for_status().json()
        seen += [row["clip_id"] for row in page["data"]]
        params["cursor"] = page["metadata"]["pagination"]["nextCursor"]
    assert (set(seen), len(seen)) == (made, 3)
